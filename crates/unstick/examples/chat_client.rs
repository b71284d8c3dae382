//! A chat client: lines that are typed go to the peer, messages that arrive are printed, both at any time.
//!
//! Standard input and output are an endpoint like any other, `-`, so both ends are links.
//!
//! ```text
//! cargo run -p unstick --example chat_client -- 127.0.0.1:8080 line
//! ```

use unstick::wire::Framing;
use unstick::{Error, Link, Options, Result, connect};

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::other(error.to_string()))?;
    let result = runtime.block_on(run());
    // A read of standard input cannot be cancelled, so the program exits without waiting for it.
    runtime.shutdown_background();
    result
}

async fn run() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let framing = Framing::parse(&words.next().unwrap_or_else(|| "line".into()))?;
    let options = Options::default();
    let peer = connect(&address.parse()?, Some(&framing.into()), &options).await?;
    let person = connect(&"-".parse()?, Some(&Framing::parse("line")?.into()), &options).await?;
    chat(person, peer).await
}

/// Carries messages both ways until the peer has ended.
async fn chat(person: Link, peer: Link) -> Result<()> {
    let (to_person, from_person) = person.split();
    let (to_peer, from_peer) = peer.split();
    tokio::select! {
        result = carry(from_peer, to_person) => result,
        // The end of the input is not the end of the chat: the peer may still send.
        Err(error) = carry(from_person, to_peer) => Err(error),
    }
}

async fn carry(mut from: unstick::Receiver, to: unstick::Sender) -> Result<()> {
    while let Some(message) = from.recv().await? {
        to.send(&message).await?;
    }
    to.finish().await
}
