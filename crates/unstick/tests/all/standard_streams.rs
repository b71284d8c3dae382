//! Standard input and output, which a process has only once: a child process relays them.

use std::io::Write;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use unstick::endpoint::{PeerAddrs, StreamTransport};
use unstick::{Link, Options, Receiver, Sender, connect};

use crate::suite::{Pair, framing, listening, run};

/// Set for the child: the port to relay to, and the framing.
const RELAY: &str = "UNSTICK_TEST_RELAY";

/// The child prints this before the relay takes over its standard output.
const READY: &[u8] = b"\x01ready\n";

/// The near end is connected to a child over TCP, the far end is the child's standard input and output.
pub(crate) async fn pair(spec: &str) -> Pair {
    let mut listener = listening("tcp://127.0.0.1:0", spec, &Options::default()).await;
    let port = listener.addresses()[0].rsplit_once(':').unwrap().1;
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "standard_streams::a_child_speaks_through_them", "--nocapture"])
        .env(RELAY, format!("{port} {spec}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // The test harness prints something first.
    let mut said = Vec::new();
    while !said.ends_with(READY) {
        said.push(output.read_u8().await.expect("the child ended early"));
    }
    let near = listener.accept().await.unwrap();
    let names = PeerAddrs::new("child", "test");
    let far = Link::framed(StreamTransport::new(output, input, names), &framing(spec), &Options::default()).unwrap();
    Pair { near, far, keeps: Box::new(child) }
}

/// The child.
async fn relay(port: &str, spec: &str) {
    std::io::stdout().write_all(READY).unwrap();
    std::io::stdout().flush().unwrap();
    let options = Options::default();
    let streams = connect(&"-".parse().unwrap(), Some(&framing(spec)), &options).await.unwrap();
    assert_eq!(streams.addrs().remote, "-");
    let tcp = format!("tcp://127.0.0.1:{port}").parse().unwrap();
    let tcp = connect(&tcp, Some(&framing(spec)), &options).await.unwrap();
    let ((to_streams, from_streams), (to_tcp, from_tcp)) = (streams.split(), tcp.split());
    tokio::join!(carry_all(from_streams, to_tcp), carry_all(from_tcp, to_streams));
}

async fn carry_all(mut from: Receiver, to: Sender) {
    while let Ok(Some(message)) = from.recv().await {
        if to.send(&message).await.is_err() {
            break;
        }
    }
    // Fails if the other side has gone.
    let _ = to.finish().await;
}

#[test]
fn a_child_speaks_through_them() {
    if let Ok(relayed) = std::env::var(RELAY) {
        let (port, spec) = relayed.split_once(' ').unwrap();
        return run(relay(port, spec));
    }
    run(async {
        let Pair { near, mut far, keeps } = pair("line").await;
        near.send(b"to standard output").await.unwrap();
        assert_eq!(far.recv().await.unwrap().unwrap(), &b"to standard output"[..]);
        far.send(b"from standard input").await.unwrap();
        let (near, mut near_receiver) = near.split();
        assert_eq!(near_receiver.recv().await.unwrap().unwrap(), &b"from standard input"[..]);
        near.finish().await.unwrap();
        assert_eq!(far.recv().await.unwrap(), None, "the end of standard output is seen while the child still runs");
        drop(far);
        assert_eq!(near_receiver.recv().await.unwrap(), None);
        let mut child = keeps.downcast::<Child>().unwrap();
        assert!(child.wait().await.unwrap().success());
    });
}
