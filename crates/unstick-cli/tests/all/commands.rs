//! `exec:`: a command at the other end, in a pipe, for a script, behind a bridge.

use rustix::process::Signal;

use crate::rig::{Peer, Process, port_at_end, unstick};

/// How a run ended: status, standard output, standard error.
fn end(mut process: Process) -> (i32, String, String) {
    process.end_input();
    (process.code(), process.rest(), process.errors())
}

#[test]
fn its_status_is_the_runs() {
    assert_eq!(end(unstick(&["connect", "exec:echo hello"])), (0, "hello\n".into(), String::new()));
    let said = "unstick: `echo hello; exit 3` ended with status 3\n".to_owned();
    assert_eq!(end(unstick(&["connect", "exec:echo hello; exit 3"])), (1, "hello\n".into(), said.clone()));
    assert_eq!(end(unstick(&["connect", "exec:echo hello; exit 3", "-f", "line"])), (1, "hello\n".into(), said));
}

#[test]
fn it_is_talked_with_in_bytes_and_in_messages() {
    let mut process = unstick(&["connect", "exec:tr a-z A-Z"]);
    process.feed("all of it");
    process.end_input();
    assert_eq!((process.rest(), process.code()), ("ALL OF IT".into(), 0));
    let mut process = unstick(&["ask", "exec:cat", "a question"]);
    assert_eq!((process.line(), process.code()), ("a question".into(), 0));
    let mut process = unstick(&["connect", "u32be+exec:cat", "--io", "line"]);
    process.feed("one\ntwo\n");
    process.end_input();
    assert_eq!((process.rest(), process.code()), ("one\ntwo\n".into(), 0));
}

#[test]
fn a_script_is_told_its_status() {
    for (command, status) in [("exec:cat", 0), ("exec:cat; exit 7", 7)] {
        let mut process = unstick(&["connect", command, "--json"]);
        process.end_input();
        let last = process.rest().lines().last().map(str::to_owned).expect("there are events");
        let close: serde_json::Value = serde_json::from_str(&last).expect("each line is JSON");
        assert_eq!((&close["event"], &close["status"]), (&"close".into(), &status.into()), "{close}");
    }
}

#[test]
fn every_client_of_a_bridge_has_one_of_its_own() {
    let command = "exec:read line; echo $line, client $UNSTICK_PEER; exit 5";
    let mut process = unstick(&["listen", "127.0.0.1:0", "--to", command]);
    let line = process.error_line_with("listening on ");
    let port = line.split(" for ").next().and_then(port_at_end).expect("the bridge names its port");
    for number in 1..=2 {
        let mut client = Peer::connect(port);
        client.says("hello\n");
        assert_eq!(client.hears_all(), format!("hello, client {number}\n").as_bytes());
        let line = process.error_line_with("ended with status");
        assert!(line.starts_with(&format!("unstick: peer {number}, the server: ")), "{line}");
    }
}

#[test]
fn it_does_not_outlive_the_run() {
    let mut process = unstick(&["connect", "exec:sleep 1000 & echo $!; wait", "-f", "line"]);
    let id = process.line();
    process.signal(Signal::TERM);
    assert_eq!(process.code(), 143);
    let path = format!("/proc/{id}/cmdline");
    let begun = std::time::Instant::now();
    while std::fs::read(&path).is_ok_and(|line| !line.is_empty()) {
        assert!(begun.elapsed().as_secs() < 20, "process {id} lives on");
        std::thread::yield_now();
    }
}
