//! What a transfer shows to other people on the machine: no ticket in the process list, no control characters from
//! names.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;

use crate::rig::{Process, program, temporary};
use crate::transfers::{names, start, ticket};

/// A process's command line, which every user of the machine can read.
fn command_line(process: &Process) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{}/cmdline", process.id())).unwrap()).into_owned()
}

/// croc took the secret only on the command line. Here a ticket also comes from standard input or from the environment.
#[test]
fn cve_2023_43621_a_ticket_need_not_be_in_the_list_of_processes() {
    for way in ["-", "env"] {
        let (source, inbox, home) = (temporary(), temporary(), temporary());
        let path = source.path().join("file");
        fs::write(&path, b"content").unwrap();
        let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap()]);
        let ticket = ticket(&mut receiver);
        let mut command = program();
        command.env("XDG_STATE_HOME", home.path()).args(["send", path.to_str().unwrap(), "--to", way]);
        if way == "env" {
            command.env("UNSTICK_TICKET", &ticket);
        }
        let mut sender = Process::start(&mut command);
        for process in [&sender, &receiver] {
            assert!(!command_line(process).contains("ust1_"), "{way}");
        }
        if way == "-" {
            sender.feed(&ticket);
            sender.end_input();
        }
        assert_eq!((sender.code(), receiver.code()), (0, 0), "{way}: {}", sender.errors());
    }
}

/// croc printed names unchanged, so they could control the terminal. Here only the name on the disk stays unchanged.
#[test]
fn cve_2023_43620_no_name_reaches_the_terminal_as_it_came() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let name = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\u{202e}gpj.exe";
    let path = source.path().join(name);
    fs::write(&path, b"content").unwrap();
    fs::create_dir(inbox.path().join("there")).unwrap();
    let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap()]);
    let ticket = ticket(&mut receiver);
    // The second file cannot get its name, so an error names it too.
    let twin = source.path().join("there");
    fs::write(&twin, b"a file").unwrap();
    let mut sender = start(home.path(), &["send", path.to_str().unwrap(), twin.to_str().unwrap(), "--to", &ticket]);
    assert_eq!((sender.code(), receiver.code()), (1, 1));
    for printed in [sender.rest(), receiver.rest(), sender.errors(), receiver.errors()] {
        let unsafe_one = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
        assert!(!printed.contains(unsafe_one), "{printed:?}");
    }
    let mut found = names(inbox.path());
    found.retain(|name| name != ".unstick");
    found.sort();
    assert_eq!(found, [name, "there"]);
}
