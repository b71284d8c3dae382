//! Tests every script of `examples/python`: plain Python socket scripts at the other end, as client and as server.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::Value;

use crate::rig::{Process, python, python_server, unstick, unstick_listen};

/// How often what depends on how the system cuts a stream is tried.
const RUNS: usize = 100;

// ---- 1: one message over TCP ----

#[test]
fn a_script_sends_one_message_and_closes() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--count", "1"]);
    let mut script = python("tcp_send.py", port, &[]);
    assert_eq!(listener.line(), "Grüße aus Python");
    assert_eq!(listener.code(), 0);
    assert_eq!(script.code(), 0);
}

#[test]
fn a_script_sends_one_message_into_a_raw_pipe() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0"]);
    let _script = python("tcp_send.py", port, &["naïve ✓"]);
    listener.end_input();
    assert_eq!(listener.rest(), "naïve ✓", "nothing added, nothing lost");
    assert_eq!(listener.code(), 0);
}

#[test]
fn a_script_receives_one_message() {
    let (mut script, port) = python_server("tcp_receive.py");
    let mut client = unstick(&["connect", &address(port), "-f", "raw", "--send", "Grüße"]);
    assert_eq!(script.rest(), "received: Grüße\n");
    assert_eq!(client.code(), 0);
    assert_eq!(client.rest(), "");
}

#[test]
fn a_script_receives_one_message_from_a_pipe() {
    let (mut script, port) = python_server("tcp_receive.py");
    let mut client = unstick(&["connect", &address(port)]);
    client.feed("aus dem Rohr ✓");
    client.end_input();
    assert_eq!(script.rest(), "received: aus dem Rohr ✓\n");
    assert_eq!(client.code(), 0);
}

// ---- 2: a chat over TCP, in turns ----

#[test]
fn a_chat_that_the_script_ends_and_the_listener_takes_the_next_client() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "raw", "--until", "q"]);
    for (name, end) in [("first", "q"), ("second", "Q")] {
        let mut script = python("tcp_chat_client.py", port, &[]);
        script.feed(format!("I am the {name}\n"));
        assert_eq!(listener.line(), format!("I am the {name}"));
        listener.feed(format!("welcome, {name}\n"));
        script.expect(&format!("server: welcome, {name}\n"));
        script.feed(format!("{end}\n"));
        assert_eq!(listener.line(), end);
        assert_eq!(script.code(), 0);
    }
    listener.signal(Signal::TERM);
    assert_eq!(listener.code(), 143, "it served on until it was told to stop");
}

#[test]
fn a_chat_that_the_listener_ends_and_then_takes_the_next_client() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "raw", "--until", "q"]);
    for end in ["q", "Q"] {
        let mut script = python("tcp_chat_client.py", port, &[]);
        script.feed("hello\n");
        assert_eq!(listener.line(), "hello");
        listener.feed(format!("{end}\n"));
        script.expect(&format!("server: {end}\n"));
        assert_eq!(script.code(), 0);
    }
}

#[test]
fn a_chat_with_a_script_that_listens_for_one_client_after_the_other() {
    let (mut script, port) = python_server("tcp_chat_server.py");
    for (name, end) in [("one", "q"), ("two", "Q")] {
        let mut client = unstick(&["connect", &address(port), "-f", "raw", "--until", "q"]);
        client.feed(format!("this is {name}\n"));
        script.expect(&format!("client: this is {name}\n"));
        script.feed(format!("hello, {name}\n"));
        assert_eq!(client.line(), format!("hello, {name}"));
        client.feed(format!("{end}\n"));
        script.expect(&format!("client: {end}\nthe client has gone\n"));
        assert_eq!(client.code(), 0, "ended as asked");
    }
}

#[test]
fn a_chat_that_the_listening_script_ends() {
    let (mut script, port) = python_server("tcp_chat_server.py");
    let mut client = unstick(&["connect", &address(port), "-f", "raw", "--until", "q"]);
    client.feed("anyone there?\n");
    script.expect("client: anyone there?\n");
    script.feed("Q\n");
    assert_eq!(client.line(), "Q");
    assert_eq!(client.code(), 0, "ended as asked");
    script.expect("the client has gone\n");
}

// ---- 3: one question, one answer over UDP ----

#[test]
fn a_script_asks_over_udp() {
    let (_listener, port) = unstick_listen(&["udp://127.0.0.1:0", "--reply", "It is noon ✓"]);
    let mut script = python("udp_ask.py", port, &[]);
    assert_eq!(script.rest(), "answer: It is noon ✓\n");
    assert_eq!(script.code(), 0);
}

