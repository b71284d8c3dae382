//! Tests the output that is made from the tables: framings and their frames, and completions that a shell can read.
//!
//! Not here: the man page, the reference and the documents made from the tables (`docs`).

use std::process::Command;

use serde_json::Value;
use unstick::wire::{FRAMINGS, Preset, UNSUPPORTED};

use crate::rig::{Process, Terminal, program, temporary, unstick};

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

/// Returns what bash offers for the last of these words.
fn offered_by_bash(script: &str, words: &[&str]) -> Vec<String> {
    let (last, before) = (words.last().expect("a word"), words[words.len() - 2]);
    let mut bash = Process::start(Command::new("bash").args(["--norc", "-e"]));
    bash.feed(script);
    let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let at = words.len() - 1;
    bash.feed(format!("\nCOMP_WORDS=({line}) COMP_CWORD={at}\n_unstick unstick '{last}' '{before}'\n"));
    bash.feed("printf '%s\\n' \"${COMPREPLY[@]}\"\n");
    bash.end_input();
    let offered = bash.rest().lines().map(str::to_owned).collect();
    assert_eq!((bash.code(), &*bash.errors()), (0, ""), "{words:?}");
    offered
}

fn offered_by_fish(script: &str, words: &[&str]) -> Vec<String> {
    let mut fish = Process::start(Command::new("fish").args(["--no-config"]));
    fish.feed(format!("{script}\ncomplete -C '{}'\n", words.join(" ")));
    fish.end_input();
    let offered = fish.rest().lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect();
    assert_eq!((fish.code(), &*fish.errors()), (0, ""), "{words:?}");
    offered
}

/// zsh completes only on a terminal on which it reads lines. Tab lists these values below the line.
fn is_listed_by_zsh(script: &str, words: &[&str], values: &[&str]) {
    let folder = temporary();
    std::fs::write(folder.path().join("_unstick"), script).expect("a file");
    let mut terminal = Terminal::zsh(folder.path());
    terminal.ends_with(&["zsh$"]);
    terminal.types(format!("{}\t", words.join(" ")));
    for value in values {
        terminal.shows_word(value);
    }
}

#[test]
fn values_are_completed_by_every_shell_that_can() {
    let cases = [
        (&["unstick", "connect", ":1", "-f", "post"][..], &["postgres", "postgresql"][..]),
        (&["unstick", "listen", ":1", "--frame", "u3"], &["u32be", "u32le"]),
        (&["unstick", "listen", ":1", "--to-frame", "stom"], &["stomp", "stomp-frame"]),
        (&["unstick", "ask", ":1", "hi", "--io", ""], &["hex", "quoted", "escaped", "raw"]),
        (&["unstick", "lab", "s"], &["slow-reader", "split", "small-buffer"]),
        (&["unstick", "framings", "mod"], &["modbus", "modbus-rtu"]),
        (&["unstick", "generate", "completions", ""], &["bash", "zsh", "fish", "powershell"]),
        (&["unstick", "connect", ":1", "--half-close", ""], &["now", "answered", "never"]),
    ];
    let scripts = ["bash", "fish", "zsh"].map(|shell| printed(&["generate", "completions", shell]));
    for (words, values) in cases {
        for offered in [offered_by_bash(&scripts[0], words), offered_by_fish(&scripts[1], words)] {
            assert!(values.iter().all(|value| offered.iter().any(|one| one == value)), "{words:?}: {offered:?}");
        }
        is_listed_by_zsh(&scripts[2], words, values);
    }
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
fn a_frame_is_drawn_with_its_parts_and_what_the_length_counts() {
    let drawn = "\
9 bytes
  ┌─ header ────┬─ payload ──────┐
  │ 00 00 00 05 │ 68 65 6c 6c 6f │
  │ ·  ·  ·  ·  │ h  e  l  l  o  │
  │ ^^ ^^ ^^ ^^ │ == == == == == │
  └─────────────┴────────────────┘
  ^^ the length, big-endian; == what it counts: 5 bytes
";
    assert!(printed(&["framings", "u32be"]).ends_with(drawn));
    let text = printed(&["framings", "length:off=1,width=2,endian=le,adj=-3,head=aa0000,trailer=0d"]);
    assert!(text.contains("┌─ header ─┬─ payload ──────┬─ trailer ┐\n"), "{text}");
    assert!(text.contains("│ == ^= ^= │ == == == == == │"), "{text}");
    assert!(text.ends_with("^^ the length, little-endian; == what it counts: 9 bytes, itself included\n"), "{text}");
    let text = printed(&["framings", "struct:i/raw"]);
    assert!(text.contains("\nframe 1: 9 bytes\n") && text.contains("\nframe 2: 5 bytes\n"), "{text}");
    assert!(printed(&["framings", "cobs"]).ends_with("The frame holds the message in other bytes.\n"));
    let text = printed(&["framings", "postgres"]);
    assert!(text.contains("\nclients send\n") && text.contains("\nservers send\n"), "{text}");
    let text = printed(&["framings", "u32be", "--color", "always"]);
    assert!(text.contains("\x1b[36m00 00 00 05 ") && text.contains("\x1b[32m68 65"), "{text:?}");
    // No row is wider than the terminal, whatever its width.
    for name in printed(&["framings", "--names"]).lines() {
        let text = printed(&["framings", name]);
        let boxes = text.lines().filter(|line| line.starts_with("  ┌") || line.starts_with("  │"));
        boxes.for_each(|line| assert!(line.chars().count() <= 80, "{name}: {line}"));
    }
}

#[test]
fn protocols_are_found_by_a_word_and_names_are_listed_for_scripts() {
    let text = printed(&["framings", "industrial"]);
    assert!(text.contains("\n  modbus ") && !text.contains("postgres"), "{text}");
    assert!(printed(&["framings", "PostgreSQL"]).starts_with("Protocols that `PostgreSQL` describes"));
    assert!(printed(&["framings", "databas", "--names"]).lines().any(|name| name == "postgres"));
    let row: Value =
        serde_json::from_str(printed(&["framings", "industrial", "--json"]).lines().next().unwrap()).unwrap();
    assert_eq!(row["preset"], "modbus");
    let names = printed(&["framings", "--names"]);
    assert!(Preset::all().all(|preset| names.lines().any(|name| name == preset.name)));
    assert!(names.lines().any(|name| name == "u32be") && names.lines().any(|name| name == "line"));
    let mut wrong = unstick(&["framings", "lin"]);
    assert_eq!((wrong.code(), wrong.errors().contains("did you mean `line`?")), (2, true));
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
