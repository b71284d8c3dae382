//! Hostile peers of datagram listeners: forged sources, floods, more peers than there is room for.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use unstick::limits::{ANSWER_BURST, ANSWER_RATE, MAX_SESSIONS, NOTICE_PAUSE};

use crate::rig::{Arena, Process, netcat, temporary, trial, unstick, unstick_listen};

/// How long anything may take before a test fails.
const LIMIT: Duration = Duration::from_secs(20);

/// How long nothing must arrive before the test assumes that nothing will.
const SILENCE: Duration = Duration::from_millis(300);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("the loopback has a free port");
    socket.set_read_timeout(Some(LIMIT)).expect("a socket takes a time limit");
    socket
}

fn event(process: &mut Process) -> Value {
    serde_json::from_str(&process.line()).expect("an event")
}

/// The next event of this kind.
fn next(process: &mut Process, kind: &str) -> Value {
    loop {
        let event = event(process);
        if event["event"] == kind {
            return event;
        }
    }
}

/// A forged source makes two answering listeners answer each other. For each, the other is one peer.
#[test]
fn two_answerers_do_not_answer_each_other_for_ever() {
    for (one, other) in
        [(["--echo", "--json"], ["--echo", "--json"]), (["--reply=a", "--json"], ["--reply=b", "--json"])]
    {
        let (mut listener, port) = unstick_listen(&[&["udp://127.0.0.1:0"], &one[..]].concat());
        let (mut second, second_port) = unstick_listen(&[&["udp://127.0.0.1:0"], &other[..]].concat());
        let (near, far) = (socket(), socket());
        near.connect(("127.0.0.1", port)).expect("it listens");
        far.connect(("127.0.0.1", second_port)).expect("it listens");
        for socket in [&near, &far] {
            socket.set_read_timeout(Some(SILENCE)).expect("a socket takes a time limit");
        }
        near.send(b"forged").expect("the system sends a datagram");
        let (mut passed, mut bytes) = (0_u64, [0; 100]);
        let begun = Instant::now();
        let silent = loop {
            let Ok(count) = near.recv(&mut bytes) else { break &mut listener };
            far.send(&bytes[..count]).expect("the system sends a datagram");
            let Ok(count) = far.recv(&mut bytes) else { break &mut second };
            near.send(&bytes[..count]).expect("the system sends a datagram");
            passed += 1;
            let most = ANSWER_RATE * (ANSWER_BURST + begun.elapsed().as_secs() + 1);
            assert!(passed <= most, "{passed} answers in {:?}", begun.elapsed());
        };
        assert_eq!(next(silent, "unanswered")["messages"], 1, "after {passed} answers");
        // Another peer still gets answers.
        let good = socket();
        good.connect(("127.0.0.1", port)).expect("it listens");
        good.send(b"hello").expect("the system sends a datagram");
        good.recv(&mut bytes).expect("it is answered");
    }
}

#[test]
fn a_peer_that_asks_too_much_is_left_unanswered_and_that_is_reported() {
    let (mut listener, port) = unstick_listen(&["udp://127.0.0.1:0", "--echo", "--json", "--max-answers", "1"]);
    let peer = socket();
    peer.connect(("127.0.0.1", port)).expect("it listens");
    for _ in 0..ANSWER_BURST + 40 {
        peer.send(b"and now?").expect("the system sends a datagram");
    }
    let event = next(&mut listener, "unanswered");
    assert_eq!(event["peer"], 1);
    let mut unanswered = event["messages"].as_u64().expect("a number");
    assert!(unanswered >= 1, "{event}");
    while unanswered < 30 {
        unanswered += next(&mut listener, "unanswered")["messages"].as_u64().expect("a number");
    }

    let folder = temporary();
    let at = folder.path().join("it").display().to_string();
    let mut listener = unstick(&["listen", &format!("unix-dgram:{at}"), "--echo", "--max-answers", "1"]);
    listener.error_line_with("listening on ");
    let peer = std::os::unix::net::UnixDatagram::bind(folder.path().join("me")).expect("a socket");
    peer.connect(&at).expect("it listens");
    for _ in 0..ANSWER_BURST + 2 {
        peer.send(b"and now?").expect("the system sends a datagram");
    }
    listener.error_line_with(" left unanswered (--max-answers)");
}

/// Shares its socket with unstick. So it can send from the address that unstick listens on, as a forger would.
const TWIN: &str = "import os, socket, sys\n\
    family, address = sys.argv[1:3]\n\
    s = socket.socket(getattr(socket, family), socket.SOCK_DGRAM)\n\
    s.bind(address if family == 'AF_UNIX' else (address, 0))\n\
    own = s.getsockname()\n\
    print(own[1] if family == 'AF_INET' else own, flush=True)\n\
    if os.fork() != 0:\n\
    \x20   os.dup2(os.open('/dev/null', os.O_RDONLY), 0)\n\
    \x20   os.dup2(s.fileno(), 3) if s.fileno() != 3 else os.set_inheritable(3, True)\n\
    \x20   os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
    \x20   os.execvp(sys.argv[3], sys.argv[3:])\n\
    if not sys.stdin.readline(): sys.exit()\n\
    to = own if family == 'AF_UNIX' else ('127.0.0.1', own[1])\n\
    for _ in range(3): s.sendto(b'forged', to)";

