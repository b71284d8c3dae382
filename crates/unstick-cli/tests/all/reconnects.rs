//! `connect --reconnect`: a lost connection is made again, the greeting sent again, and nothing else.

use serde_json::Value;

use crate::rig::{Peer, Process, Vacancy, listener, unstick};

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
    // An end in order is no reason to stay away either.
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

/// All has been said, and its connection fails: a second one would have nothing to say, and the failure is the run's.
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
        (&["connect", ":1", "--to", ":2", "--reconnect"], "--reconnect is for a conversation at this end"),
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
