//! Tells the program the commit that it is built from, for `-V`.
//!
//! The same sources give the same answer anywhere: a packager may name the commit (`UNSTICK_COMMIT`), a package from crates.io
//! has it in `.cargo_vcs_info.json`, and a checkout is asked for its HEAD. A debug build is not: it would be built anew after
//! every commit.

#![allow(clippy::print_stdout)] // What a build script prints is for cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Digits of a commit that are shown.
const DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=UNSTICK_COMMIT");
    let named = std::env::var("UNSTICK_COMMIT").ok().filter(|commit| is_commit(commit));
    // Asked for now, not when this script was compiled: checkouts that share a target directory share the script.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let found = named.or_else(|| packaged(&here)).or_else(|| if is_release { checked_out(&here) } else { None });
    if let Some(commit) = found {
        println!("cargo::rustc-env=UNSTICK_COMMIT_BUILT={}", &commit[..commit.len().min(DIGITS)]);
    }
}

fn is_commit(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The commit that `cargo package` has written down.
pub(crate) fn packaged(here: &Path) -> Option<String> {
    let text = std::fs::read_to_string(here.join(".cargo_vcs_info.json")).ok()?;
    let commit = text.split("\"sha1\"").nth(1)?.split('"').nth(1)?;
    is_commit(commit).then(|| commit.to_owned())
}

/// The HEAD of the checkout that this crate is in; none where another project's checkout holds a copy of it.
pub(crate) fn checked_out(here: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(here).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        println!("cargo::rerun-if-changed={path}");
    }
    git(&["rev-parse", "HEAD"]).filter(|commit| is_commit(commit))
}
