//! Tests that an answer to HEAD has no body, whatever it announces: bridges, clients and servers see the request and
//! know that.

use serde_json::{Value, json};

use crate::rig::{Nginx, Peer, listener, unstick, unstick_listen};

const HEAD: &str = "HEAD /page.txt HTTP/1.1\r\nHost: a\r\n\r\n";
const GET: &str = "GET /page.txt HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &str = "HEAD /page.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// A bridge that passes bytes, one that passes messages because an option needs them, and one that frames each end separately.
const BRIDGES: [&[&str]; 4] = [
    &["-f", "http"],
    &["-f", "http", "--frame-timeout", "1m"],
    &["-f", "http", "--to-frame", "http,max=1M"],
    &["-f", "http", "--fault", "c2s:delay=1ms"],
];

#[test]
fn a_bridge_passes_on_and_shows_answers_to_head_of_a_real_server() {
    let nginx = Nginx::start();
    let to = format!("127.0.0.1:{}", nginx.port);
    for bridge in BRIDGES {
        let (mut bridge, port) =
            unstick_listen(&[&["127.0.0.1:0", "--to", &to, "--dump", "--json", "--once"], bridge].concat());
        let mut client = Peer::connect(port);
        client.says([HEAD, GET, HEAD, HEAD, GET, LAST].concat());
        let heard = String::from_utf8(client.hears_all()).expect("text");
        drop(client);
        assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 6, "{heard}");
        let shown = bridge.rest();
        let events: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let answers: Vec<&str> = events
            .iter()
            .filter(|event| event["event"] == "message" && event["direction"] == "s2c")
            .map(|event| event["text"].as_str().expect("text"))
            .collect();
        assert_eq!(answers.concat(), heard, "{shown}");
        let bodies: Vec<bool> = answers.iter().map(|answer| !answer.ends_with("\r\n\r\n")).collect();
        assert_eq!(bodies, [false, true, false, false, true, false], "{shown}");
        assert!(!events.iter().any(|event| event["event"] == "error"), "{shown}");
        assert_eq!(bridge.code(), 0);
    }
}

#[test]
fn an_answer_to_head_arrives_at_once_and_before_its_connection_ends() {
    let (server, address) = listener();
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    for bridge in BRIDGES {
        let (_bridge, port) = unstick_listen(&[&["127.0.0.1:0", "--to", &address, "--dump"], bridge].concat());
        let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
        for _ in 0..2 {
            client.says(HEAD);
            far.hears(HEAD);
            far.says("HTTP/1.1 103 Early Hints\r\n\r\n");
            far.says(answer);
            client.hears("HTTP/1.1 103 Early Hints\r\n\r\n");
            client.hears(answer);
        }
        client.says(GET);
        far.hears(GET);
        far.says([answer, "hello"].concat());
        client.hears([answer, "hello"].concat());
    }
}

#[test]
fn what_becomes_a_tunnel_passes_as_it_is() {
    let (server, address) = listener();
    for (request, answer) in [
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
        (
            "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ),
    ] {
        let (mut bridge, port) = unstick_listen(&["127.0.0.1:0", "--to", &address, "--dump", "--once", "-f", "http"]);
        let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
        client.says(request);
        far.hears(request);
        far.says(answer);
        client.hears(answer);
        let shown = bridge.line() + &bridge.line();
        assert!(shown.contains(answer.lines().next().expect("a line")), "shown before anything follows: {shown}");
        client.says(b"\x16\x03\x01");
        far.hears(b"\x16\x03\x01");
        far.says(b"\x82\x01x");
        client.hears(b"\x82\x01x");
    }
}

#[test]
fn questions_to_a_real_server_are_answered_without_a_body() {
    let nginx = Nginx::start();
    let to = format!("127.0.0.1:{}", nginx.port);
    let mut asked = unstick(&["ask", "-f", "http", &to, HEAD]);
    let answer = asked.rest();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("Content-Length: "), "{answer}");
    assert_eq!(asked.code(), 0, "{}", asked.errors());
    let sends = ["--send", HEAD, "--send", GET, "--send", HEAD, "--count", "3", "--json"];
    let mut talk = unstick(&[&["connect", "-f", "http", &to], &sends[..]].concat());
    let lines = talk.rest();
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let bodies: Vec<bool> = events
        .filter(|event| event["event"] == "message")
        .map(|event| !event["text"].as_str().expect("text").ends_with("\r\n\r\n"))
        .collect();
    assert_eq!(bodies, [false, true, false], "{lines}");
    assert_eq!(talk.code(), 0, "{}", talk.errors());
}

#[test]
fn a_server_answers_head_with_a_head() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let (mut server, port) = unstick_listen(&["127.0.0.1:0", "-f", "http", "--json", "--once"]);
    let mut client = Peer::connect(port);
    for (request, body) in [(HEAD, ""), (GET, "hello"), (HEAD, ""), (HEAD, "hello")] {
        client.says(request);
        while !server.line().contains("\"message\"") {}
        let text = [answer, body].concat();
        let told = json!({ "to": 1, "text": text });
        server.feed(format!("{told}\n"));
        client.hears([answer, body].concat());
    }
    client.says(GET);
    while !server.line().contains("\"message\"") {}
    server.feed(format!("{}\n", json!({ "to": 1, "text": answer, "id": 7 })));
    let refused = server.line();
    assert!(refused.contains("announces 43 bytes in all") && refused.contains("7"), "{refused}");
}
