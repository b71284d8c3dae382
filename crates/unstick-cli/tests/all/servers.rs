//! Tests with real servers that each have their own framing: Redis, PostgreSQL, DNS over TCP.

use crate::rig::{Dns, Postgres, Redis, unstick};

#[test]
fn redis_answers_ping() {
    let redis = Redis::start();
    let mut client = unstick(&["ask", &at(redis.port), "-f", "crlf", "PING"]);
    assert_eq!(client.rest(), "+PONG\n");
    assert_eq!(client.code(), 0);
}

#[test]
fn redis_answers_several_commands_sent_at_once() {
    let redis = Redis::start();
    let commands = ["SET greeting hello", "GET greeting", "DEL greeting", "GET greeting"];
    let sends: Vec<&str> = commands.iter().flat_map(|command| ["--send", command]).collect();
    let address = at(redis.port);
    let mut client = unstick(&[&["connect", &*address, "-f", "crlf"], &sends[..]].concat());
    assert_eq!(client.rest(), "+OK\n$5\nhello\n:1\n$-1\n");
    assert_eq!(client.code(), 0);
}

#[test]
fn redis_is_spoken_to_line_by_line() {
    let redis = Redis::start();
    let mut client = unstick(&["connect", &at(redis.port), "-f", "crlf"]);
    for (command, replies) in [("SET n 41", &["+OK"][..]), ("INCR n", &[":42"]), ("GET n", &["$2", "42"])] {
        client.feed(format!("{command}\n"));
        for reply in replies {
            assert_eq!(client.line(), *reply);
        }
    }
    client.end_input();
    assert_eq!(client.code(), 0);
}

/// Every message of PostgreSQL is a type byte and a length that counts itself; the client's first has no type byte.
const POSTGRES_IN: &str = "length:off=1,width=4,adj=-4,header=keep";
const POSTGRES_OUT: &str = "length:off=0,width=4,adj=-4,header=keep/length:off=1,width=4,adj=-4,header=keep";

#[test]
fn postgres_answers_a_simple_query_after_its_start_up() {
    let postgres = Postgres::start();
    let start_up = postgres_message(None, b"\x00\x03\x00\x00user\0postgres\0\0");
    let query = postgres_message(Some(b'Q'), b"SELECT 6 * 7 AS answer\0");
    let terminate = postgres_message(Some(b'X'), b"");
    let address = at(postgres.port);
    let mut client = unstick(&[
        "connect",
        &address,
        "--frame-in",
        POSTGRES_IN,
        "--frame-out",
        POSTGRES_OUT,
        "--io",
        "hex",
        "--send-hex",
        &start_up,
        "--send-hex",
        &query,
        "--send-hex",
        &terminate,
    ]);
    let output = client.rest();
    assert_eq!(client.code(), 0, "{}", client.errors());
    let messages: Vec<&str> = output.lines().collect();
    assert_eq!(messages[0], postgres_message(Some(b'R'), &[0; 4]), "authentication is not asked for");
    let row = postgres_message(Some(b'D'), b"\x00\x01\x00\x00\x00\x0242");
    assert!(messages.contains(&&*row), "the answer is 42: {messages:#?}");
    assert_eq!(messages.last(), Some(&&*postgres_message(Some(b'Z'), b"I")), "ready for the next");
    for message in messages {
        let length = usize::from_str_radix(&message[2..10], 16).unwrap();
        assert_eq!(message.len(), 2 * (1 + length), "whole: {message}");
    }
}

#[test]
fn a_postgres_message_with_a_wrong_length_is_refused_before_it_is_sent() {
    let postgres = Postgres::start();
    let mut client = unstick(&[
        "connect",
        &at(postgres.port),
        "--frame-in",
        POSTGRES_IN,
        "--frame-out",
        POSTGRES_OUT,
        "--io",
        "hex",
        "--send-hex",
        "000000ff00030000",
    ]);
    assert_ne!(client.code(), 0);
    assert_eq!(client.rest(), "", "the server got nothing");
    let errors = client.errors();
    assert!(errors.contains("length"), "the error says what is wrong: {errors}");
}

#[test]
fn dns_over_tcp_answers_each_query() {
    let dns = Dns::start();
    let queries = [dns_query(0x1234, "example"), dns_query(0x5678, "nowhere")];
    let mut client = unstick(&[
        "connect",
        &at(dns.port),
        "-f",
        "u16be",
        "--io",
        "hex",
        "--count",
        "2",
        "--send-hex",
        &queries[0],
        "--send-hex",
        &queries[1],
    ]);
    let (found, unknown) = (client.line(), client.line());
    assert!(found.starts_with("1234"), "the answer to the first query: {found}");
    assert!(found.ends_with("c0000207"), "192.0.2.7: {found}");
    assert!(unknown.starts_with("5678"), "the answer to the second query: {unknown}");
    assert_eq!(client.code(), 0);
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A PostgreSQL message in hex: a type unless it is the first, a length that counts itself, the rest.
fn postgres_message(kind: Option<u8>, body: &[u8]) -> String {
    let length = u32::try_from(body.len() + 4).expect("a short message").to_be_bytes();
    let bytes: Vec<u8> = kind.into_iter().chain(length).chain(body.iter().copied()).collect();
    hex(&bytes)
}

/// A question for the IPv4 address of `LABEL.test`, in hex.
fn dns_query(id: u16, label: &str) -> String {
    let mut query = id.to_be_bytes().to_vec();
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]); // recursion desired, one question
    query.push(u8::try_from(label.len()).expect("a short label"));
    query.extend(label.bytes());
    query.extend(b"\x04test\x00\x00\x01\x00\x01"); // type A, class IN
    hex(&query)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
