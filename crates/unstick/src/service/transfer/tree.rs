//! The BLAKE3 hash of a file, subtree by subtree. A few chaining values stand for the beginning of the file, and the
//! hash continues from them.

use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use unstick_wire::transfer::{Hash, SUBTREE, tree_values};

/// The hash of a file, as far as it has been read, in order.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// Chaining values of the whole subtrees before this one, the largest first: one for each power of two in their
    /// number. Another byte follows each of them.
    values: Vec<Hash>,
    /// Number of whole subtrees before this one.
    whole: u64,
    /// The hasher of the subtree that is being read.
    hasher: Hasher,
    /// Number of bytes read of this subtree.
    length: u64,
}

impl Tree {
    /// Starts at the beginning of a file.
    pub(super) fn new() -> Self {
        Self { values: Vec::new(), whole: 0, hasher: Hasher::new(), length: 0 }
    }

    /// Starts after the first `whole` subtrees of a file; at least one byte must follow. `None` if the number of values
    /// does not match.
    pub(super) fn behind(whole: u64, values: Vec<Hash>) -> Option<Self> {
        let mut hasher = Hasher::new();
        hasher.set_input_offset(whole.checked_mul(SUBTREE)?);
        (values.len() == tree_values(whole)).then_some(Self { values, whole, hasher, length: 0 })
    }

    /// The chaining values that stand for all [closed](Self::close) subtrees.
    pub(super) fn values(&self) -> &[Hash] {
        &self.values
    }

    /// Number of bytes of the file so far.
    pub(super) fn length(&self) -> u64 {
        self.whole * SUBTREE + self.length
    }

    /// Number of bytes until this subtree is complete.
    pub(super) fn room(&self) -> u64 {
        SUBTREE - self.length
    }

    /// Hashes bytes of this subtree. There must be [`room`](Self::room) for them.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        debug_assert!(self.length <= SUBTREE, "a subtree is closed before the next begins");
        self.hasher.update(bytes);
    }

    /// Hashes zeros of this subtree. There must be [`room`](Self::room) for them.
    pub(super) fn zeros(&mut self, length: u64) {
        // The hash of zeros depends on their place in the file, so none can be kept.
        /// As many as BLAKE3 hashes side by side (16 chunks), and few enough for a block of the heap that is used again.
        const AT_ONCE: u64 = 16 << 10;
        let zeros = vec![0; length.min(AT_ONCE) as usize];
        let mut left = length;
        while left > 0 {
            let piece = left.min(AT_ONCE);
            self.update(&zeros[..piece as usize]);
            left -= piece;
        }
    }

    /// Closes this subtree, which is complete and has another byte after it. Returns its chaining value.
    pub(super) fn close(&mut self) -> Hash {
        debug_assert_eq!(self.length, SUBTREE, "only whole subtrees are closed");
        let value = self.hasher.finalize_non_root();
        self.push(value);
        value
    }

    /// Adds a subtree that was read earlier, by its chaining value.
    pub(super) fn push(&mut self, value: Hash) {
        let (mut value, mut number) = (value, self.whole);
        // Each set bit at the end stands for a subtree of that size. Merging makes this one twice as large.
        while number & 1 == 1 {
            value = merge_subtrees_non_root(&self.values.pop().unwrap_or_default(), &value, Mode::Hash);
            number >>= 1;
        }
        self.values.push(value);
        self.whole += 1;
        self.length = 0;
        self.hasher = Hasher::new();
        self.hasher.set_input_offset(self.whole * SUBTREE);
    }

    /// Ends the file, and returns its hash.
    pub(super) fn finish(mut self) -> Hash {
        let Some(first) = self.values.first().copied() else { return *self.hasher.finalize().as_bytes() };
        debug_assert!(self.length > 0, "something follows what was closed");
        let mut right = self.hasher.finalize_non_root();
        while self.values.len() > 1 {
            right = merge_subtrees_non_root(&self.values.pop().unwrap_or_default(), &right, Mode::Hash);
        }
        *merge_subtrees_root(&first, &right, Mode::Hash).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads as the program does: closes a subtree once it is complete and another byte follows.
    fn read(tree: &mut Tree, bytes: &[u8], mut at: usize) -> Vec<Vec<Hash>> {
        let mut known = vec![tree.values().to_vec()];
        while at < bytes.len() {
            if tree.room() == 0 {
                tree.close();
                known.push(tree.values().to_vec());
            }
            let length = (bytes.len() - at).min(tree.room() as usize).min(100_000);
            tree.update(&bytes[at..at + length]);
            at += length;
        }
        known
    }

    #[test]
    fn the_hash_is_that_of_b3sum_wherever_it_goes_on() {
        let subtree = SUBTREE as usize;
        let bytes: Vec<u8> =
            (0_u32..).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).take(9 * subtree).collect();
        for length in [
            0,
            1,
            1024,
            subtree - 1,
            subtree,
            subtree + 1,
            2 * subtree,
            3 * subtree,
            4 * subtree,
            5 * subtree + 7,
            8 * subtree,
            9 * subtree,
        ] {
            let bytes = &bytes[..length];
            let hash = *blake3::hash(bytes).as_bytes();
            let mut tree = Tree::new();
            let known = read(&mut tree, bytes, 0);
            assert_eq!(tree.length(), length as u64);
            assert_eq!(tree.finish(), hash, "{length} bytes");
            for (whole, values) in known.into_iter().enumerate() {
                let mut tree = Tree::behind(whole as u64, values).expect("as many as there are");
                read(&mut tree, bytes, whole * subtree);
                assert_eq!(tree.finish(), hash, "{length} bytes from subtree {whole} on");
            }
        }
        assert!(Tree::behind(3, vec![[0; 32]]).is_none());
        assert!(Tree::behind(u64::MAX, vec![[0; 32]; 64]).is_none());
    }
}
