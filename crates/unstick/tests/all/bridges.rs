//! Bridges: bytes, ends, resets and messages from one end to the other, for many independent clients at once.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use unstick::limits::BRIDGE_READ;
use unstick::service::bridge::{Clients, Config, Event, Faults, Outcome, Output, Target, bridge};
use unstick::wire::Role;
use unstick::{Framings, Options, connect, listen};

use crate::suite::{expect, framing, message, run};

/// The events on the bridges, as lines.
pub(crate) struct Diary(pub(crate) mpsc::UnboundedSender<String>);

impl Output for Diary {
    fn event(&mut self, event: Event<'_>) -> unstick::Result<()> {
        let line = match event {
            Event::Listening { addresses } => addresses[0].clone(),
            Event::Open { peer, .. } => format!("{peer} opens"),
            Event::Passed { peer, from, data, .. } => {
                let from = if from == Role::Client { "c2s" } else { "s2c" };
                format!("{peer} {from} {}", data.escape_ascii())
            }
            Event::Close { peer, reason, passed, .. } => format!("{peer} {reason:?} {} {}", passed.up, passed.down),
            Event::Error { peer, error } => format!("{peer:?} {error}"),
            _ => return Ok(()),
        };
        let _ = self.0.send(line);
        Ok(())
    }
}

/// A bridge that runs.
pub(crate) struct Bridge {
    pub(crate) address: String,
    diary: mpsc::UnboundedReceiver<String>,
    run: JoinHandle<Outcome>,
}

impl Bridge {
    /// From one address to another; both have these framings if they are streams.
    pub(crate) async fn new(from: &str, client: &str, to: &str, server: &str, rules: Config) -> Bridge {
        Self::with(from, client, to, server, rules, Options::default()).await
    }

    async fn with(from: &str, client: &str, to: &str, server: &str, rules: Config, options: Options) -> Bridge {
        let listener = listen(&from.parse().unwrap(), Some(&framing(client)), &Options::default()).await.unwrap();
        let target = Target {
            address: to.parse().unwrap(),
            options,
            client: Some(framing(client)),
            server: Some(framing(server)),
            faults: Faults::default(),
        };
        let (notes, mut diary) = mpsc::unbounded_channel();
        let run = tokio::spawn(bridge(Clients::Many(listener), target, Diary(notes), rules));
        let address = diary.recv().await.unwrap();
        Bridge { address, diary, run }
    }

    pub(crate) async fn raw(from: &str, to: &str) -> Bridge {
        Self::new(from, "raw", to, "raw", Config::default()).await
    }

    fn at(&self) -> &str {
        self.address.strip_prefix("tcp://").unwrap_or(&self.address)
    }

    async fn note(&mut self) -> String {
        self.diary.recv().await.unwrap()
    }
}

/// A server on TCP, and its address.
pub(crate) async fn server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    (listener, at)
}

/// A client and the server's end of its bridge.
pub(crate) async fn connected(bridge: &Bridge, server: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(bridge.at()).await.unwrap();
    (client, server.accept().await.unwrap().0)
}

async fn reads<const N: usize>(from: &mut (impl AsyncRead + Unpin), wanted: &[u8; N]) {
    let mut got = [0; N];
    from.read_exact(&mut got).await.unwrap();
    assert_eq!(got.escape_ascii().to_string(), wanted.escape_ascii().to_string());
}

async fn reads_the_end(from: &mut (impl AsyncRead + Unpin)) {
    assert_eq!(from.read(&mut [0; 1]).await.unwrap(), 0);
}

fn resets(socket: TcpStream) {
    socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
}

// ---- bytes ----

