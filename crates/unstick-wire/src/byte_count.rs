//! A number of bytes as text, in the singular or the plural: `1 byte`, `2 bytes`.

use std::fmt;

/// A number of bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteCount<N>(pub(crate) N);

impl<N: fmt::Display + Copy + TryInto<u64>> fmt::Display for ByteCount<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_one = self.0.try_into().is_ok_and(|number| number == 1);
        write!(f, "{} byte{}", self.0, if is_one { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0_usize, 1, 2].map(|number| ByteCount(number).to_string()), ["0 bytes", "1 byte", "2 bytes"]);
        assert_eq!(ByteCount(-1_i64).to_string(), "-1 bytes");
    }
}
