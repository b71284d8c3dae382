//! Tests keys at the prompt: ^C, ^D, ^R and Tab, each while messages arrive.

use crate::prompt::{Peer, connect, join, listen};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_R: &str = "\x12";

#[test]
fn keys_behind_ctrl_c_are_not_lost_however_fast_they_come() {
    let (mut terminal, mut peer) = connect(&[]);
    terminal.types("no\x03yes\r");
    assert_eq!(peer.hears(), "yes\n");
    terminal.ends_with(&["> no", "> yes", ">"]);
    terminal.types("never mind\x03\x03");
    assert_eq!(terminal.code(), 130);
    assert!(terminal.takes_lines());
    peer.hears_nothing_more();
}

#[test]
fn the_end_of_input_ends_a_listener_that_nobody_is_at() {
    let (mut terminal, _) = listen(&[]);
    terminal.types(CTRL_D);
    assert_eq!(terminal.code(), 0);
    assert!(!terminal.written_up_to("listening").contains("input has ended"));
    let (mut terminal, port) = listen(&["--count", "1"]);
    terminal.types(CTRL_D);
    terminal.shows("input has ended; ^C ends the program");
    Peer::connect(port).says("here I am\n");
    terminal.shows("1> here I am");
    assert_eq!(terminal.code(), 0);
}

#[test]
fn a_search_of_the_history_keeps_nothing_from_being_shown() {
    let (mut terminal, mut peer) = connect(&[]);
    for line in ["one fish", "two fish", "a bird"] {
        terminal.types(format!("{line}\r"));
        assert_eq!(peer.hears(), format!("{line}\n"));
    }
    // Between two lines the terminal is in its usual mode, in which ^R means something else.
    terminal.ends_with(&["> a bird", ">"]);
    terminal.types(CTRL_R);
    terminal.ends_with(&["type a part of an earlier line, then ^R (again for older)", ">"]);
    terminal.types("fish");
    terminal.types(CTRL_R);
    terminal.ends_with(&["> two fish"]);
    peer.says("meanwhile\n");
    terminal.ends_with(&["1> meanwhile", "> two fish"]);
    terminal.types(CTRL_R);
    terminal.ends_with(&["1> meanwhile", "> one fish"]);
    terminal.types(CTRL_R);
    terminal.ends_with(&["no earlier line has \"fish\" in it", "> one fish"]);
    terminal.types("\x05y\r"); // at its end
    assert_eq!(peer.hears(), "one fishy\n");
    terminal.types("fishy");
    terminal.types(CTRL_R);
    drop(peer);
    assert_eq!(terminal.code(), 0);
    assert!(terminal.takes_lines());
}

#[test]
fn a_choice_of_completions_keeps_nothing_from_being_shown() {
    let (mut terminal, mut peer) = connect(&[]);
    terminal.types("/h\t\t");
    terminal.ends_with(&["/hex  /help", "> /he"]);
    peer.says("meanwhile\n");
    terminal.ends_with(&["1> meanwhile", "> /he"]);
    terminal.types("x\t00\r");
    assert_eq!(peer.hears(), "\0\n");
}

#[test]
fn ctrl_c_drops_the_line_then_ends_the_program() {
    let (mut terminal, port) = listen(&[]);
    let [mut peer] = join(&terminal, port);
    terminal.ends_with(&["to 1>"]);
    assert!(!terminal.takes_lines());
    terminal.types("never mind");
    terminal.ends_with(&["to 1> never mind"]);
    terminal.types(CTRL_C);
    terminal.ends_with(&["to 1> never mind", "to 1>"]);
    terminal.types(CTRL_C);
    assert_eq!(terminal.code(), 130);
    assert!(terminal.takes_lines());
    assert!(!terminal.shows("listening").contains("not sent"));
    peer.hears_nothing_more();
}
