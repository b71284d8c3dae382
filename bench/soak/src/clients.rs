//! Many clients at once: held, measured, and answered; and a good client beside silent ones.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use unstick::wire::Framing;
use unstick::{Framings, Link, Options};

use crate::Failures;
use crate::program::Program;

/// Handshakes under way at once.
const AT_ONCE: usize = 64;

/// Clients that connect and say nothing.
const SILENT: usize = 600;

/// A good client beside them is answered within this.
const SERVED: Duration = Duration::from_millis(100);

/// Good clients that are measured.
const GOOD: usize = 50;

pub async fn run(part: &str) -> Failures {
    let mut failures = Failures::new();
    for (name, most, address, more) in [
        ("tcp", 19_000, "tcp://127.0.0.1:0", &[][..]),
        ("ws", 10_000, "ws://127.0.0.1:0", &[][..]),
        ("tls", 6_000, "tls://127.0.0.1:0", &["--self-signed"][..]),
    ] {
        if part == "all" || part == name {
            held(name, most, address, more, &mut failures).await;
        }
        if (part == "all" || part == "silent") && name != "tcp" {
            silent(name, address, more, &mut failures).await;
        }
    }
    failures
}

/// A client, as cheap as it can be had.
enum Client {
    Tcp(TcpStream),
    Link(Box<Link>),
}

impl Client {
    async fn open(program: &Program, options: &Options) -> Result<Self, String> {
        if let Some(at) = program.address.strip_prefix("tcp://") {
            return TcpStream::connect(at).await.map(Self::Tcp).map_err(|error| error.to_string());
        }
        let framing = Framings::both(Framing::parse("line").expect("a framing"));
        let address = program.address.parse().expect("an address");
        unstick::connect(&address, Some(&framing), options)
            .await
            .map(|link| Self::Link(Box::new(link)))
            .map_err(|error| error.to_string())
    }

    /// Asks, and waits for the echo.
    async fn ask(&mut self) -> Result<(), String> {
        match self {
            Self::Tcp(stream) => {
                stream.write_all(b"hello\n").await.map_err(|error| error.to_string())?;
                let mut answer = [0; 6];
                stream.read_exact(&mut answer).await.map_err(|error| error.to_string())?;
                if &answer == b"hello\n" { Ok(()) } else { Err("another answer".into()) }
            }
            Self::Link(link) => {
                link.send(b"hello").await.map_err(|error| error.to_string())?;
                match link.recv().await {
                    Ok(Some(answer)) if answer == b"hello"[..] => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            }
        }
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.tls.insecure = true;
    options.connect_timeout = Duration::from_secs(60);
    options
}

async fn listen(address: &str, more: &[&str]) -> Program {
    let framing = if address.starts_with("ws") { &[][..] } else { &["-f", "line"] };
    Program::listen(&[&[address, "--echo"], framing, more].concat()).await
}

/// Opens as many as asked for, lets them rest, measures, and asks each of them.
async fn held(name: &str, most: usize, address: &str, more: &[&str], failures: &mut Failures) {
    let mut program = listen(address, more).await;
    let (before, files) = (program.memory(), program.files());
    let options = options();
    let mut clients = Vec::with_capacity(most);
    let begun = Instant::now();
    while clients.len() < most {
        let batch = AT_ONCE.min(most - clients.len());
        let opening: Vec<_> = (0..batch).map(|_| Client::open(&program, &options)).collect();
        for opened in join_all(opening).await {
            match opened {
                Ok(client) => clients.push(client),
                Err(error) => {
                    failures.push(format!("{name}: client {} of {most}: {error}", clients.len() + 1));
                    return program.end().await;
                }
            }
        }
    }
    let opened = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = program.memory().saturating_sub(before);
    let mut unanswered = 0;
    let mut slowest = Duration::ZERO;
    for client in &mut clients {
        let asked = Instant::now();
        let answer = tokio::time::timeout(Duration::from_secs(10), client.ask()).await;
        slowest = slowest.max(asked.elapsed());
        unanswered += usize::from(!matches!(answer, Ok(Ok(()))));
    }
    let used = program.memory().saturating_sub(before);
    println!(
        "{name}: {most} clients at once ({opened:.1?}), {:.1} KB each, {:.1} KB after a message each; slowest answer {slowest:.1?}",
        idle as f64 * 1.024 / most as f64,
        used as f64 * 1.024 / most as f64,
    );
    if unanswered > 0 {
        failures.push(format!("{name}: {unanswered} of {most} clients were not answered"));
    }
    drop(clients);
    if program.has_ended() || !program.rests_at(files + 2).await {
        failures.push(format!("{name}: {} open files at the end, {files} at the beginning", program.files()));
    }
    program.end().await;
}

/// Futures of one kind, side by side.
async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(move |cx| {
        let mut waits = false;
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(output) => *done = Some(output),
                    std::task::Poll::Pending => waits = true,
                }
            }
        }
        match waits {
            true => std::task::Poll::Pending,
            false => std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect()),
        }
    })
    .await
}

/// Good clients come while many are silent in their handshakes.
async fn silent(name: &str, address: &str, more: &[&str], failures: &mut Failures) {
    let program = listen(address, more).await;
    let at = program.address.split("://").nth(1).expect("an address has a scheme").trim_end_matches('/').to_owned();
    let mut quiet = JoinSet::new();
    for _ in 0..SILENT {
        let at = at.clone();
        quiet.spawn(async move { TcpStream::connect(at).await });
    }
    let quiet = quiet.join_all().await;
    let options = options();
    let mut times = Vec::new();
    for _ in 0..GOOD {
        let begun = Instant::now();
        let served = async { Client::open(&program, &options).await?.ask().await };
        match tokio::time::timeout(Duration::from_secs(20), served).await {
            Ok(Ok(())) => times.push(begun.elapsed()),
            Ok(Err(error)) => failures.push(format!("{name} beside {SILENT} silent clients: {error}")),
            Err(_) => failures.push(format!("{name} beside {SILENT} silent clients: not served in 20 s")),
        }
    }
    times.sort();
    let slowest = times.last().copied().unwrap_or_default();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    println!("{name}: served beside {} silent clients in {median:.1?}, at most {slowest:.1?}", quiet.len());
    if slowest > SERVED {
        failures.push(format!("{name}: a good client was served in {slowest:.1?}"));
    }
    program.end().await;
}
