//! Tests `--to`: bridges between real peers, what they show, and how they end.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::io::Write;

use rustix::process::Signal;

use crate::rig::{
    Peer, Process, Redis, Terminal, Vacancy, listener, netcat, netcat_server, port_at_end, socat_server, temporary,
    unstick, unstick_listen,
};

/// A bridge to this port, and the port that it listens on.
fn bridge(to: u16, more: &[&str]) -> (Process, u16) {
    let to = format!("127.0.0.1:{to}");
    let mut process = unstick(&[&["listen", "127.0.0.1:0", "--to", &to], more].concat());
    let line = process.error_line_with("listening on ");
    let port = port_at_end(line.split(" for ").next().unwrap()).unwrap_or_else(|| panic!("no port in {line:?}"));
    (process, port)
}

// ---- real peers ----

#[test]
fn netcats_talk_through_a_bridge() {
    for (client, arguments) in [("nc.openbsd", &["-N", "127.0.0.1"][..]), ("ncat", &["127.0.0.1"][..])] {
        let (mut server, to) = netcat_server(&["-N"]);
        let (mut bridge, port) = bridge(to, &["--once"]);
        let mut client = netcat(client, &[arguments, &[&port.to_string()]].concat());
        client.feed("to the server\n");
        assert_eq!(server.line(), "to the server");
        server.feed("to the client\n");
        assert_eq!(client.line(), "to the client");
        client.end_input();
        server.end_input();
        assert_eq!((client.rest(), server.rest()), (String::new(), String::new()));
        assert_eq!((bridge.code(), bridge.rest()), (0, String::new()));
    }
}

#[test]
fn much_goes_through_a_bridge_and_back() {
    let (_socat, to) = socat_server("TCP-LISTEN", "EXEC:cat");
    let (_bridge, port) = bridge(to, &[]);
    let mut client = netcat("nc.openbsd", &["-N", "127.0.0.1", &port.to_string()]);
    let sent: String = (0..1_000_000).map(|number| format!("{number:015}\n")).collect();
    client.feed(&sent);
    client.end_input();
    assert!(client.rest() == sent);
}

#[test]
fn redis_is_reached_through_a_socket_of_this_machine() {
    let redis = Redis::start();
    let folder = temporary();
    let address = format!("unix:{}", folder.path().join("redis").display());
    let mut bridge = unstick(&["listen", &address, "--to", &format!("127.0.0.1:{}", redis.port)]);
    bridge.error_line_with("listening on ");
    for _ in 0..2 {
        let mut asked = unstick(&["ask", "-f", "crlf", &address, "PING"]);
        assert_eq!((asked.line(), asked.code()), ("+PONG".to_owned(), 0));
    }
}

#[test]
fn datagrams_become_lines_of_a_stream_and_back() {
    let (mut server, to) = netcat_server(&["-N"]);
    let to = format!("127.0.0.1:{to}");
    let mut bridge = unstick(&["listen", "udp://127.0.0.1:0", "--to", &to, "-f", "line"]);
    let line = bridge.error_line_with("listening on ");
    let port = port_at_end(line.split(" for ").next().unwrap()).unwrap().to_string();
    let mut client = netcat("nc.openbsd", &["-u", "127.0.0.1", &port]);
    client.feed("one"); // A datagram, with no LF at its end.
    assert_eq!(server.line(), "one");
    server.feed("an answer\n");
    server.feed("another\n");
    server.end_input();
    client.signal(Signal::TERM);
    let heard = client.rest();
    assert!("an answeranother".starts_with(&heard), "{heard:?}");
}

#[test]
fn standard_streams_are_bridged_to_an_address() {
    let (mut server, to) = netcat_server(&["-N"]);
    let mut bridge = unstick(&["connect", "-", "--to", &format!("127.0.0.1:{to}"), "--dump"]);
    bridge.feed("to the server\n");
    assert_eq!(server.line(), "to the server");
    server.feed("and back\n");
    assert_eq!(bridge.line(), "and back");
    server.end_input();
    bridge.end_input();
    assert_eq!((bridge.code(), bridge.rest(), server.rest()), (0, String::new(), String::new()));
    assert!(bridge.errors().contains(r"c2s 14 bytes: to the server\n"), "the dump goes to standard error");
}

