//! Tests replays from a test's side: a mock server with and without a runtime, and a client.

use std::io::{Read, Write};
use std::net::TcpStream;

use unstick::service::replay::{Event, Mock, Outcome, Recorded, Replay};
use unstick::wire::Framing;
use unstick::wire::replay::Rules;
use unstick::{Address, Link};

/// A recording of one connection, in lines: `>request` and `<answer`.
fn recorded(messages: &[&str]) -> Recorded {
    let mut text = String::from(
        "{\"event\":\"recording\",\"version\":1,\"framing\":\"line\"}\n\
         {\"event\":\"open\",\"peer\":1,\"from\":\"a\",\"to\":\"b\",\"protocol\":\"tcp\",\"carries\":\"bytes\"}\n",
    );
    for message in messages {
        let (side, message) = message.split_at(1);
        let way = if side == ">" { "c2s" } else { "s2c" };
        text += &format!("{{\"event\":\"segment\",\"peer\":1,\"direction\":\"{way}\",\"text\":\"{message}\\n\"}}\n");
    }
    Recorded::read("test", Box::new(std::io::Cursor::new(text)), None, None).unwrap()
}

#[test]
fn a_mock_serves_a_test_without_a_runtime() {
    let mock = Mock::start(Replay::new(recorded(&[">hello", "<hi", ">bye"])), "127.0.0.1:0").unwrap();
    let address = mock.address().strip_prefix("tcp://").unwrap().to_owned();
    let mut client = TcpStream::connect(&address).unwrap();
    client.write_all(b"hello\n").unwrap();
    let mut answer = [0; 3];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hi\n");
    client.write_all(b"by\n").unwrap();
    assert!(client.read(&mut answer).is_err(), "it is reset");
    let outcome = mock.finish_blocking().unwrap();
    assert!(!outcome.is_same());
    let said = "1 of 1 connections differ, 2 messages compared\n\
                peer 1: message 3 (c2s) of connection 1 differs from byte 2 on: recorded \"e\", received \"\"";
    assert_eq!(outcome.to_string(), said);
    // What cannot listen is an error, not a server.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = Mock::start(Replay::new(recorded(&["<hi"])), &taken.local_addr().unwrap().to_string()).unwrap_err();
    assert!(error.to_string().contains("already in use"), "{error}");
}

#[tokio::test]
async fn a_mock_and_a_client_replay_the_same() {
    let messages = [">hello 1", "<hi 1", "<and more"];
    let mut rules = Rules::default();
    rules.copies.push("6:1:3".parse().unwrap());
    let mock = Mock::start(Replay::with_rules(recorded(&messages), rules), "127.0.0.1:0").unwrap();
    let address: Address = mock.address().parse().unwrap();
    let asked = |messages: &[&str]| Replay::new(recorded(messages));
    let outcome: Outcome = asked(&messages).ask(&address, |_: Event<'_>| Ok(())).await.unwrap();
    assert!(outcome.is_same(), "{outcome}");
    assert_eq!((outcome.connections, outcome.compared), (1, 2));
    let outcome = asked(&[">hello 2", "<hi 1", "<and more"]).ask(&address, |_| Ok(())).await.unwrap();
    assert_eq!(outcome.differences.len(), 1, "the id came back: {outcome}");
    let (sender, mut receiver) = Link::connect(mock.address(), Framing::parse("line").unwrap()).await.unwrap().split();
    sender.send(b"hello 7").await.unwrap();
    assert_eq!(receiver.recv().await.unwrap().as_deref(), Some(&b"hi 7"[..]));
    assert_eq!(receiver.recv().await.unwrap().as_deref(), Some(&b"and more"[..]));
    drop((sender, receiver));
    let outcome = mock.finish().await.unwrap();
    assert!(outcome.is_same(), "{outcome}");
    assert_eq!(outcome.connections, 3);
}

#[test]
fn many_clients_at_once_get_their_own_ids() {
    const CLIENTS: usize = 100;
    let mut rules = Rules::default();
    rules.copies.push("2:3:0".parse().unwrap());
    let recorded = recorded(&[">a 001", ">b 002", "<002 b", "<001 a", ">c 003", "<003 c"]);
    let mock = Mock::start(Replay::with_rules(recorded, rules), "127.0.0.1:0").unwrap();
    let address = mock.address().strip_prefix("tcp://").unwrap();
    let talks = |client: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        let ids = [0, 1, 2].map(|more| client * 3 + more);
        let mut turn = |request: String, answer: String| {
            stream.write_all(request.as_bytes()).unwrap();
            let mut heard = vec![0; answer.len()];
            stream.read_exact(&mut heard).unwrap();
            assert_eq!(String::from_utf8(heard).unwrap(), answer);
        };
        let [a, b, c] = ids;
        turn(format!("a {a:03}\nb {b:03}\n"), format!("{b:03} b\n{a:03} a\n"));
        turn(format!("c {c:03}\n"), format!("{c:03} c\n"));
    };
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || talks(client));
        }
    });
    let outcome = mock.finish_blocking().unwrap();
    assert!(outcome.is_same(), "{outcome}");
    assert_eq!((outcome.connections, outcome.compared), (CLIENTS, 6 * CLIENTS));
}

