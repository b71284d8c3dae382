//! A reset is never an orderly end: not on a link whose write has taken the system's report of it, and not through a
//! bridge.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use unstick::limits::UNIX_WRITE;
use unstick::service::bridge::{Clients, Config, Faults, Outcome, Target, bridge};
use unstick::wire::faults::Plan;
use unstick::{Options, connect, listen};

use crate::bridges::Diary;
use crate::suite::{PATIENCE, framing};

/// Runs of each kind here; `./soak resets` makes 1,000 of each.
const RUNS: usize = 60;

/// On two threads: a write and a read of one socket meet at any moment.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") });
    runtime.shutdown_background();
}

async fn server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    (listener, at)
}

fn resets(socket: TcpStream) {
    socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Receives until the end while a second task sends. Returns what arrived, and whether the end was an error.
async fn hears(address: &str) -> (Vec<Vec<u8>>, bool) {
    hears_saying(address, 100).await
}

/// The same with messages of this many bytes.
async fn hears_saying(address: &str, length: usize) -> (Vec<Vec<u8>>, bool) {
    let link = connect(&address.parse().unwrap(), Some(&framing("line")), &Options::default()).await.unwrap();
    let (sender, mut receiver) = link.split();
    let sending = tokio::spawn(async move { while sender.send(&vec![b'x'; length]).await.is_ok() {} });
    let mut heard = Vec::new();
    let failed = loop {
        match receiver.recv().await {
            Ok(Some(message)) => heard.push(message.to_vec()),
            Ok(None) => break false,
            Err(error) => {
                assert!(error.is_reset(), "{error}");
                break true;
            }
        }
    };
    sending.await.unwrap();
    (heard, failed)
}

#[test]
fn a_message_that_a_reset_cuts_off_is_not_delivered_while_the_link_is_written_to() {
    run(async {
        let (listener, at) = server().await;
        for number in 0..RUNS {
            let far = async {
                let (mut far, _) = listener.accept().await.unwrap();
                far.write_all(b"whole\ncut o").await.unwrap();
                let _ = far.read(&mut [0; 1000]).await.unwrap();
                resets(far);
            };
            let (heard, ()) = tokio::join!(hears(&at), far);
            assert!(heard.1, "run {number}: the reset looks like an end after {:?}", heard.0);
            assert!(heard.0.is_empty() || heard.0 == [b"whole"], "run {number}: {:?}", heard.0);
        }
    });
}

/// A Unix socket reports a reset if its peer closes without having read everything.
#[test]
fn unix_sockets_tell_a_reset_from_an_end_too() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resets");
        let listener = UnixListener::bind(&path).unwrap();
        let at = format!("unix:{}", path.display());
        // If the peer closes, it cuts messages that are longer than one write (`UNIX_WRITE`).
        for (number, length) in (0..RUNS).flat_map(|number| [(number, 100), (number, 4 * UNIX_WRITE)]) {
            let far = async {
                let (mut far, _) = listener.accept().await.unwrap();
                far.write_all(b"whole\ncut o").await.unwrap();
                // Many bytes stay unread.
                let _ = far.read(&mut [0; 1]).await.unwrap();
            };
            let (heard, ()) = tokio::join!(hears_saying(&at, length), far);
            assert!(heard.1, "run {number}, {length} bytes: the reset looks like an end after {:?}", heard.0);
            assert_eq!(heard.0, [b"whole"], "run {number}, {length} bytes");
        }
    });
}

/// A bridge between TCP sockets.
async fn bridged(client: &str, server: &str, to: &str, dump: bool, faults: &[&str]) -> String {
    let address = bridged_from("127.0.0.1:0", client, server, to, dump, faults).await;
    address.strip_prefix("tcp://").unwrap().to_owned()
}

async fn bridged_from(from: &str, client: &str, server: &str, to: &str, dump: bool, faults: &[&str]) -> String {
    let listener = listen(&from.parse().unwrap(), Some(&framing(client)), &Options::default()).await.unwrap();
    let faults: Vec<String> = faults.iter().map(|fault| (*fault).to_owned()).collect();
    let target = Target {
        address: to.parse().unwrap(),
        options: Options::default(),
        client: Some(framing(client)),
        server: Some(framing(server)),
        faults: Faults { plan: Plan::parse(&faults).unwrap(), seed: 0 },
    };
    let mut rules = Config::default();
    rules.dump = dump;
    let (notes, mut diary) = mpsc::unbounded_channel();
    let running: tokio::task::JoinHandle<Outcome> =
        tokio::spawn(bridge(Clients::Many(listener), target, Diary(notes), rules));
    let address = diary.recv().await.unwrap();
    // The run ends with the runtime.
    tokio::spawn(async move {
        while diary.recv().await.is_some() {}
        drop(running);
    });
    address
}

/// Reads and writes until both have failed or ended. Returns whether either of them reported a reset.
async fn sees_a_reset(mut left: TcpStream) -> bool {
    let (mut reads, mut writes) = left.split();
    let reset = |error: std::io::Error| error.kind() == ErrorKind::ConnectionReset;
    let reading = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match reads.read(&mut buffer).await {
                Ok(0) => break false,
                Ok(_) => {}
                Err(error) => break reset(error),
            }
        }
    };
    let writing = async {
        loop {
            if let Err(error) = writes.write_all(b"as long as it goes\r\n").await {
                break reset(error);
            }
            tokio::task::yield_now().await;
        }
    };
    let (reading, writing) = tokio::join!(reading, writing);
    reading || writing
}

