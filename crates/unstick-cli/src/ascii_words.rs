//! Looks at eight bytes of a text at once, because the texts of bulk pass here.
//!
//! A result has the highest bit of a byte set where something was found. Only the lowest such bit is exact: a borrow goes from a byte
//! that was found to those behind it.

/// Bytes that are looked at together.
pub const WORD: usize = 8;

const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; WORD])
}

/// The bytes that are not printable ASCII.
#[inline(always)]
pub fn unprintable(word: [u8; WORD]) -> u64 {
    let control = u64::from_le_bytes(word).wrapping_sub(each(b' '));
    (u64::from_le_bytes(word) | control) & each(0x80) | equal(word, 0x7f)
}

/// The bytes that are this one. A byte over 0x80 may be found as well.
#[inline(always)]
pub fn equal(word: [u8; WORD], byte: u8) -> u64 {
    (u64::from_le_bytes(word) ^ each(byte)).wrapping_sub(each(1)) & each(0x80)
}

/// The place of the first byte that was found.
pub fn first(found: u64) -> usize {
    found.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_characters_are_printable_if_each_is() {
        for byte in 0..=u8::MAX {
            for at in 0..WORD {
                for others in [b' ', b'a', b'~'] {
                    let mut word = [others; WORD];
                    word[at] = byte;
                    assert_eq!(unprintable(word) == 0, matches!(byte, b' '..=b'~'), "{byte:#x} at {at} of {others:#x}");
                }
            }
        }
    }
}