#[test]
fn bytes_that_are_no_frame_end_their_client_alone() {
    let text = "{\"event\":\"recording\",\"version\":1,\"framing\":\"redis\"}\n\
        {\"event\":\"open\",\"peer\":1,\"from\":\"a\",\"to\":\"b\",\"protocol\":\"tcp\",\"carries\":\"bytes\"}\n\
        {\"event\":\"segment\",\"peer\":1,\"direction\":\"c2s\",\"text\":\"*1\\r\\n$4\\r\\nPING\\r\\n\"}\n\
        {\"event\":\"segment\",\"peer\":1,\"direction\":\"s2c\",\"text\":\"+PONG\\r\\n\"}\n";
    let recorded = Recorded::read("test", Box::new(text.as_bytes()), None, None).unwrap();
    let mock = Mock::start(Replay::new(recorded), "127.0.0.1:0").unwrap();
    let address = mock.address().strip_prefix("tcp://").unwrap();
    let mut answer = [0; 7];
    let mut sound = TcpStream::connect(address).unwrap();
    let mut broken = TcpStream::connect(address).unwrap();
    broken.write_all(b"*-5\r\n$x\r\n").unwrap();
    assert!(!matches!(broken.read(&mut answer), Ok(1..)), "it gets nothing");
    sound.write_all(b"*1\r\n$4\r\nPING\r\n").unwrap();
    sound.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
    drop(sound);
    let outcome = mock.finish_blocking().unwrap();
    assert_eq!((outcome.connections, outcome.differing), (2, 1), "{outcome}");
    assert!(outcome.to_string().contains("peer 2: "), "{outcome}");
}

/// The lines of a recording of two connections.
const TWO: [&str; 8] = [
    "{\"event\":\"recording\",\"version\":1,\"framing\":\"line\"}",
    "{\"event\":\"open\",\"peer\":1,\"from\":\"a\",\"to\":\"b\",\"protocol\":\"tcp\",\"carries\":\"bytes\"}",
    "{\"event\":\"open\",\"peer\":2,\"from\":\"a\",\"to\":\"b\",\"protocol\":\"tcp\",\"carries\":\"bytes\"}",
    "{\"event\":\"segment\",\"peer\":1,\"direction\":\"c2s\",\"text\":\"one\\ntwo\\n\"}",
    "{\"event\":\"segment\",\"peer\":2,\"direction\":\"c2s\",\"base64\":\"b25lCg==\",\"bytes\":4}",
    "{\"event\":\"segment\",\"peer\":1,\"direction\":\"s2c\",\"text\":\"1\\n\"}",
    "{\"event\":\"end\",\"peer\":1,\"direction\":\"s2c\"}",
    "{\"event\":\"close\",\"peer\":1}",
];