#[test]
fn bytes_and_half_closes_pass_both_ways_in_their_order() {
    run(async {
        let (server, at) = server().await;
        let mut bridge = Bridge::raw("127.0.0.1:0", &at).await;
        let (mut client, mut far) = connected(&bridge, &server).await;
        client.write_all(b"question").await.unwrap();
        reads(&mut far, b"question").await;
        client.shutdown().await.unwrap();
        reads_the_end(&mut far).await;
        far.write_all(b"answer after the end").await.unwrap();
        reads(&mut client, b"answer after the end").await;
        drop(far);
        reads_the_end(&mut client).await;
        assert_eq!([bridge.note().await, bridge.note().await], ["1 opens", "1 Ended 8 20"]);

        let (mut client, mut far) = connected(&bridge, &server).await;
        far.shutdown().await.unwrap();
        reads_the_end(&mut client).await;
        client.write_all(b"the other way round").await.unwrap();
        reads(&mut far, b"the other way round").await;
    });
}

#[test]
fn a_reset_is_a_reset_at_the_other_end() {
    run(async {
        let (server, at) = server().await;
        let mut bridge = Bridge::raw("127.0.0.1:0", &at).await;
        for client_resets in [true, false] {
            let (mut client, mut far) = connected(&bridge, &server).await;
            client.write_all(b"hello").await.unwrap();
            reads(&mut far, b"hello").await;
            let (gone, mut left) = if client_resets { (client, far) } else { (far, client) };
            resets(gone);
            let error = left.read(&mut [0; 1]).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            bridge.note().await;
            let note = bridge.note().await;
            let side = if client_resets { "Client" } else { "Server" };
            assert!(note.contains(&format!("Failed {{ side: {side}")) && note.contains("ConnectionReset"), "{note}");
        }
    });
}

#[test]
fn a_slow_reader_slows_the_writer_across_the_bridge() {
    run(async {
        let (server, at) = server().await;
        let bridge = Bridge::raw("127.0.0.1:0", &at).await;
        let (mut client, mut far) = connected(&bridge, &server).await;
        let chunk = message(2, 100_000);
        let mut sent = 0;
        while let Ok(written) =
            tokio::time::timeout(Duration::from_millis(500), client.write(&chunk[sent % 100_000..])).await
        {
            sent += written.unwrap();
            assert!(sent < 64 << 20, "64 MiB are on their way to somebody who does not read");
        }
        client.shutdown().await.unwrap();
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.unwrap();
        assert_eq!(got.len(), sent);
        assert!(got.chunks(100_000).all(|part| part == &chunk[..part.len()]));
    });
}

