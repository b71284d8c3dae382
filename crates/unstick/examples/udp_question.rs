//! Asks over UDP. Question and answer may each be lost, so it asks again.
//!
//! A datagram is already a whole message, so there is no framing to choose.
//!
//! ```text
//! unstick listen udp://:9003 --reply 'It is noon.'
//! cargo run -p unstick --example udp_question -- udp://127.0.0.1:9003 'What time is it?'
//! ```

#![allow(clippy::print_stdout)] // An example is a program.

use std::time::Duration;

use unstick::{Address, Error, Options, Result, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, question] = &words[..] else {
        return Err(Error::usage("what is needed: udp://HOST:PORT QUESTION"));
    };
    let answer = ask(&address.parse()?, question.as_bytes(), Duration::from_secs(1)).await?;
    println!("{}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// How often the question is sent.
const ATTEMPTS: u32 = 3;

/// Asks, and asks again each time that no answer has arrived for this long.
async fn ask(address: &Address, question: &[u8], patience: Duration) -> Result<Vec<u8>> {
    let mut link = connect(address, None, &Options::default()).await?;
    for _ in 0..ATTEMPTS {
        link.send(question).await?;
        match tokio::time::timeout(patience, link.recv()).await {
            Ok(Ok(Some(answer))) => return Ok(answer.to_vec()),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(error), // Nobody listens there, says the other machine.
            Err(_) => {}
        }
    }
    Err(Error::other(format!("no answer to {ATTEMPTS} questions")))
}