#[test]
fn two_servers_are_connected_to_each_other() {
    let ((mut one, first), (mut two, second)) = (netcat_server(&["-N"]), netcat_server(&["-N"]));
    let mut bridge = unstick(&["connect", &format!("127.0.0.1:{first}"), "--to", &format!("127.0.0.1:{second}")]);
    one.feed("hello\n");
    assert_eq!(two.line(), "hello");
    two.feed("hello yourself\n");
    assert_eq!(one.line(), "hello yourself");
    one.end_input();
    two.end_input();
    assert_eq!(bridge.code(), 0);
}

/// `--to` names the server, whatever the verb. Each side of the bridge then uses the right side of a preset.
#[test]
fn whoever_stands_at_the_first_address_speaks_as_the_client() {
    let (server, address) = listener();
    let talk = |mut bridge: Process| {
        let mut far = Peer::accept(&server);
        far.hears("PING\r\n");
        far.says("+PONG\r\n");
        drop(far);
        let shown = [bridge.line(), bridge.line()].map(|line| line.split_once(' ').unwrap().1.trim_end().to_owned());
        assert_eq!(shown, ["1 c2s 4 bytes: PING", "1 s2c 5 bytes: +PONG"], "{}", bridge.errors());
    };
    // Bytes as they are, and messages in new frames.
    for framing in [&["-f", "redis"][..], &["-f", "redis", "--to-frame", "redis", "--fault", "delay=1ms"]] {
        let command = r"exec:printf 'PING\r\n'; read answer";
        talk(unstick(&[&["connect", command, "--to", &address, "--dump"], framing].concat()));
        let (bridge, port) = bridge(port_at_end(&address).unwrap(), &[&["--dump", "--once"], framing].concat());
        let mut client = Peer::connect(port);
        client.says("PING\r\n");
        talk(bridge);
    }
}

// ---- ends ----

#[test]
fn a_target_that_is_not_there_is_told_and_the_bridge_goes_on() {
    let vacancy = Vacancy::new();
    let to = port_at_end(&vacancy.address).unwrap();
    let (mut process, port) = bridge(to, &[]);
    Peer::connect(port).is_dropped();
    let line = process.error_line_with("cannot connect");
    let wanted = format!("unstick: peer 1: cannot connect to tcp://127.0.0.1:{to}: connection refused");
    assert_eq!(line.trim_end(), wanted);
    let listener = vacancy.listens(5);
    let mut client = Peer::connect(port);
    client.says("now?");
    Peer::accept(&listener).hears("now?");

    let nowhere = Vacancy::new();
    let (mut process, port) = bridge(port_at_end(&nowhere.address).unwrap(), &["--once"]);
    Peer::connect(port).is_dropped();
    assert_eq!(process.code(), 3, "the only client's error is the run's");
}

#[test]
fn a_server_that_goes_on_speaking_is_not_listened_to_for_ever_once_its_client_is_gone() {
    // For example, a web page that shows logs has started a process, and its reader closes the page.
    let feed = "exec:while sleep 0.1; do echo tick; done";
    let mut process = unstick(&["listen", "ws://127.0.0.1:0", "--to", feed, "-f", "line", "--once"]);
    let line = process.error_line_with("listening on ");
    let address = line.split(" on ").nth(1).unwrap().split(" for ").next().unwrap().to_owned();
    let mut page = unstick(&["connect", &address, "--count", "1"]);
    assert_eq!((page.line(), page.code()), ("tick".to_owned(), 0));
    // A server that goes on sending, and a process that has sent everything. Both cases last as long as limits::DRAIN_TIMEOUT.
    let (server, address) = listener();
    let mut bridge = unstick(&["connect", "exec:echo hello", "--to", &address]);
    let mut far = Peer::accept(&server);
    far.hears("hello\n");
    let mut says = far.stream().try_clone().unwrap();
    std::thread::spawn(move || while says.write_all(&[b'.'; 4096]).is_ok() {});
    assert_eq!(bridge.code(), 0, "{}", bridge.errors());
    assert_eq!(process.code(), 0, "{}", process.errors());
}