fn read(text: &str) -> unstick::Result<Recorded> {
    Recorded::read("test", Box::new(std::io::Cursor::new(text.to_owned())), None, None)
}

#[test]
fn a_recording_that_is_cut_short_holds_what_came_before() {
    let text = TWO.join("\n") + "\n";
    let whole = read(&text).unwrap();
    assert_eq!(whole.scripts.iter().map(|script| script.steps.len()).collect::<Vec<_>>(), [3, 1]);
    for end in 0..text.len() {
        let Ok(cut) = read(&text[..end]) else {
            assert!(end <= TWO[0].len(), "without a first line nothing is known: {end}");
            continue;
        };
        assert_eq!(cut.cut_short.is_some(), !text[..end].ends_with('\n'), "{end}");
        for script in &cut.scripts {
            let other = whole.scripts.iter().find(|other| other.connection == script.connection).unwrap();
            assert!(other.steps.starts_with(&script.steps), "{end}");
        }
    }
}

#[test]
fn a_recording_that_lies_is_refused_or_left_out() {
    let with = |line: &str| read(&(TWO.join("\n") + "\n" + line + "\n"));
    for (line, why) in [
        ("{\"event\":\"segment\",\"peer\":1,\"direction\":\"c2s\",\"text\":\"x\",\"bytes\":9}", "line 9: `bytes` says"),
        ("{\"event\":\"segment\",\"peer\":1,\"direction\":\"up\",\"text\":\"x\"}", "line 9: `direction`"),
        ("{\"event\":\"segment\",\"peer\":-1,\"direction\":\"c2s\",\"text\":\"x\"}", "line 9: `peer` is not a number"),
        ("{\"event\":\"segment\",\"peer\":1,\"direction\":\"c2s\",\"base64\":\"?\"}", "line 9: base64: "),
        ("{\"event\":\"segment\",\"peer\":1,\"direction\":\"c2s\"}", "line 9: neither"),
        ("{\"event\":\"end\",\"peer\":1,\"direction\":\"c2s\",\"time\":\"soon\"}", "line 9: `time`"),
        ("[]", "line 9: it is not an object"),
        ("{", "line 9: it is not JSON"),
    ] {
        let error = with(line).unwrap_err().to_string();
        assert!(error.contains(why), "{line}: {error}");
    }
    // Nobody opened connection 3; 2 opens once more, and what it had said belongs to another connection.
    let stray = "{\"event\":\"segment\",\"peer\":3,\"direction\":\"c2s\",\"text\":\"x\\n\"}";
    assert_eq!(with(stray).unwrap().scripts.len(), 2);
    assert_eq!(with(TWO[2]).unwrap().scripts.len(), 1);
    let lost =
        with("{\"event\":\"lost\",\"peer\":1,\"direction\":\"c2s\",\"bytes\":18446744073709551615,\"events\":1}");
    let lost = lost.unwrap();
    assert_eq!((lost.scripts.len(), lost.left_out[0].connection), (1, 1));
    // Its first requests are in another file.
    let later = TWO.join("\n").replace("\"peer\":2,\"from\"", "\"peer\":2,\"continued\":true,\"from\"") + "\n";
    let later = read(&later).unwrap();
    assert_eq!((later.scripts.len(), later.left_out.len()), (1, 1));
    assert_eq!(&*later.left_out[0].why, "its beginning is in an earlier file");
    // A line without an end is not read into memory.
    let endless = std::io::Read::chain(&b"{\"event\":\"recording\""[..], std::io::repeat(b' '));
    let error = Recorded::read("test", Box::new(endless), None, None).unwrap_err();
    assert_eq!(error.to_string(), "test, line 1: it has over 64 MiB");
}
