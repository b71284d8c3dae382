//! Tests `shake` as its user sees it: progress, the three forms of its report, interruption, wrong use.
//!
//! Not here: its findings (`shake_finds`), and the delivery of its cuts, which the library tests.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::Command;

use rustix::process::Signal;

use crate::rig::{Terminal, python_itself, temporary, unstick};

/// A program that prints what its first read returns.
const HASTY: &str = "import os; print(os.read(0, 100))";

/// Python itself: `python3` may be a script that looks for it at each start.
fn python() -> String {
    python_itself().to_str().unwrap().to_owned()
}

#[test]
fn the_verdict_comes_first_and_decides_the_status() {
    let mut same = unstick(&["shake", "--stdio", "--send", "hello", "--", "cat"]);
    assert!(same.rest().starts_with("SAME EVERYWHERE\n"));
    assert_eq!((same.errors().as_str(), same.code()), ("", 0));
    let mut broken = unstick(&["shake", "--stdio", "--send", "hello", "--", &python(), "-c", HASTY]);
    let report = broken.rest();
    assert!(report.starts_with("BROKEN: 1 finding\n"), "{report}");
    assert!(report.contains("smallest case  c2s:cut@1\n"), "{report}");
    assert_eq!(broken.code(), 6);
    let mut again =
        unstick(&["shake", "--stdio", "--send", "hello", "--case", "c2s:cut@1", "--", &python(), "-c", HASTY]);
    assert!(again.rest().starts_with("BROKEN: 1 finding\n"));
    assert_eq!(again.code(), 6);
}

#[test]
fn what_could_not_be_delivered_or_tried_is_inconclusive() {
    // Waits for the end of its input before it reads any of it, as far as a process can.
    let late = "import time, fcntl, termios, array\n\
                n = array.array('i', [0])\n\
                while n[0] < 5: fcntl.ioctl(0, termios.FIONREAD, n)\n\
                print(input())";
    let arguments = ["shake", "--stdio", "--send", "hello", "--case", "c2s:cut@2", "--", &python(), "-c", late];
    let mut shake = unstick(&arguments);
    let report = shake.rest();
    assert!(report.starts_with("INCONCLUSIVE\n"), "{report}");
    assert_eq!(shake.code(), 7);
}

#[test]
fn progress_says_what_is_being_tried_and_leaves_no_trace() {
    let arguments = ["shake", "--stdio", "--send", "hello, world", "--", "sh", "-c", "cat; sleep 0.05"];
    let mut terminal = Terminal::unstick(&arguments, 60);
    terminal.shows("single cuts");
    let screen = terminal.shows("SAME EVERYWHERE");
    assert!(!screen.contains("single cuts"), "{screen}");
    assert_eq!(terminal.code(), 0);
}

#[test]
fn the_report_for_machines_that_read_junit_is_well_formed() {
    let folder = temporary();
    let file = folder.path().join("report.xml");
    let path = file.to_str().unwrap();
    let arguments = ["shake", "--stdio", "--send", "a<b>&\"", "--junit", path, "--", &python(), "-c", HASTY];
    assert_eq!(unstick(&arguments).code(), 6);
    let read = "import sys, xml.dom.minidom as m\n\
                s = m.parse(sys.argv[1]).documentElement\n\
                print(s.getAttribute('tests'), len(s.getElementsByTagName('testcase')))\n\
                print(s.getAttribute('failures'), len(s.getElementsByTagName('failure')))";
    let output = Command::new(python()).args(["-c", read, path]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let counts: Vec<&str> = text.split_whitespace().collect();
    assert!(matches!(counts[..], [a, b, c, d] if a == b && c == d && a != c && c != "0"), "{text}");
    assert!(fs::read_to_string(&file).unwrap().contains("name=\"c2s:cut@1\""));
    let nowhere = ["shake", "--stdio", "--send", "ab", "--junit", "/no/such/folder/x", "--", "cat"];
    let mut shake = unstick(&nowhere);
    assert_eq!(shake.errors(), "unstick: /no/such/folder/x: no such file or directory\n");
    assert_eq!(shake.code(), 1);
}

#[test]
fn an_interrupted_run_leaves_no_program_behind() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    // The client's child has its own connection, which bypasses unstick.
    let client = format!("nc.openbsd 127.0.0.1 {port} & wait");
    let to = format!("127.0.0.1:{port}");
    let mut shake = unstick(&["shake", "--to", &to, "--", "sh", "-c", &client]);
    let (mut connection, _) = listener.accept().unwrap();
    shake.signal(Signal::INT);
    assert_eq!(shake.code(), 130);
    assert_eq!(connection.read(&mut [0]).unwrap(), 0, "the client's child has gone too");
}

#[test]
fn wrong_use_is_one_sentence_and_a_hint() {
    for (arguments, sentence, hint) in [
        (&["--to", ":1"][..], "nothing is sent to the server", "give the client's command after --"),
        (&["--to", ":0", "--send", "x"], "no server listens on port 0", "with --start it gives each start a free port"),
        (&["--to", ":1", "--send", "x", "--", "true"], "a client command and --send", "leave out --send"),
        (&["--to", "udp://:1", "--send", "x"], "shake cuts streams", "--to HOST:PORT"),
        (&["--to", ":1", "--send", "x", "--case", "cut@1"], "`cut@1` is neither a cut nor a join", "c2s:cut@17"),
        (&["--stdio", "--", "cat"], "nothing is sent, so nothing can be cut", "--send TEXT"),
        (&["--stdio", "--to", ":1", "--", "cat"], "--stdio and --to exclude each other", "unstick shake --help"),
    ] {
        let mut shake = unstick(&[&["shake"], arguments].concat());
        let said = shake.errors();
        assert!(said.starts_with(&format!("unstick: {sentence}")), "{said}");
        assert!(said.lines().nth(1).is_some_and(|line| line.starts_with("  hint: ") && line.contains(hint)), "{said}");
        assert_eq!((said.lines().count(), shake.code()), (2, 2), "{said}");
    }
}
