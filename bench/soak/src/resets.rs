//! Every kind of reset through a bridge, many times each: who is left always sees a reset.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use unstick::wire::Framing;
use unstick::{Framings, Options};

use crate::Failures;
use crate::program::{Folder, Program};

/// Longer than a reset takes on any machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the bridge passes on, by its options; the last says whether the one that is left goes on writing.
const KINDS: &[(&str, &[&str], bool)] = &[
    ("bytes, written to", &[], true),
    ("bytes, silent", &[], false),
    ("--dump, written to", &["--dump"], true),
    ("--dump, silent", &["--dump"], false),
    ("--fault cut=100, written to", &["--fault", "cut=100"], true),
    ("--fault cut=100, silent", &["--fault", "cut=100"], false),
    ("--fault delay=1ms, written to", &["--fault", "delay=1ms"], true),
    ("-f line --dump, written to", &["-f", "line", "--dump"], true),
    ("line to crlf, written to", &["-f", "line", "--to-frame", "crlf"], true),
    ("line to crlf, silent", &["-f", "line", "--to-frame", "crlf"], false),
];

pub async fn run(runs: usize) -> Failures {
    let mut failures = Failures::new();
    let server = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
    let at = server.local_addr().expect("it is bound").to_string();
    for (name, options, writes) in KINDS {
        let bridge = Program::listen(&[&["127.0.0.1:0", "--to", &at], *options].concat()).await;
        for client_goes in [true, false] {
            let who = if client_goes { "the client" } else { "the server" };
            let mut missed = 0;
            for _ in 0..runs {
                let near = TcpStream::connect(plain(&bridge.address)).await.expect("the bridge listens");
                let (far, _) = server.accept().await.expect("the bridge connects");
                let (goes, left) = if client_goes { (near, far) } else { (far, near) };
                missed += usize::from(!passes(goes, left, *writes).await);
            }
            tell(&mut failures, &format!("{name}: {who} resets"), runs, missed);
        }
        bridge.end().await;
    }
    half_closed(runs, &server, &at, &mut failures).await;
    heavy(runs, &server, &at, &mut failures).await;
    unix(runs, &mut failures).await;
    secure(runs, &mut failures).await;
    cut_off(runs, &server, &at, &mut failures).await;
    failures
}

fn tell(failures: &mut Failures, kind: &str, runs: usize, missed: usize) {
    println!("{kind:<60} {} of {runs}", runs - missed);
    if missed > 0 {
        failures.push(format!("{kind}: {missed} of {runs} resets were not seen"));
    }
}

fn plain(address: &str) -> &str {
    address.strip_prefix("tcp://").unwrap_or(address)
}

fn reset(socket: TcpStream) {
    let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
}

/// One resets after a whole message and a part; whether the one that is left sees a reset.
async fn passes(mut goes: TcpStream, left: impl AsyncRead + AsyncWrite, writes: bool) -> bool {
    let going = async {
        let _ = goes.write_all(b"whole\r\ncut o").await;
        if writes {
            let _ = goes.read(&mut [0; 1000]).await;
        }
        reset(goes);
    };
    let both = async { tokio::join!(going, sees_a_reset(left, writes)).1 };
    tokio::time::timeout(PATIENCE, both).await.unwrap_or(false)
}

/// Reads to the end, and writes if asked: whether either reported a reset.
async fn sees_a_reset(left: impl AsyncRead + AsyncWrite, writes: bool) -> bool {
    let (mut reader, mut writer) = tokio::io::split(left);
    let reset = |error: std::io::Error| error.kind() == ErrorKind::ConnectionReset;
    let reading = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) => break false,
                Ok(_) => {}
                Err(error) => break reset(error),
            }
        }
    };
    let writing = async {
        loop {
            if !writes {
                return false;
            }
            if let Err(error) = writer.write_all(b"as long as it goes\r\n").await {
                return reset(error);
            }
            tokio::task::yield_now().await;
        }
    };
    let (reading, writing) = tokio::join!(reading, writing);
    reading || writing
}

