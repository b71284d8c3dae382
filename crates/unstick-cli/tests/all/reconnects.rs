//! Tests `connect --reconnect`: it connects again after a loss, and sends the greeting again, and nothing else.

use serde_json::Value;

use crate::rig::{Peer, Process, Vacancy, listener, unstick, unstick_listen};

/// The next event of this name.
fn event(process: &mut Process, name: &str) -> Value {
    loop {
        let event: Value = serde_json::from_str(&process.line()).expect("each line is JSON");
        if event["event"] == name {
            return event;
        }
    }
}

#[test]
fn the_greeting_is_sent_again_and_nothing_else_without_a_word() {
    let (server, address) = listener();
    let mut process = unstick(&["connect", &address, "-f", "line", "--json", "--reconnect", "--send", "hello"]);
    let mut far = Peer::accept(&server);
    far.hears("hello\n");
    far.says("one\n");
    assert_eq!(event(&mut process, "message")["peer"], 1);
    far.resets();
    assert_eq!(event(&mut process, "close")["reason"], "reset");
    let again = event(&mut process, "reconnecting");
    assert_eq!((&again["attempt"], &again["after"], &again["sent"]), (&1.into(), &0.2.into(), &1.into()));
    let mut far = Peer::accept(&server);
    assert_eq!(event(&mut process, "open")["peer"], 2);
    far.hears("hello\n");
    // It connects again after an orderly end, too.
    drop(far);
    let mut far = Peer::accept(&server);
    far.hears("hello\n");
    process.signal(rustix::process::Signal::TERM);
    far.hears_all();
}

