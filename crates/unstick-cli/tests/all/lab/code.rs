//! The Rust code that `lab` shows, compiled as it stands.

#![allow(unreachable_pub)] // It is shown without a crate around it.

#[path = "../../../src/verb/lab/code/compare/right.rs"]
pub(super) mod compare_right;
#[path = "../../../src/verb/lab/code/compare/wrong.rs"]
pub(super) mod compare_wrong;
#[path = "../../../src/verb/lab/code/cut_short/right.rs"]
pub(super) mod cut_short_right;
#[path = "../../../src/verb/lab/code/cut_short/wrong.rs"]
pub(super) mod cut_short_wrong;
#[path = "../../../src/verb/lab/code/datagrams/right.rs"]
pub(super) mod datagrams_right;
#[path = "../../../src/verb/lab/code/datagrams/wrong.rs"]
pub(super) mod datagrams_wrong;
#[path = "../../../src/verb/lab/code/file/right.rs"]
pub(super) mod file_right;
#[path = "../../../src/verb/lab/code/file/wrong.rs"]
pub(super) mod file_wrong;
#[path = "../../../src/verb/lab/code/length/right.rs"]
pub(super) mod length_right;
#[path = "../../../src/verb/lab/code/length/wrong.rs"]
pub(super) mod length_wrong;
#[path = "../../../src/verb/lab/code/loss/right.rs"]
pub(super) mod loss_right;
#[path = "../../../src/verb/lab/code/loss/wrong.rs"]
pub(super) mod loss_wrong;
#[path = "../../../src/verb/lab/code/nagle/right.rs"]
pub(super) mod nagle_right;
#[path = "../../../src/verb/lab/code/nagle/wrong.rs"]
pub(super) mod nagle_wrong;
#[path = "../../../src/verb/lab/code/range/right.rs"]
pub(super) mod range_right;
#[path = "../../../src/verb/lab/code/range/wrong.rs"]
pub(super) mod range_wrong;
#[path = "../../../src/verb/lab/code/slow_reader/right.rs"]
pub(super) mod slow_reader_right;
#[path = "../../../src/verb/lab/code/slow_reader/wrong.rs"]
pub(super) mod slow_reader_wrong;
#[path = "../../../src/verb/lab/code/small_buffer/right.rs"]
pub(super) mod small_buffer_right;
#[path = "../../../src/verb/lab/code/small_buffer/wrong.rs"]
pub(super) mod small_buffer_wrong;
#[path = "../../../src/verb/lab/code/split/right.rs"]
pub(super) mod split_right;
#[path = "../../../src/verb/lab/code/split/wrong.rs"]
pub(super) mod split_wrong;
