//! What a file is proven by: hashes, and the subtrees that have one each.

/// Bytes of a subtree: what is proven on its own, and recorded so that it is not sent again. A power of two, as BLAKE3 needs it.
pub const SUBTREE: u64 = 1 << 20;

/// A BLAKE3 hash, or the chaining value of a subtree.
pub type Hash = [u8; 32];

/// How many chaining values say everything of the first `subtrees` whole subtrees: one for each power of two in that number.
pub fn tree_values(subtrees: u64) -> usize {
    subtrees.count_ones() as usize
}
