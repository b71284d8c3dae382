//! Our side of the rows over sockets: the library's link, framed `u32be`, on a runtime of one thread.

use std::hint::black_box;
use std::time::Instant;

use unstick::wire::Framing;
use unstick::{Address, Framings, Link, Listener, Options};
use unstick_bench::{Failure, PAYLOAD, Role, median, role};

/// Messages that the one-way sender hands over together, as a program that has some would.
const TOGETHER: u64 = 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    match role()? {
        Role::Receive(count) => receive(count).await,
        Role::Send(port, count) => send(port, count).await,
        Role::SendAll(port, count) => send_all(port, count).await,
        Role::Serve => serve().await,
        Role::Ask(port, rounds) => ask(port, rounds).await,
    }
}

fn framings() -> Result<Framings, Failure> {
    Ok(Framing::parse("u32be")?.into())
}

async fn listen() -> Result<Listener, Failure> {
    let address: Address = "tcp://127.0.0.1:0".parse()?;
    let listener = unstick::listen(&address, Some(&framings()?), &Options::default()).await?;
    let bound = listener.addresses().first().ok_or("bound to nothing")?;
    println!("{}", bound.rsplit(':').next().unwrap_or_default());
    Ok(listener)
}

async fn connect(port: u16) -> Result<Link, Failure> {
    let address: Address = format!("tcp://127.0.0.1:{port}").parse()?;
    Ok(unstick::connect(&address, Some(&framings()?), &Options::default()).await?)
}

/// Takes what has arrived as it lies in the read buffer.
async fn receive(count: u64) -> Result<(), Failure> {
    let (_sender, mut receiver) = listen().await?.accept().await?.split();
    let (mut start, mut came) = (None, 0);
    while came < count {
        if !receiver.readable().await? {
            return Err("ended early".into());
        }
        while let Some(message) = receiver.try_recv_ref()? {
            black_box(message);
            start.get_or_insert_with(Instant::now);
            came += 1;
        }
    }
    let start = start.ok_or("no message")?;
    println!("{came} {:.6}", start.elapsed().as_secs_f64());
    Ok(())
}

/// One by one.
async fn send(port: u16, count: u64) -> Result<(), Failure> {
    let (sender, _receiver) = connect(port).await?.split();
    let message = [b'x'; PAYLOAD];
    for _ in 0..count {
        sender.send(&message).await?;
    }
    Ok(sender.finish().await?)
}

/// Many at a time.
async fn send_all(port: u16, count: u64) -> Result<(), Failure> {
    let (sender, _receiver) = connect(port).await?.split();
    let message = [b'x'; PAYLOAD];
    let mut left = count;
    while left > 0 {
        let now = left.min(TOGETHER);
        sender.send_all((0..now).map(|_| &message)).await?;
        left -= now;
    }
    Ok(sender.finish().await?)
}

async fn serve() -> Result<(), Failure> {
    let (sender, mut receiver) = listen().await?.accept().await?.split();
    while receiver.readable().await? {
        while let Some(message) = receiver.try_recv_ref()? {
            sender.send(message).await?;
        }
    }
    Ok(())
}

async fn ask(port: u16, rounds: usize) -> Result<(), Failure> {
    let mut link = connect(port).await?;
    let message = [b'x'; PAYLOAD];
    let mut took = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let start = Instant::now();
        link.send(&message).await?;
        black_box(link.recv().await?.ok_or("the echo ended")?);
        took.push(start.elapsed());
    }
    println!("{}", median(took).ok_or("no rounds")?.as_nanos());
    Ok(())
}
