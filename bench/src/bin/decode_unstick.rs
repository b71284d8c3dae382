//! Our side of the decode rows: `Decoder::feed` with each read, then `next` (borrowed) or `next_bytes` (owned).

use std::hint::black_box;

use unstick_bench::{Failure, Image, decode_arguments, rate};
use unstick_wire::Framing;

fn main() -> Result<(), Failure> {
    let (case, owned, millis) = decode_arguments()?;
    let image = Image::of(&case)?;
    let rate = match (case.starts_with("line"), owned) {
        (false, false) => borrowed(&image, millis, "u32be")?,
        (false, true) => bytes(&image, millis, "u32be")?,
        (true, false) => borrowed(&image, millis, "line")?,
        (true, true) => strings(&image, millis, "line")?,
    };
    println!("{rate:.0}");
    Ok(())
}

fn borrowed(image: &Image, millis: u64, spec: &str) -> Result<f64, Failure> {
    let mut decoder = Framing::parse(spec)?.decoder();
    rate(image, millis, |chunk| {
        decoder.feed(chunk);
        let mut messages = 0;
        while let Some(message) = decoder.next()? {
            black_box(message);
            messages += 1;
        }
        Ok(messages)
    })
}

fn bytes(image: &Image, millis: u64, spec: &str) -> Result<f64, Failure> {
    let mut decoder = Framing::parse(spec)?.decoder();
    rate(image, millis, |chunk| {
        decoder.feed(chunk);
        let mut messages = 0;
        while let Some(message) = decoder.next_bytes()? {
            black_box(&message);
            messages += 1;
        }
        Ok(messages)
    })
}

/// As `LinesCodec` gives them out: each a `String` of its own. Checked after the copy: a fresh allocation is aligned, and
/// the check goes by words where its bytes are.
fn strings(image: &Image, millis: u64, spec: &str) -> Result<f64, Failure> {
    let mut decoder = Framing::parse(spec)?.decoder();
    rate(image, millis, |chunk| {
        decoder.feed(chunk);
        let mut messages = 0;
        while let Some(message) = decoder.next()? {
            black_box(&String::from_utf8(message.to_vec())?);
            messages += 1;
        }
        Ok(messages)
    })
}
