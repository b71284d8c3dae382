//! A framing as a tokio-util codec, for code that uses a `Framed`.
//!
//! ```
//! use tokio_util::codec::{Decoder, Encoder};
//! use unstick::codec::MessageCodec;
//! use unstick::wire::Framing;
//!
//! # fn main() -> unstick::Result<()> {
//! let mut codec = MessageCodec::new(&Framing::length(2).big_endian())?;
//! let mut wire = bytes::BytesMut::new();
//! codec.encode(&b"hello"[..], &mut wire)?;
//! assert_eq!(&wire[..], b"\0\x05hello");
//! assert_eq!(codec.decode(&mut wire)?.as_deref(), Some(&b"hello"[..]));
//! # Ok(()) }
//! ```

use bytes::{Bytes, BytesMut};
use unstick_wire::Framing;

use crate::error::{Error, Result};

/// Decodes and encodes frames for tokio-util's `Framed`, `FramedRead` and `FramedWrite`.
#[derive(Debug)]
pub struct MessageCodec {
    decoder: unstick_wire::Decoder,
    encoder: unstick_wire::Encoder,
    frame: Vec<u8>,
}

impl MessageCodec {
    /// Creates a codec that uses one framing in both directions.
    ///
    /// # Errors
    ///
    /// If the framing can only be read.
    pub fn new(framing: &Framing) -> Result<Self> {
        Ok(Self { decoder: framing.decoder(), encoder: framing.encoder()?, frame: Vec::new() })
    }
}

impl tokio_util::codec::Decoder for MessageCodec {
    type Item = Bytes;
    type Error = Error;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>> {
        self.decoder.feed(input);
        input.clear();
        Ok(self.decoder.next_bytes()?)
    }

    fn decode_eof(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>> {
        self.decoder.feed(input);
        input.clear();
        self.decoder.finish();
        Ok(self.decoder.next_bytes()?)
    }
}

impl<M: AsRef<[u8]>> tokio_util::codec::Encoder<M> for MessageCodec {
    type Error = Error;

    fn encode(&mut self, message: M, out: &mut BytesMut) -> Result<()> {
        self.frame.clear();
        self.encoder.encode(message.as_ref(), &mut self.frame)?;
        out.extend_from_slice(&self.frame);
        Ok(())
    }
}

impl From<std::io::Error> for Error {
    /// Converts an error that tokio-util reports from the underlying stream.
    fn from(error: std::io::Error) -> Self {
        Self::io("the connection", error)
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::codec::{Decoder, Encoder};

    use super::*;

    #[test]
    fn messages_pass_however_they_are_cut_and_an_end_inside_a_frame_is_an_error() {
        let mut codec = MessageCodec::new(&Framing::length(4).big_endian()).expect("it can be sent");
        let mut wire = BytesMut::new();
        for message in ["one", "", "three"] {
            codec.encode(message, &mut wire).expect("it fits");
        }
        let mut found = Vec::new();
        for byte in wire {
            let mut segment = BytesMut::from(&[byte][..]);
            found.extend(codec.decode(&mut segment).expect("frames"));
        }
        assert_eq!(found, ["one", "", "three"]);
        let error = codec.decode_eof(&mut BytesMut::from(&b"\0\0"[..])).expect_err("half a length");
        assert!(error.is_framing(), "{error}");
    }
}