/// Streams much data, both ways at once, in writes of many sizes, and compares it.
async fn much(a: impl AsyncRead + AsyncWrite + Unpin, b: impl AsyncRead + AsyncWrite + Unpin) {
    const LENGTH: usize = 20 << 20;
    async fn one_way(mut from: impl AsyncWrite + Unpin, mut to: impl AsyncRead + Unpin, seed: u64) {
        let data = message(seed, LENGTH);
        let writing = async {
            let mut rest = &data[..];
            for size in [1, BRIDGE_READ - 1, BRIDGE_READ, BRIDGE_READ + 1, 3 << 20, 17, 1 << 20].into_iter().cycle() {
                let (now, later) = rest.split_at(size.min(rest.len()));
                from.write_all(now).await.unwrap();
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            from.shutdown().await.unwrap();
        };
        let reading = async {
            let mut got = Vec::with_capacity(LENGTH);
            to.read_to_end(&mut got).await.unwrap();
            assert!(got == data, "{} of {} bytes, or others", got.len(), data.len());
        };
        tokio::join!(writing, reading);
    }
    let ((a_reads, a_writes), (b_reads, b_writes)) = (tokio::io::split(a), tokio::io::split(b));
    tokio::join!(one_way(a_writes, b_reads, 3), one_way(b_writes, a_reads, 4));
}

/// More than BRIDGE_READ at once: the Linux kernel moves it.
#[test]
fn much_passes_between_sockets_of_every_kind() {
    run(async {
        let (server, at) = server().await;
        let bridge = Bridge::raw("127.0.0.1:0", &at).await;
        let (client, far) = connected(&bridge, &server).await;
        much(client, far).await;

        let path = std::env::temp_dir().join(format!("unstick-bridge-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let bridge = Bridge::raw("127.0.0.1:0", &format!("unix:{}", path.display())).await;
        let client = TcpStream::connect(bridge.at()).await.unwrap();
        much(client, listener.accept().await.unwrap().0).await;
        drop(listener);
        std::fs::remove_file(&path).unwrap();

        let bridge = Bridge::raw(&format!("unix:{}", path.display()), &at).await;
        let client = UnixStream::connect(&path).await.unwrap();
        much(client, server.accept().await.unwrap().0).await;
        drop(bridge);
    });
}

#[test]
fn ends_without_a_socket_are_bridged_too() {
    run(async {
        let (server, at) = server().await;
        let mut bridge = Bridge::raw("mem:bridged", &at).await;
        let client =
            connect(&"mem:bridged".parse().unwrap(), Some(&framing("u32be")), &Options::default()).await.unwrap();
        let (mut far, _) = server.accept().await.unwrap();
        let (sender, mut receiver) = client.split();
        let large = message(5, 3_000_000);
        let echo = async {
            let (mut reads, mut writes) = far.split();
            tokio::io::copy(&mut reads, &mut writes).await.unwrap();
            writes.shutdown().await.unwrap();
        };
        let talk = async {
            sender.send(&large).await.unwrap();
            expect(&mut receiver, &large).await;
            sender.finish().await.unwrap();
            assert_eq!(receiver.recv().await.unwrap(), None);
        };
        tokio::join!(echo, talk);
        assert_eq!([bridge.note().await, bridge.note().await], ["1 opens", "1 Ended 3000004 3000004"]);
    });
}

#[test]
fn many_clients_at_once_do_not_mix() {
    run(async {
        let (server, at) = server().await;
        let bridge = Bridge::raw("127.0.0.1:0", &at).await;
        tokio::spawn(async move {
            loop {
                let (mut far, _) = server.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut reads, mut writes) = far.split();
                    tokio::io::copy(&mut reads, &mut writes).await
                });
            }
        });
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..200 {
            let mut client = TcpStream::connect(bridge.at()).await.unwrap();
            clients.spawn(async move {
                for turn in 0..20 {
                    let text = message(number * 100 + turn, 1000);
                    client.write_all(&text).await.unwrap();
                    let mut got = vec![0; text.len()];
                    client.read_exact(&mut got).await.unwrap();
                    assert!(got == text, "client {number} got another client's bytes");
                }
            });
        }
        clients.join_all().await;
    });
}

// ---- a target that is not there ----

