//! A reset is never an orderly end: not on a link whose write has taken the system's report of it, and not behind a bridge.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::mpsc;
use unstick::service::relay::{Clients, Faults, Outcome, Rules, Target, relay};
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

/// Receives until the end while a second task sends: what came, and whether the end was an error.
async fn hears(address: &str) -> (Vec<Vec<u8>>, bool) {
    let link = connect(&address.parse().unwrap(), Some(&framing("line")), &Options::default()).await.unwrap();
    let (sender, mut receiver) = link.split();
    let sending = tokio::spawn(async move { while sender.send(&[b'x'; 100]).await.is_ok() {} });
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

/// Sockets of this machine report a reset where their peer goes without having read everything.
#[test]
fn unix_sockets_tell_a_reset_from_an_end_too() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resets");
        let listener = UnixListener::bind(&path).unwrap();
        let at = format!("unix:{}", path.display());
        for number in 0..RUNS {
            let far = async {
                let (mut far, _) = listener.accept().await.unwrap();
                far.write_all(b"whole\ncut o").await.unwrap();
                // Much is left unread.
                let _ = far.read(&mut [0; 1]).await.unwrap();
            };
            let (heard, ()) = tokio::join!(hears(&at), far);
            assert!(heard.1, "run {number}: the reset looks like an end after {:?}", heard.0);
            assert_eq!(heard.0, [b"whole"], "run {number}");
        }
    });
}

/// A bridge between TCP sockets.
async fn bridged(client: &str, server: &str, to: &str, dump: bool, faults: &[&str]) -> String {
    let listener = listen(&"127.0.0.1:0".parse().unwrap(), Some(&framing(client)), &Options::default()).await.unwrap();
    let faults: Vec<String> = faults.iter().map(|fault| (*fault).to_owned()).collect();
    let target = Target {
        address: to.parse().unwrap(),
        options: Options::default(),
        client: Some(framing(client)),
        server: Some(framing(server)),
        faults: Faults { plan: Plan::parse(&faults).unwrap(), seed: 0 },
    };
    let mut rules = Rules::default();
    rules.dump = dump;
    let (notes, mut diary) = mpsc::unbounded_channel();
    let running: tokio::task::JoinHandle<Outcome> =
        tokio::spawn(relay(Clients::Many(listener), target, Diary(notes), rules));
    let address = diary.recv().await.unwrap();
    // The run ends with the runtime.
    tokio::spawn(async move {
        while diary.recv().await.is_some() {}
        drop(running);
    });
    address.strip_prefix("tcp://").unwrap().to_owned()
}

/// Reads and writes until both have failed or ended: whether either of them reported a reset.
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
