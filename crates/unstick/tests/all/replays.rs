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
