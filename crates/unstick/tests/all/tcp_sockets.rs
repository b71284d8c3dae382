//! TCP: which addresses are tried and bound, the options of the sockets, and the errors.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use unstick::endpoint::Transport;
use unstick::{Advice, Link, Options, connect, limits, listen};

use crate::suite::{Pair, client, framing, listening, pair};

/// Options that keep the trace.
fn traced() -> (Options, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let mut options = Options::default();
    options.trace = Some(Arc::new(move |what: &str| teller.lock().unwrap().push(what.to_owned())));
    (options, told)
}

async fn open(address: &str, options: &Options) -> unstick::Result<Link> {
    connect(&address.parse().unwrap(), Some(&framing("u32be")), options).await
}

/// A port of this machine on which nothing listens.
fn closed_port() -> u16 {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn without_a_host_both_families_listen_on_one_port() {
    let mut listener = listening("tcp://:0", "u32be", &Options::default()).await;
    let addresses: Vec<SocketAddr> =
        listener.addresses().iter().map(|a| a.strip_prefix("tcp://").unwrap().parse().unwrap()).collect();
    assert!(addresses.iter().all(|a| a.ip().is_loopback() && a.port() == addresses[0].port()), "{addresses:?}");
    for address in addresses {
        let link = open(&format!("tcp://{address}"), &Options::default()).await.unwrap();
        link.send(b"hello").await.unwrap();
        let mut far = listener.accept().await.unwrap();
        assert_eq!(far.recv().await.unwrap().unwrap(), &b"hello"[..]);
        assert_eq!(link.addrs().remote, address.to_string());
    }
}

#[tokio::test]
async fn a_socket_of_both_families_knows_the_older_ones_peers_by_their_own_names() {
    let mut listener = listening("tcp://[::]:0", "u32be", &Options::default()).await;
    let port = listener.addresses()[0].rsplit_once(':').unwrap().1.to_owned();
    for asked in [format!("127.0.0.2:{port}"), format!("[::1]:{port}")] {
        let near = open(&format!("tcp://{asked}"), &Options::default()).await.unwrap();
        let far = listener.accept().await.unwrap();
        assert_eq!((&far.addrs().local, &far.addrs().remote), (&asked, &near.addrs().local));
    }
}

#[tokio::test]
async fn every_address_is_tried() {
    // Without a host, both families are tried, but only one of them has a listener.
    for only in ["127.0.0.1:0", "[::1]:0"] {
        // A machine may lack IPv6.
        let Ok(listener) = StdListener::bind(only) else { continue };
        let at = listener.local_addr().unwrap();
        let (options, told) = traced();
        let link = open(&format!("tcp://:{}", at.port()), &options).await.unwrap();
        assert_eq!(link.addrs().remote, at.to_string());
        let told = told.lock().unwrap().join("\n");
        assert!(told.contains(&format!("connected to {at}")), "{told}");
        assert!(told.contains("127.0.0.1:"), "{told}");
    }
}

#[tokio::test]
async fn the_trace_says_what_a_name_is() {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let (options, told) = traced();
    open(&format!("tcp://localhost:{}", listener.local_addr().unwrap().port()), &options).await.unwrap();
    let told = told.lock().unwrap().join("\n");
    assert!(told.starts_with("localhost is ") && told.contains("127.0.0.1"), "{told}");
}

#[tokio::test]
async fn a_refusal_is_unreachable_and_says_what_to_do() {
    let error = open(&format!("tcp://127.0.0.1:{}", closed_port()), &Options::default()).await.unwrap_err();
    assert!(error.is_unreachable() && !error.is_timeout());
    assert!(error.to_string().ends_with("connection refused"), "{error}");
    assert_eq!(error.advice(), Some(&Advice::Retry));
    let error = open("tcp://no-such-host.invalid:1", &Options::default()).await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    assert!(error.to_string().starts_with("cannot resolve no-such-host.invalid"), "{error}");
}

/// `BACKLOG`: connections that nobody accepts cross it. `CONNECT_TIMEOUT`, or the time that was set instead: the first connection
/// without room reaches it.
#[tokio::test]
async fn connecting_gives_up_in_time_when_nobody_answers() {
    assert_eq!(Options::default().connect_timeout, limits::CONNECT_TIMEOUT);
    limits::raise_open_files();
    let listener = listening("tcp://127.0.0.1:0", "u32be", &Options::default()).await;
    let at: SocketAddr = listener.addresses()[0].strip_prefix("tcp://").unwrap().parse().unwrap();
    let mut options = Options::default();
    options.connect_timeout = Duration::from_millis(300);
    // The machine's own limit may be lower than the requested one.
    let machines = std::fs::read_to_string("/proc/sys/net/core/somaxconn").map_or(128, |s| s.trim().parse().unwrap());
    let backlog = machines.min(limits::BACKLOG as usize);
    // The kernel accepts one more than its limit.
    let waiting: Vec<_> = (0..=backlog).map(|_| StdStream::connect(at).unwrap()).collect();
    let begun = Instant::now();
    let error = open(&listener.addresses()[0], &options).await.unwrap_err();
    assert!(error.is_timeout() && !error.is_unreachable(), "{error}");
    assert!(begun.elapsed() >= Duration::from_millis(300), "it gave up after {:?}", begun.elapsed());
    drop(waiting);
}

#[tokio::test]
async fn an_address_that_never_answers_leaves_time_for_the_others() {
    // Both on one port: the first one's backlog is full, the second accepts.
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    full.listen(0).unwrap();
    let at = full.local_addr().unwrap().as_socket().unwrap();
    let Ok(second) = StdListener::bind(("::1", at.port())) else { return assert!(!has_ipv6()) };
    let waiting = StdStream::connect(at).unwrap();
    let mut options = Options::default();
    options.connect_timeout = Duration::from_secs(2);
    let link = open(&format!("tcp://:{}", at.port()), &options).await.unwrap();
    assert_eq!(link.addrs().remote, second.local_addr().unwrap().to_string());
    drop(waiting);
}

fn has_ipv6() -> bool {
    StdListener::bind("[::1]:0").is_ok()
}

#[tokio::test]
async fn retry_waits_for_a_listener_to_appear() {
    let port = closed_port();
    let (mut options, told) = traced();
    options.retry = Some(Duration::from_secs(30));
    let appear = async {
        while !told.lock().unwrap().iter().any(|line| line.contains("trying again")) {
            tokio::task::yield_now().await;
        }
        StdListener::bind(("127.0.0.1", port)).unwrap()
    };
    let address = format!("tcp://127.0.0.1:{port}");
    let (link, listener) = tokio::join!(open(&address, &options), appear);
    assert_eq!(link.unwrap().addrs().remote, listener.local_addr().unwrap().to_string());
}

/// `RETRY_PAUSE`: retries take no longer than requested, and have pauses between them.
#[tokio::test]
async fn retry_ends_when_its_time_is_over() {
    let (mut options, told) = traced();
    options.retry = Some(limits::RETRY_PAUSE * 2 + Duration::from_millis(150));
    let begun = Instant::now();
    let error = open(&format!("tcp://127.0.0.1:{}", closed_port()), &options).await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    assert_eq!(error.hint(), Some("nothing has listened there for 550ms"));
    assert_eq!(error.advice(), None, "it was followed");
    assert!(begun.elapsed() >= limits::RETRY_PAUSE);
    let again = told.lock().unwrap().iter().filter(|line| line.contains("trying again")).count();
    assert!((1..=2).contains(&again), "tried again {again} times");
}

#[tokio::test]
async fn the_source_is_what_was_asked_for() {
    let mut listener = listening("tcp://127.0.0.1:0", "u32be", &Options::default()).await;
    let mut options = Options::default();
    let source: SocketAddr = format!("127.0.0.3:{}", closed_port()).parse().unwrap();
    options.source = Some(source);
    let link = open(&listener.addresses()[0], &options).await.unwrap();
    assert_eq!(link.addrs().local, source.to_string());
    assert_eq!(listener.accept().await.unwrap().addrs().remote, source.to_string());
    // No connection is possible from a source of the other family.
    options.source = Some("[::1]:0".parse().unwrap());
    assert!(open(&listener.addresses()[0], &options).await.unwrap_err().is_unreachable());
    // A port without an address fits either family.
    options.source = Some("[::]:0".parse().unwrap());
    open(&listener.addresses()[0], &options).await.unwrap();
}

#[tokio::test]
async fn a_connection_is_never_to_itself() {
    // From its own target port, TCP would connect a socket to itself.
    let port = closed_port();
    let mut options = Options::default();
    options.source = Some(SocketAddr::from(([127, 0, 0, 1], port)));
    let error = open(&format!("tcp://127.0.0.1:{port}"), &options).await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
}

#[tokio::test]
async fn what_is_asked_of_a_socket_is_set() {
    let mut options = Options::default();
    options.keepalive = Some(Duration::from_secs(77));
    for nodelay in [true, false] {
        options.nodelay = nodelay;
        let mut listener = listening("tcp://127.0.0.1:0", "u32be", &options).await;
        let near = unstick::endpoint::connect(&listener.addresses()[0].parse().unwrap(), &options).await.unwrap();
        for end in [near, listener.accept_transport().await.unwrap()] {
            let Transport::Stream(end) = end else { panic!("TCP is a stream") };
            let socket = end.socket().unwrap();
            let socket = SockRef::from(&socket);
            assert_eq!(socket.tcp_nodelay().unwrap(), nodelay);
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
        }
    }
}

/// `ACCEPTED_KEEPALIVE`: a listener probes its silent clients, unless that is switched off. It does not lose a client that is
/// stopped and reads nothing.
#[tokio::test]
async fn a_listener_asks_silent_clients_by_default() {
    const { assert!(limits::ACCEPTED_KEEPALIVE.as_secs() * (limits::UNANSWERED as u64 + 1) == 240) }
    let taken = async |options: &Options| {
        let mut listener = listening("tcp://127.0.0.1:0", "u32be", options).await;
        let near = unstick::endpoint::connect(&listener.addresses()[0].parse().unwrap(), options).await.unwrap();
        let far = listener.accept_transport().await.unwrap();
        [near, far].map(|end| {
            let Transport::Stream(end) = end else { panic!("TCP is a stream") };
            let socket = end.socket().unwrap();
            let socket = SockRef::from(&socket);
            let times = (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
            let timeout = socket.tcp_user_timeout().unwrap();
            socket.keepalive().unwrap().then(|| (times, socket.tcp_keepalive_retries().unwrap(), timeout))
        })
    };
    let mut options = Options::default();
    let every = (limits::ACCEPTED_KEEPALIVE, limits::ACCEPTED_KEEPALIVE);
    assert_eq!(taken(&options).await, [None, Some((every, limits::UNANSWERED, None))]);
    options.accepted_keepalive = None;
    assert_eq!(taken(&options).await, [None, None]);
    options.keepalive = Some(Duration::from_secs(7));
    let (every, timeout) = ((Duration::from_secs(7), Duration::from_secs(7)), Some(Duration::from_secs(28)));
    assert_eq!(taken(&options).await, [Some((every, limits::UNANSWERED, timeout)); 2]);
}

#[tokio::test]
async fn an_address_in_use_says_who_holds_it() {
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", taken.local_addr().unwrap()).parse().unwrap();
    let Err(error) = listen(&address, Some(&framing("u32be")), &Options::default()).await else {
        panic!("two listen on {address}");
    };
    assert_eq!(error.to_string(), format!("cannot listen on {address}: address already in use"));
    let me = format!("(process {})", std::process::id());
    assert!(error.hint().unwrap().contains(&me), "{:?}", error.hint());
}

#[tokio::test]
async fn a_foreign_address_cannot_be_listened_on() {
    // An address for documentation, which no machine has.
    let address = "tcp://203.0.113.77:0".parse().unwrap();
    let Err(error) = listen(&address, Some(&framing("u32be")), &Options::default()).await else {
        panic!("this machine has {address}");
    };
    assert!(error.is_unreachable(), "{error}");
    assert_eq!(error.hint(), Some("that address is not of this machine"));
}

#[tokio::test]
async fn a_port_can_be_listened_on_again_at_once() {
    let mut listener = listening("tcp://127.0.0.1:0", "u32be", &Options::default()).await;
    let address = listener.addresses()[0].parse().unwrap();
    let mut near = client(&listener, "u32be").await;
    // The side that ends first leaves its port in TIME_WAIT.
    drop(listener.accept().await.unwrap());
    assert_eq!(near.recv().await.unwrap(), None);
    drop((listener, near));
    let mut options = Options::default();
    options.reuse_address = false;
    assert!(listen(&address, Some(&framing("u32be")), &options).await.is_err_and(|e| e.is_unreachable()));
    options.reuse_address = true;
    listen(&address, Some(&framing("u32be")), &options).await.unwrap();
}

/// `SHORTEST_KEEPALIVE`, `LONGEST_KEEPALIVE`: the system accepts no times beyond them, and a connection still works.
#[tokio::test]
async fn a_keepalive_that_no_system_takes_is_bounded() {
    for (asked, taken) in
        [(Duration::MAX, limits::LONGEST_KEEPALIVE), (Duration::from_nanos(1), limits::SHORTEST_KEEPALIVE)]
    {
        let mut options = Options::default();
        options.keepalive = Some(asked);
        let mut listener = listening("tcp://127.0.0.1:0", "u32be", &options).await;
        let address = listener.addresses()[0].parse().unwrap();
        let Transport::Stream(near) = unstick::endpoint::connect(&address, &options).await.unwrap() else { panic!() };
        listener.accept().await.unwrap();
        let socket = near.socket().unwrap();
        assert_eq!(SockRef::from(&socket).tcp_keepalive_time().unwrap(), taken);
    }
}

#[tokio::test]
async fn an_abort_is_a_reset_though_its_receiver_lives() {
    let Pair { near, mut far, keeps: _keeps } = pair("tcp://127.0.0.1:0", "u32be").await;
    let (near, mut near_receiver) = near.split();
    near.send(b"hello").await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"hello"[..]);
    near.abort();
    assert!(near.send(b"more").await.is_err());
    let error = far.recv().await.unwrap_err();
    assert!(error.is_reset(), "{error}");
    // For its own receiver, the conversation is over too.
    assert!(!matches!(near_receiver.recv().await, Ok(Some(_))));
}

#[tokio::test]
async fn a_reset_is_told_to_both_directions_again_and_again() {
    let Pair { near, far, keeps: _keeps } = pair("tcp://127.0.0.1:0", "u32be").await;
    let ((near, mut near_receiver), (far, far_receiver)) = (near.split(), far.split());
    far.abort();
    let error = near_receiver.recv().await.unwrap_err();
    assert!(error.is_reset(), "{error}");
    drop(far_receiver);
    for _ in 0..3 {
        // The first may still find room in the kernel.
        let _ = near.send(b"into the void").await;
        let _ = near.flush().await;
    }
    for error in [near.send(b"more").await, near.flush().await, near.finish().await] {
        let error = error.unwrap_err();
        assert!(error.is_reset(), "{error}");
    }
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_still_heard() {
    let Pair { near, far, keeps: _keeps } = pair("tcp://127.0.0.1:0", "u32be").await;
    let ((near, mut near_receiver), (far, _far_receiver)) = (near.split(), far.split());
    let stuck = async {
        while near.send(&[0; 50_000]).await.is_ok() {}
        panic!("the connection is lost");
    };
    let heard = async {
        for _ in 0..100 {
            far.send(b"I only talk").await.unwrap();
            assert_eq!(near_receiver.recv().await.unwrap().unwrap(), &b"I only talk"[..]);
        }
    };
    tokio::select! { () = heard => {}, () = stuck => {} }
}
