//! The rules for every endpoint, whatever its transport: one line in `main.rs` runs all of these tests for an endpoint.
//!
//! Not here: features of a single transport.

#[macro_use]
pub(crate) mod conversation;
#[macro_use]
pub(crate) mod listener;
#[macro_use]
pub(crate) mod stream;

use std::any::Any;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use unstick::endpoint::Identity;
use unstick::wire::Framing;
use unstick::{Address, Framings, Link, Listener, Options, Receiver, Sender, connect, listen};

/// `endpoint_suite!(NAME, ADDRESS, GROUP, ...)`: the tests of these groups, on pairs of links of this transport.
macro_rules! endpoint_suite {
    ($name:ident, $address:literal, $($group:ident),+) => {
        mod $name {
            $( $group!($address); )+
        }
    };
}

/// A test for each function of a group.
macro_rules! tests {
    ($group:ident, $address:literal: $($test:ident)+) => {
        $(
            #[test]
            fn $test() {
                crate::suite::run(crate::suite::$group::$test($address));
            }
        )+
    };
}

/// Two ends of one conversation.
pub(crate) struct Pair {
    pub(crate) near: Link,
    pub(crate) far: Link,
    /// A value that must live as long as they do.
    pub(crate) keeps: Box<dyn Any>,
}

/// Longer than anything here takes on the slowest machine: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Tries to send a message without waiting. Returns whether it was queued; any error except a full queue is a failure.
pub(crate) fn has_room(sent: unstick::Result<()>) -> bool {
    match sent {
        Err(error) if error.is_full() => false,
        sent => sent.map(|()| true).unwrap(),
    }
}

/// Runs a test, which fails instead of hanging.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") });
    // A read of standard input cannot be interrupted.
    runtime.shutdown_background();
}

pub(crate) fn framing(spec: &str) -> Framings {
    Framing::parse(spec).unwrap().into()
}

/// The options of every endpoint here: with TLS, a certificate, and only that is trusted.
pub(crate) fn options() -> Options {
    static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity::self_signed(&[]).unwrap());
    let mut options = Options::default();
    options.tls.identity = Some(IDENTITY.clone());
    options.tls.pins = vec![IDENTITY.fingerprint()];
    options
}

/// Whether messages travel without a framing.
pub(crate) fn is_stream(address: &str) -> bool {
    address.parse::<Address>().unwrap().is_stream()
}

/// Whether the listener knows a peer only after it has sent something.
pub(crate) fn is_connectionless(address: &str) -> bool {
    address.starts_with("udp:") || address.starts_with("unix-dgram:")
}

/// Whether all peers have the same name, as peers in one process do.
pub(crate) fn is_anonymous(address: &str) -> bool {
    ["mem:", "unix:", "unix-seqpacket:", "ws+unix:"].iter().any(|scheme| address.starts_with(scheme))
}

/// Listens. Each test has its own name inside this process, or its own file, so that tests can run at the same time.
pub(crate) async fn listening(address: &str, spec: &str, options: &Options) -> Listener {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let own = || NUMBER.fetch_add(1, Ordering::Relaxed);
    let address = match address.split_once(':') {
        Some(("mem", name)) => format!("mem:{name}-{}", own()),
        Some((scheme, name)) if scheme.contains("unix") => {
            let file = format!("unstick-{name}-{}-{}", std::process::id(), own());
            format!("{scheme}:{}", std::env::temp_dir().join(file).display())
        }
        _ => address.to_owned(),
    };
    listen(&address.parse().unwrap(), Some(&framing(spec)), options).await.unwrap()
}

/// Connects to a listener.
pub(crate) async fn client(listener: &Listener, spec: &str) -> Link {
    let address = listener.addresses()[0].parse().unwrap();
    connect(&address, Some(&framing(spec)), &options()).await.unwrap()
}

/// Two links that are connected to each other. A datagram listener knows a peer only after it has sent something; this takes
/// that message.
pub(crate) async fn pair(address: &str, spec: &str) -> Pair {
    if address.starts_with("exec:") {
        return crate::processes::pair(spec).await;
    }
    #[cfg(all(target_os = "linux", feature = "serial"))]
    if address.starts_with("serial:") {
        return crate::serial_lines::pair(spec).await;
    }
    if address == "-" {
        return crate::standard_streams::pair(spec).await;
    }
    let mut listener = listening(address, spec, &options()).await;
    let near = client(&listener, spec).await;
    if is_connectionless(address) {
        near.send(b"here I am").await.unwrap();
    }
    let mut far = listener.accept().await.unwrap();
    if is_connectionless(address) {
        assert_eq!(far.recv().await.unwrap().unwrap(), &b"here I am"[..]);
    }
    Pair { near, far, keeps: Box::new(listener) }
}

/// This many bytes, different from those of every other message.
pub(crate) fn message(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut message = Vec::with_capacity(length + 8);
    while message.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        message.extend_from_slice(&state.to_be_bytes());
    }
    message.truncate(length);
    message
}

/// Takes the next message, and checks that it is this one.
pub(crate) async fn expect(receiver: &mut Receiver, wanted: &[u8]) {
    let got = receiver.recv().await.unwrap().expect("the peer ended early");
    // Not assert_eq: it would print a megabyte.
    assert!(got == wanted, "{} bytes came where {} were sent", got.len(), wanted.len());
}

/// Sends and receives at once, so that neither waits for the other.
pub(crate) async fn carry(sender: &Sender, receiver: &mut Receiver, message: &[u8]) {
    let (sent, ()) = tokio::join!(sender.send(message), expect(receiver, message));
    sent.unwrap();
}

/// Ready after this many polls; the future that runs beside it is then dropped.
pub(crate) async fn polls(mut count: u64) {
    std::future::poll_fn(|cx| {
        if count == 0 {
            return std::task::Poll::Ready(());
        }
        count -= 1;
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
