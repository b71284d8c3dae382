//! An echo server: every message goes back to its sender, however TCP has cut its bytes.
//!
//! ```text
//! cargo run -p unstick --example echo_server -- 8080 u32be
//! cargo run -p unstick --example ask -- 127.0.0.1:8080 u32be hello
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr)] // An example is a program.

use unstick::wire::Framing;
use unstick::{Link, Listener, Options, Result, listen};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "8080".into());
    let framing = Framing::parse(&words.next().unwrap_or_else(|| "line".into()))?;
    let listener = listen(&address.parse()?, Some(&framing.into()), &Options::default()).await?;
    println!("listening on {}", listener.addresses().join(" and "));
    serve(listener).await;
    Ok(())
}

/// Serves every client, each in its own task.
async fn serve(mut listener: Listener) {
    loop {
        match listener.accept().await {
            Ok(link) => drop(tokio::spawn(answer(link))),
            // The error concerns one connection; the next one may work.
            Err(error) => eprintln!("{error}"),
        }
    }
}

async fn answer(link: Link) {
    let peer = link.addrs().remote.clone();
    match echo(link).await {
        Ok(count) => println!("{peer}: {count} messages, and it has ended"),
        Err(error) => println!("{peer}: {error}"), // It broke the framing, say, or reset the connection.
    }
}

/// Echoes the messages of a client. Returns their number.
async fn echo(mut link: Link) -> Result<u64> {
    let mut count = 0;
    while let Some(message) = link.recv().await? {
        link.send(&message).await?;
        count += 1;
    }
    let (sender, _) = link.split();
    sender.finish().await?; // All of it is written before the connection closes.
    Ok(count)
}
