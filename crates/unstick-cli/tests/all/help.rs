//! Tests the help: one screen for `-h`, and all options in order for `--help`.

use crate::rig::{Terminal, unstick};

#[test]
fn without_a_verb_there_is_help() {
    let mut process = unstick::<&str>(&[]);
    assert_eq!((process.code(), &*process.rest()), (2, ""));
    assert!(process.errors().contains("Usage: unstick <COMMAND>"));
    let mut process = unstick(&["--help"]);
    assert!(process.rest().contains("Usage: unstick <COMMAND>"));
    assert_eq!((process.code(), &*process.errors()), (0, ""));
}

#[test]
fn help_fits_a_narrow_terminal() {
    for verb in ["listen", "connect", "ask", "framings", "generate"] {
        let mut terminal = Terminal::unstick(&[verb, "--help"], 60);
        assert_eq!(terminal.code(), 0);
        let written = terminal.written_up_to("Print help");
        let text = written.replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[4m", "");
        let options = text.split("Examples:").next().unwrap_or_default();
        for line in options.lines() {
            assert!(line.trim_end().chars().count() <= 60, "{verb}: {line:?}");
        }
    }
}

#[test]
fn every_verb_has_a_screen_and_a_long_help_with_examples_and_exit_statuses() {
    let verbs = [
        "listen", "connect", "ask", "send", "receive", "lab", "shake", "decode", "encode", "guess", "framings",
        "generate",
    ];
    for verb in verbs {
        for help in ["-h", "--help"] {
            let mut process = unstick(&[verb, help]);
            let text = process.rest();
            assert_eq!((process.code(), process.errors()), (0, String::new()), "{verb} {help}");
            for part in ["Usage: unstick ", "Examples:", "Exit status:"] {
                assert!(text.contains(part), "{verb} {help} has no {part}: {text}");
            }
            let is_screen = text.lines().count() <= 24 && text.lines().all(|line| line.chars().count() <= 80);
            assert!(is_screen || help == "--help", "{text}");
        }
    }
    assert!(unstick(&["-h"]).rest().lines().count() <= 24);
    let shells = unstick(&["generate", "completions", "-h"]).rest();
    assert!(shells.contains("powershell"), "{shells}");
}

#[test]
fn the_framing_and_the_messages_come_first_and_transports_that_few_need_last() {
    for (verb, first) in [("listen", "Framing"), ("connect", "Framing"), ("ask", "Framing")] {
        let text = unstick(&[verb, "--help"]).rest();
        let headings: Vec<&str> =
            text.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.strip_suffix(':')).collect();
        assert_eq!(headings[..3], ["Arguments", first, "Messages"], "{verb}");
        assert!(headings.ends_with(&["TLS", "WebSocket", "UDP", "Examples", "Exit status"]), "{verb}: {headings:?}");
    }
}