#[test]
fn a_target_that_is_not_there_is_one_clients_error() {
    run(async {
        let (server, at) = server().await;
        drop(server);
        let mut bridge = Bridge::raw("127.0.0.1:0", &at).await;
        let mut client = TcpStream::connect(bridge.at()).await.unwrap();
        assert_eq!(client.read(&mut [0; 1]).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        let note = bridge.note().await;
        assert!(note.starts_with("Some(1) cannot connect to tcp://127.0.0.1:"), "{note}");
        // The next one finds it there.
        let server = TcpListener::bind(&at).await.unwrap();
        let (mut client, mut far) = connected(&bridge, &server).await;
        client.write_all(b"hello").await.unwrap();
        reads(&mut far, b"hello").await;
    });
}

#[test]
fn a_target_is_tried_again_where_asked() {
    run(async {
        let (server, at) = server().await;
        drop(server);
        let mut options = Options::default();
        options.retry = Some(Duration::from_secs(30));
        let (told, mut tried) = mpsc::unbounded_channel();
        options.trace = Some(std::sync::Arc::new(move |what: &str| drop(told.send(what.to_owned()))));
        let bridge = Bridge::with("127.0.0.1:0", "raw", &at, "raw", Config::default(), options).await;
        let mut client = TcpStream::connect(bridge.at()).await.unwrap();
        client.write_all(b"sent before there is anybody").await.unwrap();
        while !tried.recv().await.unwrap().ends_with("trying again") {}
        let server = TcpListener::bind(&at).await.unwrap();
        let mut far = server.accept().await.unwrap().0;
        reads(&mut far, b"sent before there is anybody").await;
    });
}

// ---- messages ----

#[test]
fn unlike_framings_pass_message_by_message() {
    run(async {
        let mut server =
            listen(&"127.0.0.1:0".parse().unwrap(), Some(&framing("line")), &Options::default()).await.unwrap();
        let mut bridge = Bridge::new("127.0.0.1:0", "u32be", &server.addresses()[0], "line", Config::default()).await;
        let address = bridge.address.parse().unwrap();
        let client = connect(&address, Some(&framing("u32be")), &Options::default()).await.unwrap();
        let (far, mut far_hears) = server.accept().await.unwrap().split();
        let (near, mut near_hears) = client.split();
        for text in ["one", "", "three"] {
            near.send(text.as_bytes()).await.unwrap();
            expect(&mut far_hears, text.as_bytes()).await;
        }
        near.finish().await.unwrap();
        assert_eq!(far_hears.recv().await.unwrap(), None);
        far.send(b"after your end").await.unwrap();
        expect(&mut near_hears, b"after your end").await;
        far.finish().await.unwrap();
        assert_eq!(near_hears.recv().await.unwrap(), None);
        assert_eq!([bridge.note().await, bridge.note().await], ["1 opens", "1 Ended 3 1"]);

        // A message that the other framing cannot carry is not cut, split or skipped: it ends that bridge.
        let client = connect(&address, Some(&framing("u32be")), &Options::default()).await.unwrap();
        let (_far, mut far_hears) = server.accept().await.unwrap().split();
        client.send(b"two\nlines").await.unwrap();
        assert!(far_hears.recv().await.unwrap_err().is_reset());
        bridge.note().await;
        let note = bridge.note().await;
        assert!(note.starts_with("2 Failed { side: Client") && note.ends_with(" 0 0"), "{note}");
    });
}

#[test]
fn every_datagram_session_has_a_partner_of_its_own() {
    run(async {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = format!("udp://{}", server.local_addr().unwrap());
        let bridge = Bridge::new("udp://127.0.0.1:0", "raw", &to, "raw", Config::default()).await;
        let at = bridge.address.strip_prefix("udp://").unwrap();
        let mut partners = Vec::new();
        let (one, two) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
        for (client, text) in [(&one, "one"), (&two, "two"), (&one, "one again")] {
            client.send_to(text.as_bytes(), at).await.unwrap();
            let mut buffer = [0; 100];
            let (length, partner) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], text.as_bytes());
            partners.push(partner);
        }
        assert!(partners[0] == partners[2] && partners[0] != partners[1], "{partners:?}");
        for (client, partner, text) in [(&two, partners[1], "to two"), (&one, partners[0], "")] {
            server.send_to(text.as_bytes(), partner).await.unwrap();
            let mut buffer = [0; 100];
            let (length, from) = client.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..length], from.to_string()), (text.as_bytes(), at.to_owned()));
        }
    });
}

#[test]
fn a_stream_is_bridged_to_datagrams_and_ends_when_they_are_quiet() {
    run(async {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = format!("udp://{}", server.local_addr().unwrap());
        let mut rules = Config::default();
        rules.linger = Duration::from_millis(50);
        let mut bridge = Bridge::new("127.0.0.1:0", "line", &to, "raw", rules).await;
        let mut client = TcpStream::connect(bridge.at()).await.unwrap();
        client.write_all(b"one\ntwo\n").await.unwrap();
        client.shutdown().await.unwrap();
        let mut buffer = [0; 100];
        for wanted in ["one", "two"] {
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], wanted.as_bytes());
            server.send_to(b"heard", from).await.unwrap();
        }
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers, "heard\nheard\n");
        assert_eq!([bridge.note().await, bridge.note().await], ["1 opens", "1 Ended 2 2"]);
    });
}