#[test]
fn a_script_answers_over_udp() {
    let (mut script, port) = python_server("udp_answer.py");
    let mut client = unstick(&["ask", &format!("udp://127.0.0.1:{port}"), "What time is it?"]);
    assert_eq!(client.rest(), "It is noon.\n");
    assert_eq!(client.code(), 0);
    assert_eq!(script.rest(), "question: What time is it?\n");
}

// ---- 4: a chat over UDP ----

#[test]
fn several_scripts_chat_over_udp_at_once_each_with_its_own_answers() {
    let (mut listener, port) = unstick_listen(&["udp://127.0.0.1:0", "--until", "q"]);
    let mut scripts = ["anna", "bert", "carl"].map(|name| (name, python("udp_chat_client.py", port, &[])));
    for (name, script) in &mut scripts {
        script.feed(format!("I am {name}\n"));
        assert_eq!(listener.line(), format!("I am {name}"));
        listener.feed(format!("hello, {name}\n")); // goes to who spoke last
        script.expect(&format!("server: hello, {name}\n"));
    }
    for (name, script) in &mut scripts {
        script.feed(format!("{name} again\n"));
        assert_eq!(listener.line(), format!("{name} again"));
        listener.feed(format!("yes, {name}?\n"));
        script.expect(&format!("server: yes, {name}?\n"));
    }
    for (_, script) in &mut scripts {
        script.feed("q\n");
        assert_eq!(listener.line(), "q");
        assert_eq!(script.code(), 0);
    }
}

#[test]
fn a_program_answers_udp_scripts_by_their_number_in_another_order() {
    let (mut listener, port) = listen_json("udp://127.0.0.1:0", &[]);
    let mut scripts: Vec<Process> = (0..3).map(|_| python("udp_chat_client.py", port, &[])).collect();
    for (at, script) in scripts.iter_mut().enumerate() {
        script.feed(format!("question {at}\n"));
        let message = next(&mut listener, "message");
        assert_eq!(message["text"], format!("question {at}"));
        assert_eq!(message["peer"], at + 1, "numbered in order of arrival");
    }
    for peer in [3, 1, 2] {
        listener.feed(format!("{{\"to\":{peer},\"text\":\"answer to {peer}\"}}\n"));
        scripts[peer - 1].expect(&format!("server: answer to {peer}\n"));
    }
}

#[test]
fn two_clients_at_once_chat_with_a_udp_script() {
    let (mut script, port) = python_server("udp_chat_server.py");
    let address = format!("udp://127.0.0.1:{port}");
    let mut clients = [1, 2].map(|_| unstick(&["connect", &address, "--until", "q"]));
    for round in ["first", "second"] {
        for (at, client) in clients.iter_mut().enumerate() {
            client.feed(format!("{round} question\n"));
            script.expect(&format!("client {}: {round} question\n", at + 1));
            script.feed(format!("{round} answer to {}\n", at + 1));
            assert_eq!(client.line(), format!("{round} answer to {}", at + 1));
        }
    }
    for (at, client) in clients.iter_mut().enumerate() {
        client.feed("q\n");
        script.expect(&format!("client {}: q\n", at + 1));
        assert_eq!(client.code(), 0, "ended as asked");
    }
}

// ---- 5: two sends that arrive as one ----

#[test]
fn raw_loses_nothing_of_two_sends() {
    let (mut listener, port) = listen_json("127.0.0.1:0", &["-f", "raw", "--linger", "0s"]);
    for run in 0..RUNS {
        let _script = python("two_sends.py", port, &[]);
        assert_eq!(conversation(&mut listener).concat(), "HelloWorld", "run {run}");
    }
}

#[test]
fn two_sends_with_a_length_are_two_messages_always() {
    let (mut listener, port) = listen_json("127.0.0.1:0", &["-f", "struct:i", "--linger", "0s"]);
    for run in 0..RUNS {
        let _script = python("struct_two_sends.py", port, &[]);
        assert_eq!(conversation(&mut listener), ["Hello", "World"], "run {run}");
    }
}

#[test]
fn a_script_that_reads_once_gets_two_sends_as_one() {
    let (mut script, port) = python_server("read_once.py");
    let mut client =
        unstick(&["connect", &address(port), "-f", "raw", "--no-wait", "--send", "Hello", "--send", "World"]);
    assert_eq!(client.code(), 0);
    script.feed("\n"); // only now does it read, and all has arrived
    script.expect("one read: b'HelloWorld'\n");
}

// ---- 6: a length first, then the body ----