/// One half-closes and then resets, where the bridge neither reads nor writes: whether the other's socket fails without a write.
async fn half_closed(runs: usize, server: &TcpListener, at: &str, failures: &mut Failures) {
    let kinds: [(&str, &[&str], usize); 4] = [
        ("bytes", &[], 6),
        ("splice", &[], 1 << 20),
        ("--dump", &["--dump"], 6),
        ("line to crlf", &["-f", "line", "--to-frame", "crlf"], 6),
    ];
    for (name, options, length) in kinds {
        let bridge = Program::listen(&[&["127.0.0.1:0", "--to", at], options].concat()).await;
        let said = [&vec![b'z'; length - 2][..], b"\r\n"].concat();
        for client_goes in [true, false] {
            let mut missed = 0;
            for _ in 0..runs {
                let near = TcpStream::connect(plain(&bridge.address)).await.expect("the bridge listens");
                let (far, _) = server.accept().await.expect("the bridge connects");
                let (goes, left) = if client_goes { (near, far) } else { (far, near) };
                let seen = tokio::time::timeout(PATIENCE, learns(goes, left, &said)).await;
                missed += usize::from(!seen.unwrap_or(false));
            }
            let who = if client_goes { "the client" } else { "the server" };
            tell(failures, &format!("{name}, silent: {who} half-closes, then resets"), runs, missed);
        }
        bridge.end().await;
    }
}

async fn learns(mut goes: TcpStream, mut left: TcpStream, said: &[u8]) -> bool {
    let saying = async {
        goes.write_all(said).await?;
        goes.shutdown().await
    };
    let mut heard = Vec::new();
    let (all, read) = tokio::join!(saying, left.read_to_end(&mut heard));
    reset(goes);
    let failed = left.ready(tokio::io::Interest::ERROR).await.is_ok_and(|ready| ready.is_error());
    let kind = left.take_error().ok().flatten().map(|error| error.kind());
    let whole = all.is_ok() && read.is_ok() && heard.starts_with(&said[..said.len() - 2]);
    whole && failed && matches!(kind, Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe))
}

/// In the middle of so many bytes that the kernel moves them by itself.
async fn heavy(runs: usize, server: &TcpListener, at: &str, failures: &mut Failures) {
    let bridge = Program::listen(&["127.0.0.1:0", "--to", at]).await;
    let chunk = vec![b'z'; 1 << 20];
    let mut missed = 0;
    for _ in 0..runs {
        let near = TcpStream::connect(plain(&bridge.address)).await.expect("the bridge listens");
        let (mut far, _) = server.accept().await.expect("the bridge connects");
        let going = async {
            for _ in 0..3 {
                let _ = far.write_all(&chunk).await;
            }
            reset(far);
        };
        let both = async { tokio::join!(going, sees_a_reset(near, true)).1 };
        missed += usize::from(!tokio::time::timeout(PATIENCE, both).await.unwrap_or(false));
    }
    tell(failures, "splice, written to: the server resets", runs, missed);
    bridge.end().await;
}

/// A socket of this machine resets where its owner goes without having read everything.
async fn unix(runs: usize, failures: &mut Failures) {
    let folder = Folder::new("resets");
    let path = folder.at("server");
    let server = UnixListener::bind(&path).expect("a folder of our own");
    for (name, options) in [("bytes", &[][..]), ("--dump", &["--dump"]), ("cut=100", &["--fault", "cut=100"])] {
        let to = format!("unix:{path}");
        let bridge = Program::listen(&[&["127.0.0.1:0", "--to", &to], options].concat()).await;
        let mut missed = 0;
        for _ in 0..runs {
            let near = TcpStream::connect(plain(&bridge.address)).await.expect("the bridge listens");
            let (mut far, _): (UnixStream, _) = server.accept().await.expect("the bridge connects");
            let going = async {
                let _ = far.write_all(b"whole\r\ncut o").await;
                let _ = far.read(&mut [0; 1]).await;
                // What is left unread makes this a reset.
                let _ = far.readable().await;
                drop(far);
            };
            let both = async { tokio::join!(going, sees_a_reset(near, true)).1 };
            missed += usize::from(!tokio::time::timeout(PATIENCE, both).await.unwrap_or(false));
        }
        tell(failures, &format!("unix:, {name}, written to: the server leaves bytes unread"), runs, missed);
        bridge.end().await;
    }
}

