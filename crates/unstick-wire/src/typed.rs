//! The common framings without a spec: `Framing::lines()`, `Framing::length(4).big_endian()`, `Framing::delimiter(b";")`.

use crate::limits;
use crate::spec::Framing;

/// The size of a length before each message; its byte order is still to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a length is a framing once its byte order is known"]
pub struct LengthPrefix(usize);

impl LengthPrefix {
    /// The highest byte comes first: network order.
    pub fn big_endian(self) -> Framing {
        Framing::known(&format!("u{}be", 8 * self.0))
    }

    /// The lowest byte comes first.
    pub fn little_endian(self) -> Framing {
        Framing::known(&format!("u{}le", 8 * self.0))
    }
}

impl Framing {
    /// Lines of text: LF ends a message, and a CR before it is not part of it. The spec `line`.
    pub fn lines() -> Self {
        Self::known("line")
    }

    /// A length of 1 to 8 bytes before each message, which counts the message alone.
    ///
    /// ```
    /// use unstick_wire::Framing;
    /// let framing = Framing::length(4).big_endian();
    /// assert_eq!(framing, Framing::parse("u32be")?);
    /// # Ok::<(), unstick_wire::SpecError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// When `bytes` is not 1 to 8.
    pub fn length(bytes: usize) -> LengthPrefix {
        assert!((1..=8).contains(&bytes), "a length of {bytes} bytes: it has 1 to 8");
        LengthPrefix(bytes)
    }

    /// Messages that end with these bytes.
    ///
    /// # Panics
    ///
    /// When there are none, or more than [`MAX_DELIMITER`](limits::MAX_DELIMITER).
    pub fn delimiter(bytes: &[u8]) -> Self {
        let length = bytes.len();
        assert!((1..=limits::MAX_DELIMITER).contains(&length), "a delimiter of {length} bytes");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self::known(&format!("delim:{hex}"))
    }

    /// Messages of this many bytes each.
    ///
    /// # Panics
    ///
    /// When `bytes` is 0 or over the default limit of a message.
    pub fn fixed(bytes: usize) -> Self {
        assert!((1..=limits::MAX_MESSAGE).contains(&bytes), "messages of {bytes} bytes");
        Self::known(&format!("fixed:{bytes}"))
    }

    /// Parses a spec that is written in this file.
    fn known(spec: &str) -> Self {
        Self::parse(spec).expect("the spec is written in this file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructors_are_the_specs_that_they_stand_for() {
        for (framing, spec) in [
            (Framing::lines(), "line"),
            (Framing::length(2).big_endian(), "u16be"),
            (Framing::length(3).little_endian(), "u24le"),
            (Framing::length(1).little_endian(), "u8le"),
            (Framing::delimiter(b"\r\n"), "delim:0d0a"),
            (Framing::fixed(512), "fixed:512"),
        ] {
            assert_eq!(framing, Framing::parse(spec).unwrap(), "{spec}");
        }
    }

    #[test]
    fn what_no_framing_can_be_panics() {
        for make in [
            || drop(Framing::length(0).big_endian()),
            || drop(Framing::length(9).big_endian()),
            || drop(Framing::delimiter(b"")),
            || drop(Framing::fixed(0)),
        ] {
            assert!(std::panic::catch_unwind(make).is_err());
        }
        assert!(std::panic::catch_unwind(|| Framing::delimiter(&vec![b'x'; limits::MAX_DELIMITER + 1])).is_err());
    }
}