#[test]
fn connections_that_carry_messages_end_on_both_sides() {
    run(async {
        let (server, at) = server().await;
        let path = std::env::temp_dir().join(format!("unstick-bridge-packets-{}", std::process::id()));
        let from = format!("unix-seqpacket:{}", path.display());
        let bridge = Bridge::new(&from, "raw", &at, "u16be", Config::default()).await;
        let client = connect(&from.parse().unwrap(), None, &Options::default()).await.unwrap();
        client.send(b"hello").await.unwrap();
        let (near, mut near_hears) = client.split();
        near.finish().await.unwrap();
        let (mut far, _) = server.accept().await.unwrap();
        reads(&mut far, b"\0\x05hello").await;
        reads_the_end(&mut far).await;
        far.write_all(b"\0\x03bye").await.unwrap();
        drop(far);
        expect(&mut near_hears, b"bye").await;
        assert_eq!(near_hears.recv().await.unwrap(), None);
        drop(bridge);
    });
}

/// Its Close ends both directions: the client gets it at once, and the bridge ends even if the client does not.
#[test]
fn a_bridge_ends_with_its_websocket() {
    run(async {
        let mut server = listen(&"ws://127.0.0.1:0".parse().unwrap(), None, &Options::default()).await.unwrap();
        let mut rules = Config::default();
        rules.linger = Duration::from_secs(3600);
        let mut bridge = Bridge::new("127.0.0.1:0", "line", &server.addresses()[0].clone(), "line", rules).await;
        let mut client = TcpStream::connect(bridge.at()).await.unwrap();
        let far = server.accept().await.unwrap();
        far.send(b"bye").await.unwrap();
        drop(far);
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "bye\n");
        assert_eq!([bridge.note().await, bridge.note().await], ["1 opens", "1 Ended 0 1"]);
    });
}

// ---- what is shown ----

#[test]
fn what_passes_is_shown_in_messages_though_bytes_pass_as_they_are() {
    run(async {
        let (server, at) = server().await;
        let mut rules = Config::default();
        rules.dump = true;
        let mut bridge = Bridge::new("127.0.0.1:0", "line", &at, "line", rules).await;
        let (mut client, mut far) = connected(&bridge, &server).await;
        // A framing that drops the CR: the bytes keep it.
        client.write_all(b"one\r\ntw").await.unwrap();
        reads(&mut far, b"one\r\ntw").await;
        client.write_all(b"o\nthree").await.unwrap();
        reads(&mut far, b"o\nthree").await;
        far.write_all(b"yes\n").await.unwrap();
        reads(&mut client, b"yes\n").await;
        drop((client, far));
        let mut notes = Vec::new();
        while notes.len() < 6 {
            notes.push(bridge.note().await);
        }
        assert_eq!(notes, ["1 opens", "1 c2s one", "1 c2s two", "1 s2c yes", "1 c2s three", "1 Ended 14 4"]);
    });
}

#[test]
fn what_breaks_its_framing_passes_all_the_same_and_is_shown_as_it_comes() {
    run(async {
        let (server, at) = server().await;
        let mut rules = Config::default();
        rules.dump = true;
        let mut bridge = Bridge::new("127.0.0.1:0", "u32be", &at, "u32be", rules).await;
        let (mut client, mut far) = connected(&bridge, &server).await;
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        reads(&mut far, b"GET / HTTP/1.1\r\n").await;
        client.write_all(b"more").await.unwrap();
        reads(&mut far, b"more").await;
        bridge.note().await;
        let error = bridge.note().await;
        assert!(error.contains("is the peer speaking HTTP?"), "{error}");
        assert_eq!([bridge.note().await, bridge.note().await], [r"1 c2s GET / HTTP/1.1\r\n", "1 c2s more"]);
    });
}

