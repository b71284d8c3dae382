//! What is printed from the tables: framings and their frames, completions that a shell can read.
//!
//! Not here: the man page, the reference and the documents made of it (`docs`).

use std::process::Command;

use serde_json::Value;
use unstick::wire::{FRAMINGS, Preset, UNSUPPORTED};

use crate::rig::{Process, program, unstick};

fn printed(arguments: &[&str]) -> String {
    let mut program = unstick(arguments);
    let text = program.rest();
    assert_eq!((program.code(), &*program.errors()), (0, ""), "{arguments:?}");
    text
}

#[test]
fn bash_reads_its_completions_and_completes_a_verb() {
    let script = printed(&["generate", "completions", "bash"]);
    let mut bash = Process::start(Command::new("bash").args(["--norc", "-e"]));
    bash.feed(script);
    bash.feed("\nCOMP_WORDS=(unstick lis) COMP_CWORD=1\n_unstick unstick lis unstick\necho \"${COMPREPLY[@]}\"\n");
    bash.end_input();
    assert_eq!((&*bash.rest(), bash.code(), &*bash.errors()), ("listen\n", 0, ""));
}

#[test]
fn every_framing_is_listed_for_people_and_for_scripts() {
    let text = printed(&["framings"]);
    let rows: Vec<Value> =
        printed(&["framings", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), FRAMINGS.len() + Preset::all().count() + UNSUPPORTED.len());
    for (entry, row) in FRAMINGS.iter().zip(&rows) {
        assert!(text.contains(entry.frame) && text.contains(entry.examples[0]), "{}", entry.name);
        assert_eq!((&row["name"], &row["frame"]), (&entry.name.into(), &entry.frame.into()));
        assert_eq!(row["keeps_boundaries"], entry.keeps_boundaries);
    }
    for (preset, row) in Preset::all().zip(&rows[FRAMINGS.len()..]) {
        for part in [preset.name, preset.title, preset.document, preset.client, preset.server] {
            assert!(text.contains(part), "{}: {part}", preset.name);
        }
        assert_eq!((&row["preset"], &row["document"]), (&preset.name.into(), &preset.document.into()));
        assert_eq!((&row["client"], &row["server"]), (&preset.client.into(), &preset.server.into()));
    }
    for (protocol, row) in UNSUPPORTED.iter().zip(&rows[FRAMINGS.len() + Preset::all().count()..]) {
        assert!(text.contains(protocol.why));
        assert_eq!((&row["title"], &row["why_not"]), (&protocol.title.into(), &protocol.why.into()));
    }
}

#[test]
fn a_preset_is_shown_with_its_two_sides() {
    let text = printed(&["framings", "postgres"]);
    assert!(text.starts_with("postgres, postgresql: PostgreSQL 3.0, port 5432 ("), "{text}");
    assert!(text.contains("servers send    fixed:1,if="), "{text}");
    assert!(text.contains("unstick connect 5432 -f postgres"), "{text}");
}

#[test]
fn a_spec_is_shown_by_its_frames() {
    for (spec, frame) in [
        ("u16be", "00 05 68 65 6c 6c 6f"),
        ("line", "68 65 6c 6c 6f 0a"),
        ("struct:i/raw", "05 00 00 00 68 65 6c 6c 6f"),
        ("netstring", "35 3a 68 65 6c 6c 6f 2c"),
    ] {
        let text = printed(&["framings", spec]);
        assert_eq!(text.lines().next(), Some(&*format!("`hello`  {frame}")));
        let row: Value = serde_json::from_str(printed(&["framings", spec, "--json"]).lines().next().unwrap()).unwrap();
        assert_eq!((&row["spec"], &row["frame"]), (&spec.into(), &frame.into()));
    }
    assert!(printed(&["framings", "json"]).starts_with("`hello`  cannot be sent: "));
}

#[test]
fn a_closed_pipe_ends_a_list_quietly() {
    for what in ["framings", "generate man", "generate reference", "--help"] {
        let script = format!("{{ \"$0\" {what}; echo status $? >&2; }} | head -c 1 >/dev/null");
        let mut shell = Process::start(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_unstick")]));
        assert_eq!(shell.errors(), "status 0\n", "{what}");
    }
}

#[test]
fn what_cannot_be_printed_is_an_error_of_every_verb_that_prints() {
    for what in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["help"],
        &["help", "listen"],
        &["connect", "--help"],
        &["framings"],
        &["framings", "line"],
        &["framings", "http"],
        &["framings", "--json"],
        &["generate", "man"],
        &["generate", "completions", "bash"],
        &["generate", "reference"],
        &["lab", "range"],
        &["lab", "range", "--json"],
        &["shake", "--stdio", "--send", "x", "--case", "c2s:cut@1", "--", "cat"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut process = Process::start_into(program().args(what), full.into());
        assert_eq!(process.code(), 1, "{what:?}");
        assert_eq!(process.errors(), "unstick: standard output: no space left on device\n", "{what:?}");
    }
}

// ---- options ----

#[test]
fn an_option_that_is_given_twice_counts_as_given_last() {
    let options = ["-f", "u8", "-f", "line", "--idle", "90s", "--idle", "1ms", "-vv"];
    let mut listener = unstick(&[&["listen", "127.0.0.1:0"], &options[..]].concat());
    listener.error_line_with("nothing passed for 1ms (--idle)");
    assert_eq!(listener.code(), 4);
}

#[test]
fn the_short_help_is_a_screen_and_the_long_one_has_everything() {
    let help = |arguments: &[&str]| unstick(arguments).rest();
    for verb in ["listen", "connect", "ask", "shake", "lab", "framings"] {
        let short = help(&[verb, "-h"]);
        assert!(short.lines().count() <= 24, "{short}");
        assert!(short.contains("unstick "), "{short}");
        let long = help(&[verb, "--help"]);
        assert_eq!(long, help(&["help", verb]), "{verb}");
        assert!(long.contains("Usage: unstick"), "{verb}");
    }
    assert!(!help(&["listen", "-h"]).contains("--alpn"));
    assert!(help(&["listen", "--help"]).contains("--alpn"));
}
