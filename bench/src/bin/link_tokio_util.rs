//! The peer of the one-way row: tokio-util's `Framed` with `LengthDelimitedCodec`, batched by its own means.
//!
//! `feed` leaves a message in the write buffer, which goes out when it has passed the back-pressure boundary; both
//! buffers are set to 64 KiB (the defaults of 8 KiB are slower).

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};
use unstick_bench::{Failure, PAYLOAD, READ, Role, role};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    match role()? {
        Role::Receive(count) => receive(count).await,
        Role::Send(port, count) => send(port, count).await,
        _ => Err("only one way".into()),
    }
}

async fn receive(count: u64) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let (stream, _) = listener.accept().await?;
    let mut frames = FramedRead::with_capacity(stream, LengthDelimitedCodec::new(), READ);
    let mut start = None;
    for _ in 0..count {
        let message = frames.next().await.ok_or("ended early")??;
        black_box(&message);
        start.get_or_insert_with(Instant::now);
    }
    let start = start.ok_or("no message")?;
    println!("{count} {:.6}", start.elapsed().as_secs_f64());
    Ok(())
}

async fn send(port: u16, count: u64) -> Result<(), Failure> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut frames = FramedWrite::new(stream, LengthDelimitedCodec::new());
    frames.set_backpressure_boundary(READ);
    let message = Bytes::from(vec![b'x'; PAYLOAD]);
    for _ in 0..count {
        frames.feed(message.clone()).await?;
    }
    SinkExt::<Bytes>::close(&mut frames).await?;
    Ok(())
}