#[test]
fn a_listener_never_answers_its_own_address() {
    let folder = temporary();
    let at = folder.path().join("it").display().to_string();
    let unix = format!("unix-dgram:{at}");
    for (family, bound, address) in [
        ("AF_INET", "127.0.0.1", "udp://127.0.0.1:0"),
        ("AF_INET", "0.0.0.0", "udp://0.0.0.0:0"),
        ("AF_UNIX", &*at, &*unix),
    ] {
        let program = ["-S", "-c", TWIN, family, bound, env!("CARGO_BIN_EXE_unstick"), "listen"];
        let mut twin = netcat("python3", &[&program[..], &[address, "--echo", "--json"]].concat());
        let port = twin.line();
        next(&mut twin, "listening");
        twin.feed("go\n");
        let event = event(&mut twin);
        assert_eq!((&event["event"], &event["why"]), (&"refused".into(), &"own address".into()), "{event}");
        let asked = if family == "AF_UNIX" { unix.clone() } else { format!("udp://127.0.0.1:{port}") };
        let mut good = unstick(&["ask", &asked, "hello"]);
        assert_eq!((good.line(), good.code()), ("hello".to_owned(), 0), "{address}");
    }
}

#[test]
fn a_socket_does_not_talk_to_itself() {
    let free = socket().local_addr().expect("a bound socket has an address").to_string();
    let mut client = unstick(&["connect", &format!("udp://{free}"), "--source", &free, "--echo"]);
    let errors = client.errors();
    assert!(errors.contains(&format!("nothing listens on udp://{free}")), "{errors}");
    assert_eq!(client.code(), 3);
}

#[test]
fn peers_that_find_no_room_are_reported() {
    let (mut listener, port) = unstick_listen(&["udp://127.0.0.1:0", "--echo", "--json", "--max-sessions", "1"]);
    let (good, others) = (socket(), [socket(), socket(), socket()]);
    let mut bytes = [0; 100];
    good.send_to(b"in", ("127.0.0.1", port)).expect("the system sends a datagram");
    good.recv(&mut bytes).expect("it is answered");
    let mut refused = 0;
    for other in &others {
        other.send_to(b"me too", ("127.0.0.1", port)).expect("the system sends a datagram");
    }
    while refused < 3 {
        let event = next(&mut listener, "refused");
        assert_eq!(event["why"], "sessions");
        refused += event["messages"].as_u64().expect("a number");
    }
    assert_eq!(refused, 3);
    // A flood of datagrams does not cause a flood of events: there is one a second.
    let begun = Instant::now();
    let mut events = 0;
    for other in &others {
        for _ in 0..50 {
            other.send_to(b"me too", ("127.0.0.1", port)).expect("the system sends a datagram");
        }
    }
    while refused < 3 + 150 {
        refused += next(&mut listener, "refused")["messages"].as_u64().expect("a number");
        events += 1;
    }
    assert!(events <= 2 + begun.elapsed().as_secs() / NOTICE_PAUSE.as_secs(), "{events} events");

    let (mut listener, port) = unstick_listen(&["udp://127.0.0.1:0", "--echo", "--max-sessions", "1"]);
    for number in 0..2 {
        let peer = socket();
        peer.send_to(b"hello", ("127.0.0.1", port)).expect("the system sends a datagram");
        if number == 0 {
            peer.recv(&mut bytes).expect("it is answered");
        }
    }
    listener.error_line_with("1 datagram was refused: 1 sessions are open (max_sessions)");
}

/// A stopped process reads nothing, so datagrams that do not fit its socket are lost.
#[test]
fn what_the_kernel_drops_is_lost_and_reported() {
    const SENT: u64 = 3000;
    let (mut listener, port) = unstick_listen(&["udp://127.0.0.1:0", "--json"]);
    let peer = socket();
    peer.connect(("127.0.0.1", port)).expect("it listens");
    flood(&peer, &mut listener, SENT, &Value::Null);

    let server = socket();
    let address = format!("udp://{}", server.local_addr().expect("a bound socket has an address"));
    let mut client = unstick(&["connect", &address, "--json"]);
    client.feed("{\"text\":\"hello\"}\n");
    let (_, from) = server.recv_from(&mut [0; 100]).expect("it comes");
    server.connect(from).expect("it is there");
    flood(&server, &mut client, SENT, &1.into());
}

/// Sends to a process that is stopped meanwhile. The datagrams that it reports as lost, and those that arrive, must add up.
fn flood(from: &UdpSocket, to: &mut Process, sent: u64, peer: &Value) {
    to.signal(Signal::STOP);
    for _ in 0..sent {
        from.send(&[b'x'; 1000]).expect("the system sends a datagram");
    }
    to.signal(Signal::CONT);
    let (mut arrived, mut lost) = (0, 0);
    while arrived + lost < sent {
        let event = event(to);
        match event["event"].as_str() {
            Some("message") => arrived += 1,
            Some("lost") => {
                assert_eq!(event["peer"], *peer, "{event}");
                lost += event["messages"].as_u64().expect("a number");
            }
            _ => {}
        }
    }
    assert!(arrived + lost == sent && lost > 0, "{arrived} arrived, {lost} were lost, of {sent}");
}