// ---- when a run ends ----

#[test]
fn a_run_ends_as_its_rules_say() {
    run(async {
        let (server, at) = server().await;
        let mut rules = Config::default();
        rules.once = true;
        let bridge = Bridge::new("127.0.0.1:0", "raw", &at, "raw", rules).await;
        drop(connected(&bridge, &server).await);
        assert!(matches!(bridge.run.await.unwrap(), Outcome::Ended));

        let mut rules = Config::default();
        rules.idle = Some(Duration::from_millis(300));
        let bridge = Bridge::new("127.0.0.1:0", "raw", &at, "raw", rules).await;
        let (_client, _far) = connected(&bridge, &server).await;
        assert!(matches!(bridge.run.await.unwrap(), Outcome::Idle(_)));

        let mut rules = Config::default();
        rules.deadline = Some(Duration::from_millis(100));
        let bridge = Bridge::new("127.0.0.1:0", "raw", &at, "raw", rules).await;
        assert!(matches!(bridge.run.await.unwrap(), Outcome::Deadline(_)));
    });
}

#[test]
fn later_clients_wait_where_only_so_many_are_wanted() {
    run(async {
        let (server, at) = server().await;
        let mut rules = Config::default();
        rules.max_peers = Some(1);
        let mut bridge = Bridge::new("127.0.0.1:0", "raw", &at, "raw", rules).await;
        let (first, far) = connected(&bridge, &server).await;
        let _second = TcpStream::connect(bridge.at()).await.unwrap();
        assert_eq!(bridge.note().await, "1 opens");
        crate::suite::polls(50).await;
        assert!(bridge.diary.try_recv().is_err(), "the second was accepted");
        drop((first, far));
        assert_eq!([bridge.note().await, bridge.note().await], ["1 Ended 0 0", "2 opens"]);
    });
}

/// The same framing at both ends, or two with the same meaning, need no decoding.
#[test]
fn bytes_pass_where_both_ends_are_framed_alike() {
    let target = |client: Option<Framings>, server: Option<Framings>| Target {
        address: "mem:x".parse().unwrap(),
        options: Options::default(),
        client,
        server,
        faults: Faults::default(),
    };
    assert!(target(Some(framing("u32be")), Some(framing("u32be"))).passes_bytes());
    assert!(!target(Some(framing("u32be")), Some(framing("line"))).passes_bytes());
    assert!(!target(Some(framing("raw")), None).passes_bytes());
    let unlike = Framings { inbound: framing("line").inbound, outbound: framing("crlf").outbound };
    assert!(!target(Some(unlike.clone()), Some(unlike.clone())).passes_bytes());
    let mirrored = Framings { inbound: unlike.outbound.clone(), outbound: unlike.inbound.clone() };
    assert!(target(Some(unlike), Some(mirrored)).passes_bytes());
}

/// A peer that waits for the answer of a process is not idle. A peer that has the answer can be.
#[cfg(unix)]
#[test]
fn the_answer_of_a_process_is_waited_for() {
    run(async {
        for (client, server) in [("raw", "raw"), ("line", "crlf")] {
            let mut rules = Config::default();
            rules.peer_idle = Some(Duration::from_millis(100));
            let command = "exec:read line; sleep 0.5; printf 'answer\\r\\n'; read line";
            let mut bridge = Bridge::new("127.0.0.1:0", client, command, server, rules).await;
            let mut client = TcpStream::connect(bridge.at()).await.unwrap();
            client.write_all(b"question\r\n").await.unwrap();
            reads(&mut client, b"answer").await;
            assert_eq!(bridge.note().await, "1 opens");
            let note = bridge.note().await;
            assert!(note.starts_with("1 Idle(100ms)"), "{note}");
        }
    });
}