#[test]
fn a_bridge_passes_every_reset_on_as_a_reset_while_it_writes() {
    let kinds: [(&str, &str, bool, &[&str]); 5] = [
        ("raw", "raw", false, &[]),
        ("raw", "raw", true, &[]),
        ("raw", "raw", false, &["cut=100"]),
        ("line", "line", true, &[]),
        ("line", "crlf", false, &[]),
    ];
    run(async {
        let (listener, at) = server().await;
        for (client, server, dump, faults) in kinds {
            let bridge = bridged(client, server, &at, dump, faults).await;
            for number in 0..RUNS {
                let near = TcpStream::connect(&bridge).await.unwrap();
                let (far, _) = listener.accept().await.unwrap();
                let (mut goes, left) = if number % 2 == 0 { (near, far) } else { (far, near) };
                let going = async {
                    goes.write_all(b"whole\r\ncut o").await.unwrap();
                    let _ = goes.read(&mut [0; 1000]).await;
                    resets(goes);
                };
                let ((), seen) = tokio::join!(going, sees_a_reset(left));
                let who = if number % 2 == 0 { "client" } else { "server" };
                assert!(seen, "run {number}, {client} to {server} {faults:?}: the {who}'s reset looks like an end");
            }
        }
    });
}

/// A write notices the reset before a read does. The error says that the connection was reset, not that somebody cut it.
#[test]
fn a_websocket_tells_a_reset_from_a_cut_while_it_is_written_to() {
    run(async {
        let mut listener = listen(&"ws://127.0.0.1:0".parse().unwrap(), None, &Options::default()).await.unwrap();
        let at = listener.addresses()[0].split('/').nth(2).unwrap().to_owned();
        for number in 0..RUNS {
            let mut far = TcpStream::connect(&at).await.unwrap();
            let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                           Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            far.write_all(request.as_bytes()).await.unwrap();
            let (sender, mut receiver) = listener.accept().await.unwrap().split();
            let going = async {
                // A message that does not end.
                far.write_all(b"\x01\x85\0\0\0\0cut o").await.unwrap();
                let _ = far.read(&mut [0; 1000]).await.unwrap();
                resets(far);
            };
            let sending = async { while sender.send(&[b'x'; 100]).await.is_ok() {} };
            let (error, (), ()) = tokio::join!(receiver.recv(), going, sending);
            let error = error.unwrap_err();
            assert!(error.is_reset(), "run {number}: {error}");
        }
    });
}

/// Waits, without a write, until its socket reports a failure. Returns whether it does.
async fn learns_of_a_reset(left: &TcpStream) -> bool {
    let failed = left.ready(tokio::io::Interest::ERROR).await.unwrap().is_error();
    let kind = left.take_error().unwrap().map(|error| error.kind());
    failed && matches!(kind, Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe))
}

/// Nobody reads from a side that has half-closed, and nobody writes to it. The bridge still learns of its reset.
#[test]
fn a_reset_behind_a_half_close_is_passed_on_at_once_by_a_silent_bridge() {
    let kinds: [(&str, &str, bool, usize); 4] =
        [("raw", "raw", false, 0), ("raw", "raw", false, 4 << 20), ("raw", "raw", true, 0), ("line", "crlf", false, 0)];
    run(async {
        let (listener, at) = server().await;
        for (client, server, dump, much) in kinds {
            let bridge = bridged(client, server, &at, dump, &[]).await;
            for number in 0..RUNS / 4 {
                let near = TcpStream::connect(&bridge).await.unwrap();
                let (far, _) = listener.accept().await.unwrap();
                let (mut goes, mut left) = if number % 2 == 0 { (near, far) } else { (far, near) };
                // In some cases, enough bytes that the kernel moves them.
                let said = [&vec![b'z'; much][..], b"all\r\n"].concat();
                let mut heard = Vec::new();
                let saying = async {
                    goes.write_all(&said).await.unwrap();
                    goes.shutdown().await.unwrap();
                };
                let (_, read) = tokio::join!(saying, left.read_to_end(&mut heard));
                read.unwrap();
                // A framing may write another line end.
                assert!(heard.starts_with(&said[..much + 3]), "{} bytes of {much}", heard.len());
                resets(goes);
                let who = if number % 2 == 0 { "client" } else { "server" };
                let story = format!("run {number}, {client} to {server}, {much} bytes: the {who}'s reset");
                let seen = tokio::time::timeout(PATIENCE / 4, learns_of_a_reset(&left)).await;
                assert!(seen.expect(&story), "{story}");
            }
        }
    });
}

/// The same for a Unix socket, which resets if it is closed with unread bytes.
#[test]
fn a_unix_reset_behind_a_half_close_is_passed_on_at_once() {
    run(async {
        let (server, at) = server().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resets");
        let from = format!("unix:{}", path.display());
        bridged_from(&from, "raw", "raw", &at, false, &[]).await;
        for number in 0..RUNS / 4 {
            let mut goes = UnixStream::connect(&path).await.unwrap();
            let (mut left, _) = server.accept().await.unwrap();
            left.write_all(b"this is not read").await.unwrap();
            goes.readable().await.unwrap();
            goes.write_all(b"all").await.unwrap();
            goes.shutdown().await.unwrap();
            left.read_to_end(&mut Vec::new()).await.unwrap();
            drop(goes);
            let seen = tokio::time::timeout(PATIENCE / 4, learns_of_a_reset(&left)).await;
            assert!(seen.unwrap_or(false), "run {number}");
        }
    });
}