#[test]
fn without_waiting_a_datagram_that_found_nobody_is_an_error() {
    let nobody = socket();
    let own = nobody.local_addr().expect("a bound socket has an address");
    nobody.connect(own).expect("a socket can be connected to itself");
    let address = format!("udp://{own}");
    let refused = format!("unstick: nothing listens on {address}: connection refused\n");
    let mut client = unstick(&["connect", &address, "--no-wait"]);
    client.feed("hello\n");
    client.end_input();
    assert_eq!((client.code(), client.errors()), (3, refused.clone()));
    let mut client = unstick(&["connect", &address, "--no-wait", "--send", "hello"]);
    client.end_input();
    assert_eq!((client.code(), client.errors()), (3, refused));
    let mut client = unstick(&["connect", &address, "--no-wait", "--json"]);
    client.feed("{\"text\":\"hello\"}\n");
    client.end_input();
    assert_eq!(client.code(), 3, "{}", client.errors());

    // A Unix socket that exists when the client connects, and is gone when the client sends.
    let folder = temporary();
    let at = folder.path().join("it");
    let gone = std::os::unix::net::UnixDatagram::bind(&at).expect("a socket");
    let mut client = unstick(&["connect", &format!("unix-dgram:{}", at.display()), "--no-wait", "-v"]);
    client.error_line_with("datagrams go to ");
    drop(gone);
    // A process that another test starts at this moment may hold it briefly.
    let probe = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    while probe.connect(&at).is_ok() {
        std::thread::yield_now();
    }
    client.feed("hello\n");
    client.end_input();
    assert_ne!(client.code(), 0, "{}", client.errors());
}

/// How long a good peer waits for an answer before it asks again. While a flood fills the queue of the socket, the system drops
/// everybody's datagrams, and a UDP client has to expect that.
const ASKS_ANEW: Duration = Duration::from_millis(5);

/// A good peer that sends a datagram and expects it back.
fn says_datagrams(port: u16) -> Box<dyn FnMut(usize) + Send> {
    let peer = socket();
    peer.connect(("127.0.0.1", port)).expect("it listens");
    peer.set_read_timeout(Some(ASKS_ANEW)).expect("a socket takes a time limit");
    Box::new(move |number| {
        let (said, begun, mut heard) = (format!("good {number}"), Instant::now(), [0; 100]);
        loop {
            peer.send(said.as_bytes()).expect("the system sends a datagram");
            // A late answer belongs to an earlier question, which was asked again.
            while let Ok(count) = peer.recv(&mut heard) {
                if heard[..count] == *said.as_bytes() {
                    return;
                }
            }
            assert!(begun.elapsed() < LIMIT, "a good peer is answered");
        }
    })
}

#[test]
fn a_flood_of_datagrams_of_one_peer() {
    trial(&["udp://127.0.0.1:0", "--echo"]).with_good_peers(says_datagrams).meets_and(
        |arena| floods(arena, |peer| peer.send_to(&[b'x'; 100], ("127.0.0.1", arena.port)).map(drop)),
        |process, _| drop(process.error_line_with(" left unanswered (--max-answers)")),
    );
}

/// `MAX_SESSIONS`: each datagram comes from another source, as forged ones do, until there is no room for another session.
#[test]
fn a_flood_of_datagrams_that_each_open_a_session() {
    trial(&["udp://127.0.0.1:0", "--echo"]).with_good_peers(says_datagrams).meets_and(
        |arena| {
            let mut sources = (2..=250).cycle();
            floods(arena, |_| {
                let source = sources.next().expect("they come again");
                let forged = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, source), 0))?;
                forged.send_to(b"forged", ("127.0.0.1", arena.port)).map(drop)
            });
        },
        |process, _| {
            drop(process.error_line_with(&format!(" refused: {MAX_SESSIONS} sessions are open (max_sessions)")));
        },
    );
}

/// Datagrams of a burst. They fit the queue of a socket, so only the program can lose one.
const BURST: usize = 100;

/// Sends bursts, and reads the answers between them. The good peers are measured after this peer has asked for the answers of
/// some seconds.
fn floods(arena: &Arena, mut send: impl FnMut(&UdpSocket) -> std::io::Result<()>) {
    let peer = socket();
    peer.set_read_timeout(Some(Duration::from_millis(1))).expect("a socket takes a time limit");
    let mut sent = 0;
    while arena.goes_on() {
        for _ in 0..BURST {
            // A flood may fill the queue.
            let _ = send(&peer);
        }
        sent += BURST;
        if sent == 2 * MAX_SESSIONS {
            arena.begins();
        }
        while peer.recv(&mut [0; 100]).is_ok() {}
    }
}
