//! Framings that a caller defines, beside those of the table.

use std::fmt::Debug;
use std::ops::Range;

use crate::codec::{Codec, Context, FrameError, Step};
use crate::error::EncodeError;
use crate::limits::MAX_LENGTH_OFFSET;

/// A framing of your own: how a frame is found in bytes, and made from a message.
///
/// It is cloned for each direction of each stream, so it may hold state.
///
/// ```
/// use unstick_wire::{CustomFraming, Framing, FoundFrame};
///
/// /// A byte that counts those after it.
/// #[derive(Debug, Clone)]
/// struct Short;
///
/// impl CustomFraming for Short {
///     fn decode(&mut self, input: &[u8]) -> Result<Option<FoundFrame>, String> {
///         let end = 1 + usize::from(input[0]);
///         Ok((input.len() >= end).then_some(FoundFrame { message: 1..end, length: end }))
///     }
///
///     fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
///         let length = u8::try_from(message.len()).map_err(|_| "a message has at most 255 bytes".to_owned())?;
///         out.push(length);
///         out.extend_from_slice(message);
///         Ok(())
///     }
/// }
///
/// let framing = Framing::custom("short", Short);
/// let mut decoder = framing.decoder();
/// decoder.feed(b"\x05hel");
/// assert_eq!(decoder.next()?, None);
/// decoder.feed(b"lo");
/// assert_eq!(decoder.next()?, Some(&b"hello"[..]));
/// # Ok::<(), unstick_wire::DecodeError>(())
/// ```
pub trait CustomFraming: Clone + Debug + Send + Sync + 'static {
    /// Finds the frame that starts at `input[0]`; `None` if the frame is not complete. `input` is not empty. It
    /// holds everything that has arrived from that frame on, and grows from call to call. Remember how far you have
    /// looked, or long frames take quadratic time.
    ///
    /// # Errors
    ///
    /// Why no frame can start like this: that ends the stream.
    fn decode(&mut self, input: &[u8]) -> Result<Option<FoundFrame>, String>;

    /// Appends `message` as a frame.
    ///
    /// # Errors
    ///
    /// Why this message cannot be framed. Then nothing of it is sent.
    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), String>;
}

/// Where a frame lies in the input, and where its message lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFrame {
    /// The range of the message.
    pub message: Range<usize>,
    /// Length of the frame, from the first byte of the input: at least one byte, and not less than the end of the
    /// message.
    pub length: usize,
}

/// The object-safe form of a framing, for dispatch.
trait Dispatch: Debug + Send + Sync {
    fn decode(&mut self, input: &[u8]) -> Result<Option<FoundFrame>, String>;
    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), String>;
    fn copy(&self) -> Box<dyn Dispatch>;
}

impl<F: CustomFraming> Dispatch for F {
    fn decode(&mut self, input: &[u8]) -> Result<Option<FoundFrame>, String> {
        CustomFraming::decode(self, input)
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        CustomFraming::encode(self, message, out)
    }

    fn copy(&self) -> Box<dyn Dispatch> {
        Box::new(self.clone())
    }
}

/// A caller's framing as a codec.
#[derive(Debug)]
pub(crate) struct Custom(Box<dyn Dispatch>);

impl Custom {
    pub(crate) fn new(framing: impl CustomFraming) -> Self {
        Self(Box::new(framing))
    }
}

impl Clone for Custom {
    fn clone(&self) -> Self {
        Self(self.0.copy())
    }
}

impl Codec for Custom {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        match self.0.decode(input).map_err(FrameError::broken)? {
            // A frame may have a header, but not an endless one.
            None if input.len() > cx.max.saturating_add(MAX_LENGTH_OFFSET) => {
                Err(FrameError::TooLong { length: None, skip: None })
            }
            None => Ok(Step::Need),
            Some(FoundFrame { message: Range { start, end }, length }) => {
                if start > end || end > length || length == 0 || length > input.len() {
                    return Err(FrameError::broken("the framing found a frame that is not in its input"));
                }
                if end - start > cx.max {
                    return Err(FrameError::TooLong { length: Some((end - start) as u64), skip: None });
                }
                Ok(Step::Frame { start, end, total: length })
            }
        }
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.0.encode(message, out).map_err(EncodeError::unfit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Framing;

    /// Messages that end in `!`. What begins with `?` is no frame, and `~` finds a frame that is not there.
    #[derive(Debug, Clone)]
    struct Cries;

    impl CustomFraming for Cries {
        fn decode(&mut self, input: &[u8]) -> Result<Option<FoundFrame>, String> {
            match input[0] {
                b'?' => Err("a question".to_owned()),
                b'~' => Ok(Some(FoundFrame { message: 0..9, length: 9 })),
                _ => Ok(input
                    .iter()
                    .position(|byte| *byte == b'!')
                    .map(|end| FoundFrame { message: 0..end, length: end + 1 })),
            }
        }

        fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
            out.extend_from_slice(message);
            out.push(b'!');
            if message.contains(&b'!') { Err("it contains !".to_owned()) } else { Ok(()) }
        }
    }

    #[test]
    fn messages_are_framed_and_found_however_they_are_cut() {
        let framing = Framing::custom("cries", Cries);
        let mut wire = Vec::new();
        let mut encoder = framing.encoder().unwrap();
        for message in [&b"hey"[..], b"", b"you"] {
            encoder.encode(message, &mut wire).unwrap();
        }
        let before = wire.clone();
        assert_eq!(encoder.encode(b"no!", &mut wire).unwrap_err().to_string(), "it contains !");
        assert_eq!(wire, before, "nothing of it is left");
        let (mut decoder, mut found) = (framing.decoder(), Vec::new());
        for byte in wire {
            decoder.feed(&[byte]);
            found.extend(decoder.next_bytes().unwrap());
        }
        assert_eq!(found, ["hey", "", "you"]);
        assert_eq!((framing.as_str(), framing.keeps_boundaries()), ("cries", true));
    }

    #[test]
    fn what_is_wrong_ends_the_stream() {
        for (bytes, what) in [(&b"?"[..], "a question"), (b"~", "the framing found a frame that is not in its input")] {
            let mut decoder = Framing::custom("cries", Cries).decoder();
            decoder.feed(bytes);
            assert_eq!(decoder.next().unwrap_err().to_string(), what);
        }
    }

    #[test]
    fn a_frame_without_an_end_is_too_long_in_time() {
        let mut decoder = Framing::custom("cries", Cries).decoder();
        decoder.feed(&vec![b'x'; crate::limits::MAX_MESSAGE + MAX_LENGTH_OFFSET + 1]);
        assert!(decoder.next().unwrap_err().is_too_long());
    }
}