#[test]
fn a_script_sends_lengths_and_gets_them_back() {
    let (_listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "struct:i", "--echo"]);
    let long = "ß".repeat(5_000);
    let mut script = python("struct_client.py", port, &["hello", "", &long, "two\nlines"]);
    assert_eq!(script.rest(), format!("answer: hello\nanswer: \nanswer: {long}\nanswer: two\nlines\n"));
    assert_eq!(script.code(), 0);
}

#[test]
fn a_script_is_answered_by_a_process_per_message() {
    let (_listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "struct:i", "--each", "tr a-z A-Z"]);
    let mut script = python("struct_client.py", port, &["one", "two"]);
    assert_eq!(script.rest(), "answer: ONE\nanswer: TWO\n");
}

#[test]
fn a_script_reads_lengths_and_is_asked() {
    let (mut script, port) = python_server("struct_server.py");
    let mut client = unstick(&["ask", &address(port), "-f", "struct:i", "größer"]);
    assert_eq!(client.rest(), "GRÖSSER\n");
    assert_eq!(client.code(), 0);
    script.expect("received: größer\n");
}

#[test]
fn a_script_reads_lengths_from_a_pipe_of_lines() {
    let (mut script, port) = python_server("struct_server.py");
    let mut client = unstick(&["connect", &address(port), "-f", "struct:i"]);
    client.feed("one\ntwo\nthree\n");
    client.end_input();
    script.expect("received: one\nreceived: two\nreceived: three\n");
    assert_eq!(client.rest(), "ONE\nTWO\nTHREE\n");
    assert_eq!(client.code(), 0);
}

const REST: &str = "How are you?Goodbye.";

#[test]
fn only_the_first_message_has_a_length_in_every_run_of_a_client_script() {
    let (mut listener, port) = listen_json("127.0.0.1:0", &["-f", "struct:i/raw", "--linger", "0s"]);
    for run in 0..RUNS {
        let name = format!("Zoë {run}");
        let _script = python("first_client_sends.py", port, &[&name]);
        let messages = conversation(&mut listener);
        assert_eq!(messages[0], name, "run {run}");
        assert_eq!(messages[1..].concat(), REST, "run {run}");
    }
}

#[test]
fn only_the_first_message_has_a_length_in_every_run_against_a_server_script() {
    let (_script, port) = python_server("first_server_sends.py");
    for run in 0..RUNS {
        let mut client = unstick(&["connect", &address(port), "-f", "struct:i/raw", "--json"]);
        client.end_input();
        let messages = conversation(&mut client);
        assert_eq!(messages[0], "Zoë", "run {run}");
        assert_eq!(messages[1..].concat(), REST, "run {run}");
        assert_eq!(client.code(), 0, "run {run}");
    }
}

#[test]
fn only_the_first_message_sent_has_a_length() {
    let sent = ["-f", "struct:i/raw", "--send", "Zoë", "--send", "How are you?", "--send", "Goodbye."];
    let expected = format!("name: Zoë\nrest: {REST}\n");

    let (mut server, port) = python_server("first_server_reads.py");
    for run in 0..RUNS {
        // The server reads up to the end of file.
        let mut client = unstick(&[&["connect", &*address(port)], &sent[..], &["--half-close", "now"]].concat());
        assert_eq!(client.code(), 0, "run {run}: {}", client.errors());
        server.expect(&expected);
    }

    let (_listener, port) = unstick_listen(&[&["127.0.0.1:0"], &sent[..]].concat());
    for run in 0..RUNS {
        let mut script = python("first_client_reads.py", port, &[]);
        assert_eq!(script.rest(), expected, "run {run}");
    }
}

// ---- what the rooms above need ----

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A listener that speaks JSON, and its port.
fn listen_json(address: &str, arguments: &[&str]) -> (Process, u16) {
    let mut listener = unstick(&[&["listen", address, "--json"], arguments].concat());
    let event = next(&mut listener, "listening");
    let port = event["address"].as_str().and_then(|address| address.rsplit(':').next()?.parse().ok());
    (listener, port.unwrap_or_else(|| panic!("no port in {event}")))
}

/// The next event of this kind; others are passed over.
fn next(process: &mut Process, kind: &str) -> Value {
    loop {
        let line = process.line();
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if event["event"] == kind {
            return event;
        }
    }
}

/// The texts of one peer's messages, in order, until it is closed.
fn conversation(process: &mut Process) -> Vec<String> {
    let mut texts: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    loop {
        let line = process.line();
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let peer = event["peer"].as_u64().unwrap_or_default();
        match event["event"].as_str() {
            Some("message") => {
                let text = event["text"].as_str().unwrap_or_else(|| panic!("no text: {line}"));
                texts.entry(peer).or_default().push(text.to_owned());
            }
            Some("close") => return texts.remove(&peer).unwrap_or_default(),
            _ => {}
        }
    }
}
