//! The peer of the decode rows: tokio-util's codecs, called directly on a `BytesMut` that each read extends.
//!
//! They have no borrowed way out: a frame is a `BytesMut` split off the buffer, a line a `String`. So both of our
//! ways stand against this one.

use std::hint::black_box;

use bytes::BytesMut;
use tokio_util::codec::{Decoder, LengthDelimitedCodec, LinesCodec};
use unstick_bench::{Failure, Image, READ, decode_arguments, rate};

fn main() -> Result<(), Failure> {
    let (case, _, millis) = decode_arguments()?;
    let image = Image::of(&case)?;
    let rate = if case.starts_with("line") {
        measure(&image, millis, LinesCodec::new())?
    } else {
        measure(&image, millis, LengthDelimitedCodec::new())?
    };
    println!("{rate:.0}");
    Ok(())
}

fn measure<C>(image: &Image, millis: u64, mut codec: C) -> Result<f64, Failure>
where
    C: Decoder<Error: Into<Failure>>,
{
    let mut buffer = BytesMut::with_capacity(2 * READ);
    rate(image, millis, |chunk| {
        buffer.extend_from_slice(chunk);
        let mut messages = 0;
        while let Some(message) = codec.decode(&mut buffer).map_err(Into::into)? {
            black_box(&message);
            messages += 1;
        }
        Ok(messages)
    })
}