/// A reset from TCP reaches a TLS and a WebSocket peer as an error, never as an orderly end.
async fn secure(runs: usize, failures: &mut Failures) {
    let framings = Framings::both(Framing::parse("line").expect("a framing"));
    let server = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
    let at = server.local_addr().expect("it is bound").to_string();
    let kinds: [(&str, &[&str]); 2] = [("tls://127.0.0.1:0", &["--self-signed"]), ("ws://127.0.0.1:0", &[])];
    for (address, more) in kinds {
        let bridge = Program::listen(&[&[address, "--to", &at, "-f", "line"], more].concat()).await;
        let mut options = Options::default();
        options.tls.insecure = true;
        let mut missed = 0;
        for _ in 0..runs {
            let address = bridge.address.parse().expect("an address");
            let link = unstick::connect(&address, Some(&framings), &options).await.expect("the bridge listens");
            let (far, _) = server.accept().await.expect("the bridge connects");
            let (sender, mut receiver) = link.split();
            let sending = async { while sender.send(b"as long as it goes").await.is_ok() {} };
            let hearing = async {
                loop {
                    match receiver.recv().await {
                        Ok(Some(message)) if message == b"cut o"[..] => break false,
                        Ok(Some(_)) => {}
                        Ok(None) => break false,
                        Err(_) => break true,
                    }
                }
            };
            let going = async {
                let mut far = far;
                let _ = far.write_all(b"whole\ncut o").await;
                let _ = far.read(&mut [0; 1000]).await;
                reset(far);
            };
            let all = async { tokio::join!(going, hearing, sending).1 };
            missed += usize::from(!tokio::time::timeout(PATIENCE, all).await.unwrap_or(false));
        }
        let scheme = address.split(':').next().unwrap_or_default();
        tell(failures, &format!("{scheme}, written to: the server resets"), runs, missed);
        bridge.end().await;
    }
}

/// `connect -f line` is written to while its peer resets inside a line: the part is never printed as a message.
async fn cut_off(runs: usize, server: &TcpListener, at: &str, failures: &mut Failures) {
    let framings = Framings::both(Framing::parse("line").expect("a framing"));
    let mut missed = 0;
    for _ in 0..runs {
        let address = at.parse().expect("an address");
        let going = async {
            let (mut far, _) = server.accept().await.expect("it connects");
            let _ = far.write_all(b"whole\ncut o").await;
            let _ = far.read(&mut [0; 1000]).await;
            reset(far);
        };
        let hearing = async {
            let link = unstick::connect(&address, Some(&framings), &Options::default()).await.expect("it listens");
            let (sender, mut receiver) = link.split();
            let sending = async { while sender.send(b"as long as it goes").await.is_ok() {} };
            let receiving = async {
                loop {
                    match receiver.recv().await {
                        Ok(Some(message)) if message == b"whole"[..] => {}
                        Ok(_) => break false,
                        Err(_) => break true,
                    }
                }
            };
            tokio::join!(receiving, sending).0
        };
        let both = async { tokio::join!(going, hearing).1 };
        missed += usize::from(!tokio::time::timeout(PATIENCE, both).await.unwrap_or(false));
    }
    tell(failures, "a link, written to: the peer resets inside a line", runs, missed);
}
