//! Numbers that repeat with their seed (splitmix64), and streams whose every byte follows from a seed and its place.

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Fewer bytes than `end`.
    pub fn bytes_below(&mut self, end: u64) -> Vec<u8> {
        (0..self.below(end)).map(|_| self.next() as u8).collect()
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Fills `out` with the stream of `seed` from `at` on.
pub fn fill(seed: u64, at: u64, out: &mut [u8]) {
    for (index, byte) in out.iter_mut().enumerate() {
        let place = at + index as u64;
        *byte = (mix(seed ^ (place / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> (place % 8 * 8)) as u8;
    }
}
