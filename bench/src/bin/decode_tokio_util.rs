//! The peer of the decode rows: tokio-util's codecs, called directly on a `BytesMut` that each read extends.
//!
//! They have no borrowed way out: a frame is a `BytesMut` split off the buffer, a line a `String`. So our borrowed way
//! stands against that, and our owned one against the same as `Bytes`.

use std::hint::black_box;

use bytes::BytesMut;
use tokio_util::codec::{Decoder, LengthDelimitedCodec, LinesCodec};
use unstick_bench::{Failure, Image, READ, decode_arguments, rate};

fn main() -> Result<(), Failure> {
    let (case, owned, millis) = decode_arguments()?;
    let image = Image::of(&case)?;
    let rate = match (case.starts_with("line"), owned) {
        (true, _) => measure(&image, millis, LinesCodec::new(), |line| line)?,
        (false, false) => measure(&image, millis, LengthDelimitedCodec::new(), |frame| frame)?,
        (false, true) => measure(&image, millis, LengthDelimitedCodec::new(), BytesMut::freeze)?,
    };
    println!("{rate:.0}");
    Ok(())
}

fn measure<C, T>(image: &Image, millis: u64, mut codec: C, give: impl Fn(C::Item) -> T) -> Result<f64, Failure>
where
    C: Decoder<Error: Into<Failure>>,
{
    let mut buffer = BytesMut::with_capacity(2 * READ);
    rate(image, millis, |chunk| {
        buffer.extend_from_slice(chunk);
        let mut messages = 0;
        while let Some(message) = codec.decode(&mut buffer).map_err(Into::into)? {
            black_box(&give(message));
            messages += 1;
        }
        Ok(messages)
    })
}