#[test]
fn resets_and_half_closes_pass() {
    let (server, address) = listener();
    let (mut process, port) = bridge(port_at_end(&address).unwrap(), &[]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("all I have to say");
    client.half_closes();
    assert_eq!(far.hears_all(), b"all I have to say");
    far.says("an answer");
    client.hears("an answer");
    far.resets();
    client.is_dropped();
    let line = process.error_line_with("peer 1, the server: ");
    assert_eq!(line.trim_end(), "unstick: peer 1, the server: receiving: connection reset by peer");
}

#[test]
fn a_run_ends_when_it_was_told_to() {
    let (_server, address) = listener();
    let to = port_at_end(&address).unwrap();
    let (mut process, port) = bridge(to, &["--idle", "200ms"]);
    let _client = Peer::connect(port);
    assert_eq!((process.code(), process.rest()), (4, String::new()));
    assert!(process.errors().ends_with("unstick: nothing passed for 200ms (--idle)\n"));
    let (mut process, _) = bridge(to, &["--deadline", "100ms"]);
    assert_eq!(process.code(), 4);
    let (process, _) = bridge(to, &[]);
    process.signal(Signal::TERM);
}

/// The deadline of a frame holds although the bytes could pass as they are, and the bytes come out unchanged.
#[test]
fn a_frame_has_its_time_on_a_bridge_too() {
    let (server, address) = listener();
    let (mut process, port) =
        bridge(port_at_end(&address).unwrap(), &["-f", "line", "--frame-timeout", "200ms", "--once"]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("whole\r\n and\nhalf");
    far.hears("whole\r\n and\n");
    assert_eq!(process.code(), 4);
    let errors = process.errors();
    assert!(errors.contains("the client: ") && errors.contains("200ms"), "{errors}");
    far.is_dropped();
    client.is_dropped();
}

/// They apply to whichever end uses UDP.
#[test]
fn options_of_udp_reach_a_target() {
    let more = ["--ttl", "3", "--broadcast", "--max-sessions", "5", "--deadline", "10ms"];
    for ends in [["127.0.0.1:0", "udp://127.0.0.1:9"], ["udp://127.0.0.1:0", "127.0.0.1:9"]] {
        let mut process = unstick(&[&["listen", ends[0], "--to", ends[1], "-f", "line"], &more[..]].concat());
        assert_eq!(process.code(), 4, "{}", process.errors());
    }
}

// ---- what is shown ----

#[test]
fn joins_leaves_and_counts_are_told_where_asked() {
    let (server, address) = listener();
    let (mut process, port) = bridge(port_at_end(&address).unwrap(), &["-v"]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("12345");
    far.hears("12345");
    let joined = process.error_line_with("joined");
    assert!(
        joined.contains("peer 1 joined: 127.0.0.1:") && joined.trim_end().ends_with(&format!("connected to {address}"))
    );
    drop((client, far));
    let left = process.error_line_with("left");
    assert!(left.trim_end().ends_with("(5 bytes to the server, 0 bytes back)"), "{left}");
}

#[test]
fn what_passes_is_shown_as_segments_as_messages_and_as_bytes() {
    let (server, address) = listener();
    let to = port_at_end(&address).unwrap();
    let shown = |more: &[&str], says: &[u8], rows: &[&str]| {
        let (mut process, port) = bridge(to, &[&["--dump"], more].concat());
        let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
        client.says(says);
        far.hears(says);
        for row in rows {
            let line = process.line();
            // In front of a message stands the time: 12:31:02.120
            let line = if line.starts_with("    ") { &line } else { line.split_once(' ').unwrap().1 };
            assert_eq!(line.trim_end(), *row, "{more:?}");
        }
    };
    shown(&[], b"one\ntwo\n\x1b[2J", &[r"1 c2s 12 bytes: one\ntwo\n\x1b[2J"]);
    shown(&["-f", "line"], b"one\ntwo\n", &["1 c2s 3 bytes: one", "1 c2s 3 bytes: two"]);
    shown(&["-f", "u8"], b"\x01a\x00", &["1 c2s 1 byte: a", "1 c2s 0 bytes"]);
    let dump = "    0000  00 01 ff                                          ...";
    shown(&[], b"\x00\x01\xff", &["1 c2s 3 bytes", dump]);
    shown(&["--hex"], b"a", &["1 c2s 1 byte", "    0000  61                                                a"]);
    let wire = "    0000  02 68 69                                          .hi";
    // Once as bytes, and once message by message.
    for more in [&["-f", "u8", "--wire"][..], &["-f", "u8", "--wire", "--frame-timeout", "9s"]] {
        shown(more, b"\x02hi", &["1 c2s 3 bytes: header 1, payload 2", wire]);
    }
    shown(&["--wire"], b"hi", &["1 c2s 2 bytes", "    0000  68 69                                             hi"]);
}

#[test]
fn a_script_sees_what_passes() {
    let (server, address) = listener();
    let (mut process, port) = bridge(port_at_end(&address).unwrap(), &["--json", "--dump", "-f", "line", "--once"]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("hi\n");
    far.hears("hi\n");
    far.says(b"\xff\n");
    client.hears(b"\xff\n");
    drop((client, far));
    let lines: Vec<serde_json::Value> =
        process.rest().lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().expect("an event has a name")).collect();
    assert_eq!(events, ["listening", "open", "message", "message", "close"]);
    assert_eq!(lines[0]["version"], 1);
    assert_eq!((&lines[1]["peer"], &lines[1]["to"]), (&1.into(), &address.clone().into()));
    assert_eq!(
        (&lines[2]["direction"], &lines[2]["text"], &lines[2]["bytes"]),
        (&"c2s".into(), &"hi".into(), &2.into())
    );
    assert_eq!((&lines[3]["direction"], &lines[3]["base64"]), (&"s2c".into(), &"/w==".into()));
    assert_eq!(
        (&lines[4]["reason"], &lines[4]["c2s"], &lines[4]["unit"]),
        (&"ended".into(), &3.into(), &"bytes".into())
    );
}

#[test]
fn a_script_is_told_that_a_bridge_has_not_begun() {
    let (_server, address) = listener();
    let mut process = unstick(&["listen", &address, "--to", &address, "--json"]);
    let event: serde_json::Value = serde_json::from_str(&process.line()).expect("a line is JSON");
    assert_eq!(event["event"], "error");
    assert!(event["error"].as_str().expect("a sentence").starts_with("cannot listen on tcp://"), "{event}");
    assert_eq!(process.code(), 3);
}

#[test]
fn messages_made_of_reads_are_said_to_be_so() {
    let (_server, address) = listener();
    let (process, _) = unstick_listen(&["127.0.0.1:0", "--to", &address, "--to-frame", "u32be"]);
    drop(process);
    let mut process = unstick(&["listen", "127.0.0.1:0", "--to", &address, "--to-frame", "u32be", "--deadline", "1ms"]);
    let errors = process.errors();
    assert!(errors.contains("has no framing: each read of it becomes a message, wherever it was cut"), "{errors}");
}

#[test]
fn an_echo_through_a_bridge_of_unlike_framings() {
    let (server, address) = listener();
    let mut process = unstick(&["listen", "127.0.0.1:0", "-f", "line", "--to", &address, "--to-frame", "u16be"]);
    let line = process.error_line_with("listening on ");
    let port = port_at_end(line.split(" for ").next().unwrap()).unwrap();
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("hello\n");
    far.hears(b"\0\x05hello");
    far.says(b"\0\x03yes");
    client.hears("yes\n");
}

// ---- lost messages, and the order of what is shown ----

/// Passing data goes to standard output, and notices of clients that leave go to standard error: here both go into one file, as
/// on one screen.
#[test]
fn a_peer_leaves_after_its_last_data() {
    let (server, address) = listener();
    for _ in 0..8 {
        let folder = temporary();
        let shown = folder.path().join("shown");
        let program = env!("CARGO_BIN_EXE_unstick");
        let mut shell = std::process::Command::new("sh");
        let run = format!("exec {program} listen 127.0.0.1:0 --to {address} --dump -v --once");
        let script = format!("{run} >> {0} 2>> {0}", shown.display());
        let mut child = shell.args(["-c", &script]).stdin(std::process::Stdio::null()).spawn().unwrap();
        let read = || std::fs::read_to_string(&shown).unwrap_or_default();
        let begun = std::time::Instant::now();
        let port = loop {
            if let Some(port) = read().lines().next().and_then(|line| port_at_end(line.split(" for ").next()?)) {
                break port;
            }
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{}", read());
            std::thread::yield_now();
        };
        let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
        for _ in 0..100 {
            far.says("much is said here\n");
        }
        far.says("the last words");
        drop(far);
        client.half_closes();
        client.hears_all();
        child.wait().unwrap();
        let shown = read();
        let (last, left) = (shown.rfind("the last words").unwrap(), shown.find(" left").unwrap());
        assert!(last < left, "{shown}");
    }
}

#[test]
fn a_message_that_a_reset_cuts_off_is_shown_with_its_bytes() {
    let (server, address) = listener();
    let to = port_at_end(&address).unwrap();
    let wanted = r#"5 bytes of an unfinished message had arrived: "cut o""#;
    for more in [&["--dump"][..], &["--fault", "delay=1ms"], &["--to-frame", "crlf"]] {
        let cut_off = |json: &[&str]| {
            let (process, port) = bridge(to, &[&["-f", "line", "--once"], more, json].concat());
            let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
            far.says("whole\r\ncut o");
            client.hears("whole");
            far.resets();
            (process, client)
        };
        let (mut process, _client) = cut_off(&[]);
        let errors = process.errors();
        assert!(errors.contains(wanted), "{more:?}: {errors}");
        let (mut process, _client) = cut_off(&["--json"]);
        let lines = process.rest();
        let close: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).expect("each line is JSON");
        assert_eq!(close["unfinished"], serde_json::json!({ "bytes": 5, "text": "cut o" }), "{more:?}: {close}");
    }
    // Without a bridge: of an unfinished message, only the beginning is kept.
    let mut process = unstick(&["connect", &address, "-f", "line", "--no-wait", "--json"]);
    let mut far = Peer::accept(&server);
    far.says(["whole\n", &"x".repeat(1000)].concat().as_bytes());
    while !process.line().contains("whole") {}
    far.resets();
    let line = std::iter::repeat_with(|| process.line()).find(|line| line.contains("\"close\"")).unwrap();
    let close: serde_json::Value = serde_json::from_str(&line).expect("each line is JSON");
    let shown = "x".repeat(unstick::limits::UNFINISHED_SHOWN);
    assert_eq!(close["unfinished"], serde_json::json!({ "bytes": 1000, "text": shown }), "{close}");
}

/// On a terminal the notice that a client has joined comes before its first message: two threads wrote them, and a busy
/// machine let the second go first.
#[test]
fn on_a_terminal_a_dump_begins_behind_the_notice_of_its_client() {
    let (server, address) = listener();
    let terminal = Terminal::unstick(&["listen", "127.0.0.1:0", "--to", &address, "--dump", "-f", "line"], 200);
    let screen = terminal.shows(" for tcp://");
    let listening = screen.lines().find(|line| line.contains("listening on")).unwrap();
    let port = port_at_end(listening.split(" for ").next().unwrap()).unwrap();
    let mut clients = Vec::new();
    for number in 1..=100 {
        let mut client = Peer::connect(port);
        client.says(format!("this is client {number}\n"));
        Peer::accept(&server).hears(format!("this is client {number}\n"));
        clients.push(client);
    }
    let written = terminal.written_up_to("this is client 100\r\n");
    for number in 1..=100 {
        let notice = written.find(&format!("peer {number} joined")).unwrap();
        let message = written.find(&format!("this is client {number}\r\n")).unwrap();
        assert!(notice < message, "{written}");
    }
}