#[test]
fn what_was_sent_on_a_lost_connection_is_counted_and_what_comes_later_waits() {
    let (server, address) = listener();
    let mut process = unstick(&["connect", &address, "-f", "line", "--json", "--reconnect"]);
    let mut far = Peer::accept(&server);
    process.feed("{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
    far.hears("one\ntwo\n");
    far.resets();
    assert_eq!(event(&mut process, "reconnecting")["sent"], 2);
    process.feed("{\"text\":\"meanwhile\"}\n");
    let mut far = Peer::accept(&server);
    far.hears("meanwhile\n");
    process.feed("{\"quit\":true}\n");
    assert_eq!((process.code(), far.hears_all()), (0, Vec::new()));
}

/// A server that has ended in order takes nothing more. Later input goes to the next connection, at once.
#[test]
fn an_end_in_order_is_a_lost_connection_while_there_is_input() {
    let (server, address) = listener();
    let mut process = unstick(&["connect", &address, "-f", "line", "--json", "--reconnect", "--linger", "1h"]);
    let mut far = Peer::accept(&server);
    process.feed("{\"text\":\"one\"}\n");
    far.hears("one\n");
    drop(far);
    assert_eq!(event(&mut process, "reconnecting")["sent"], 1);
    process.feed("{\"text\":\"two\"}\n");
    Peer::accept(&server).hears("two\n");
}

#[test]
fn as_many_attempts_as_were_allowed_fail() {
    let vacancy = Vacancy::new();
    let address = vacancy.address.clone();
    let server = vacancy.listens(1);
    let mut process = unstick(&["connect", &address, "-f", "line", "--reconnect", "--reconnect-attempts", "2"]);
    let mut far = Peer::accept(&server);
    process.feed("here\n");
    far.hears("here\n");
    drop(server);
    far.resets();
    assert_eq!(process.code(), 3);
    let errors = process.errors();
    assert!(errors.contains("connecting again in 200ms") && errors.contains("in 400ms (attempt 2)"), "{errors}");
    assert!(!errors.contains("attempt 3"), "{errors}");
}

/// Everything has been sent, and the connection fails. A second connection would have nothing to send, so the run fails.
#[test]
fn who_has_nothing_more_to_say_does_not_connect_again() {
    let (server, address) = listener();
    let mut process = unstick(&["connect", &address, "-f", "line", "--reconnect"]);
    process.feed("all\n");
    process.end_input();
    let mut far = Peer::accept(&server);
    far.hears("all\n");
    far.resets();
    assert_eq!(process.code(), 1);
    assert!(process.errors().contains("reset"), "{}", process.errors());
}

#[test]
fn what_cannot_be_made_again_is_refused() {
    for (words, what) in [
        (&["connect", ":1", "-f", "raw", "--reconnect"][..], "--reconnect is for messages"),
        (&["connect", ":1", "--to", ":2", "--reconnect"], "--reconnect is for messages"),
        (
            &["connect", "-", "--send", "x", "--reconnect"],
            "--reconnect is for addresses that can be connected to again",
        ),
    ] {
        let mut process = unstick(words);
        let errors = process.errors();
        assert!(errors.contains(what), "{words:?}: {errors}");
        assert_eq!(process.code(), 2, "{words:?}");
    }
}

// ---- bridges ----

/// A bridge to this address, and its port.
fn bridge(to: &str, more: &[&str]) -> (Process, u16) {
    unstick_listen(&[&["127.0.0.1:0", "--to", to, "-f", "line", "--reconnect"], more].concat())
}

#[test]
fn a_bridge_connects_again_and_says_what_may_be_unanswered() {
    let (server, address) = listener();
    let (mut process, port) = bridge(&address, &["--json"]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("one\n");
    far.hears("one\n");
    far.says("1\n");
    client.hears("1\n");
    client.says("two\r\nthree\n");
    far.hears("two\r\nthree\n");
    assert_eq!(event(&mut process, "open")["peer"], 1);
    far.resets();
    let again = event(&mut process, "reconnecting");
    let told = ["peer", "attempt", "after", "sent", "unanswered"].map(|key| again[key].clone());
    assert_eq!(Value::from(told.to_vec()), serde_json::json!([1, 1, 0.2, 3, 2]), "{again}");
    assert!(again["error"].as_str().is_some_and(|error| error.contains("reset")), "{again}");
    let mut far = Peer::accept(&server);
    assert_eq!(event(&mut process, "reconnected")["peer"], 1);
    client.says("four\n");
    far.hears("four\n");
    far.says("4\n");
    client.hears("4\n");
    // It connects again after an orderly end, too, and the data before that end arrives.
    far.says("bye\n");
    drop(far);
    client.hears("bye\n");
    let again = event(&mut process, "reconnecting");
    assert_eq!((&again["sent"], &again["unanswered"], again.get("error")), (&1.into(), &0.into(), None), "{again}");
    let mut far = Peer::accept(&server);
    client.says("five\n");
    client.half_closes();
    far.hears("five\n");
    assert_eq!(far.hears_all(), b"");
    far.says("5\n");
    drop(far);
    assert_eq!(client.hears_all(), b"5\n");
    let close = event(&mut process, "close");
    assert_eq!((&close["reason"], &close["c2s"], &close["s2c"]), (&"ended".into(), &5.into(), &4.into()), "{close}");
}

#[test]
fn a_bridge_waits_for_a_server_that_is_not_there_yet_and_people_are_told() {
    let vacancy = Vacancy::new();
    let address = vacancy.address.clone();
    let (mut process, port) = bridge(&address, &[]);
    let mut client = Peer::connect(port);
    client.says("early\n");
    process.error_line_with("peer 1: connecting to the server again in 200ms (attempt 2)");
    process.error_line_with("connecting to the server again in 400ms (attempt 3)");
    let server = vacancy.listens(8);
    let mut far = Peer::accept(&server);
    far.hears("early\n");
    far.resets();
    process.error_line_with("; 1 message went to the lost connection, 1 of them without an answer: none is sent again");
    let mut far = Peer::accept(&server);
    // Its client leaves: the bridge ends, and does not connect again.
    drop(client);
    assert_eq!(far.hears_all(), b"");
    drop(far);
    process.signal(rustix::process::Signal::TERM);
    let errors = process.errors();
    assert!(!errors.contains("again"), "{errors}");
}

#[test]
fn a_bridge_gives_up_after_the_attempts_that_were_allowed_and_serves_the_next() {
    let vacancy = Vacancy::new();
    let address = vacancy.address.clone();
    let (mut process, port) = bridge(&address, &["--json", "--reconnect-attempts", "2"]);
    let mut client = Peer::connect(port);
    client.says("early\n");
    assert_eq!(event(&mut process, "reconnecting")["attempt"], 2);
    let close = event(&mut process, "close");
    assert_eq!(
        (&close["reason"], &close["side"], &close["c2s"]),
        (&"error".into(), &"server".into(), &0.into()),
        "{close}"
    );
    client.is_dropped();
    let server = vacancy.listens(8);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("later\n");
    far.hears("later\n");
    // Without its server, the bridge no longer waits for a client that has gone.
    drop(server);
    far.resets();
    event(&mut process, "reconnecting");
    client.half_closes();
    assert_eq!(event(&mut process, "close")["reason"], "ended");
}

#[test]
fn a_bridge_that_cannot_connect_again_is_refused() {
    for (more, why) in [
        (&["--to", "127.0.0.1:1"][..], "--reconnect is for messages, and bytes without a framing have none"),
        (
            &["--to", "127.0.0.1:1", "-f", "line", "--fault", "loss=1%"],
            "--reconnect and --fault cannot be used together",
        ),
        (&["--to", "mem:a", "-f", "line"], "--reconnect is for addresses that can be connected to again, not for"),
        (&["--to", "udp://127.0.0.1:1", "-f", "line"], "--reconnect is for addresses that can be connected to again"),
        (&["-f", "line"], "--reconnect is for connecting, and listen only accepts connections"),
    ] {
        let mut process = unstick(&[&["listen", "127.0.0.1:0", "--reconnect"], more].concat());
        let errors = process.errors();
        assert!(errors.contains(why), "{more:?}: {errors}");
        assert_eq!(process.code(), 2, "{more:?}");
    }
}
