//! A number with its unit, in the singular or the plural: `1 byte`, `2 bytes`.

use std::fmt;

/// A number of things; the word is in the singular.
#[derive(Debug, Clone, Copy)]
pub struct Count<N>(pub N, pub &'static str);

impl<N: fmt::Display + Copy + TryInto<u64>> fmt::Display for Count<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, what) = self;
        let is_one = (*number).try_into().is_ok_and(|number| number == 1);
        write!(f, "{number} {what}{}", if is_one { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let shown = [0, 1, 2].map(|number: u64| Count(number, "byte").to_string());
        assert_eq!(shown, ["0 bytes", "1 byte", "2 bytes"]);
        assert_eq!(Count(1_usize, "message").to_string(), "1 message");
    }
}
