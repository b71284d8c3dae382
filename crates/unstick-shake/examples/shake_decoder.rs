//! A decoder that works on every developer's machine, and the cut that breaks it, found without a socket.
//!
//! ```text
//! cargo run -p unstick-shake --example shake_decoder
//! ```
//!
//! In a test: `assert!(report.passed(), "{report}")`.

#![allow(clippy::print_stdout)] // An example is a program.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unstick::wire::Framing;
use unstick_shake::{Shake, Stream};

/// Answers each message with its length. A message is a byte with the length, then that many bytes.
async fn hasty(mut stream: Stream) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let mut rest = &buffer[..count];
        while let Some((&length, after)) = rest.split_first() {
            let Some(message) = after.get(..length.into()) else { break }; // The bug: what is left of `rest` is lost.
            let answer = format!("{}\n", message.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            rest = &after[length.into()..];
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> unstick::Result<()> {
    let two_messages = b"\x05hello\x05world";
    let report = Shake::service(two_messages, hasty).framing(Framing::parse("u8")?).run().await?;
    print!("{report}");
    Ok(())
}
