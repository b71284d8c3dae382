//! What verifies a file: its hash, and the chaining values of its subtrees.

/// Size of a subtree in bytes. Each subtree is verified and recorded alone, so that it need not be sent again. BLAKE3
/// requires a power of two.
pub const SUBTREE: u64 = 1 << 20;

/// A BLAKE3 hash, or the chaining value of a subtree.
pub type Hash = [u8; 32];

/// Number of chaining values that stand for the first `subtrees` whole subtrees: one for each power of two in that
/// number.
pub fn tree_values(subtrees: u64) -> usize {
    subtrees.count_ones() as usize
}
