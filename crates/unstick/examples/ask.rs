//! Asks one question in one message, prints the whole answer, and does not wait for ever.
//!
//! ```text
//! cargo run -p unstick --example ask -- 127.0.0.1:8080 u32be hello
//! ```

#![allow(clippy::print_stdout)] // An example is a program.

use std::time::Duration;

use unstick::wire::Framing;
use unstick::{Address, Error, Options, Result, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, spec, question] = &words[..] else {
        return Err(Error::usage("what is needed: ADDRESS FRAMING QUESTION"));
    };
    let answer = ask(&address.parse()?, &Framing::parse(spec)?, question.as_bytes()).await?;
    println!("{}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

async fn ask(address: &Address, framing: &Framing, question: &[u8]) -> Result<Vec<u8>> {
    let mut link = connect(address, Some(&framing.clone().into()), &Options::default()).await?;
    link.send(question).await?;
    match tokio::time::timeout(PATIENCE, link.recv()).await {
        Ok(Ok(Some(answer))) => Ok(answer.to_vec()),
        Ok(Ok(None)) => Err(Error::other("the peer ended without an answer")),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::other(format!("no answer within {PATIENCE:?}"))),
    }
}
