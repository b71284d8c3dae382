//! What a person sees, at 80 and at 60 columns, without the measured numbers; and the end of the show.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;

use crate::rig::{Process, Terminal, temporary, unstick};

/// The end of the whole show.
const LAST: &str = "`unstick lab NAME` shows one of them again.";

/// The whole show on a terminal of this many columns, as it was written there.
fn shown(columns: u16, variables: &[(&str, &str)]) -> String {
    let mut terminal = Terminal::unstick_with(&["lab"], columns, variables, &Arc::new(temporary()));
    let written = terminal.written_up_to(LAST);
    assert_eq!(terminal.code(), 0);
    written.replace("\r\n", "\n")
}

/// Text without its colours.
fn colourless(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.map(|part| part.split_once('m').expect("colours end in m").1).collect::<String>()
}

/// The show with `#` in place of every number that each run measures.
fn without_measurements(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let continued = line.starts_with("    ") && lines.last().is_some_and(|last| last.starts_with("  → # sent"));
        let (time, rest) = line.split_at(line.char_indices().nth(8).map_or(line.len(), |(at, _)| at));
        if line.contains('│') && time.trim().parse::<f64>().is_ok() {
            lines.push(format!("   #.## {rest}"));
        } else if rest.trim_start().starts_with(['█', '·']) && time.trim().parse::<u32>().is_ok() {
            lines.push(format!("{time}  # of █ and ·"));
        } else if continued {
            let last = lines.last_mut().expect("there is one");
            *last = format!("{last} {}", numberless(line.trim()));
        } else if line.starts_with("  → ") && line.contains(" sent, ") {
            lines.push(numberless(line));
        } else if line.starts_with("  lost of 10,000") || line.starts_with("  time a message") {
            let words = line[16..].split_whitespace().collect::<Vec<_>>().join(" ");
            lines.push(format!("{} {}", &line[..16], numberless(&words)));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n") + "\n"
}

/// Every number as one `#`.
fn numberless(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let number = c.is_ascii_digit() || (out.ends_with('#') && ".,".contains(c));
        match (number, out.ends_with('#')) {
            (false, _) => out.push(c),
            (true, false) => out.push('#'),
            (true, true) => {}
        }
    }
    // A comma behind a number, and none inside it.
    out.replace("# ", "#, ").replace("#, ", "# ")
}

/// The first line in which two texts differ: the texts are too long to be shown.
fn difference(found: &str, expected: &str) -> String {
    let at = found.lines().zip(expected.lines()).position(|(a, b)| a != b);
    let at = at.unwrap_or_else(|| found.lines().count().min(expected.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or_default().to_owned();
    format!("line {} is\n{}\nand not\n{}", at + 1, line(found), line(expected))
}

#[track_caller]
fn are_alike(found: &str, expected: &str) {
    let (found, expected) = (without_measurements(found), without_measurements(expected));
    assert!(found == expected, "{}", difference(&found, &expected));
}

#[track_caller]
fn is_as_kept(columns: u16) {
    let text = shown(columns, &[("NO_COLOR", "1")]);
    assert!(!text.contains('\x1b'), "NO_COLOR means none");
    let found = without_measurements(&text);
    let name = format!("{columns}.txt");
    let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/lab").join(&name)).unwrap();
    if found != kept {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lab-{name}"));
        fs::write(&new, &found).unwrap();
        let difference = difference(&found, &kept);
        panic!("{difference}\nIf it is to be so, copy {} to tests/all/lab/{name}", new.display());
    }
    for line in text.lines() {
        assert!(line.chars().count() <= columns.into(), "too wide: {line}");
    }
}

#[test]
fn the_whole_show_in_80_columns() {
    is_as_kept(80);
}

#[test]
fn the_whole_show_in_60_columns() {
    is_as_kept(60);
}

#[test]
fn colour_says_nothing_that_signs_do_not() {
    let coloured = shown(80, &[]);
    for colour in ["\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[33m", "\x1b[1m"] {
        assert!(coloured.contains(colour), "{colour:?} is used on a terminal");
    }
    let plain = shown(80, &[("NO_COLOR", "1")]);
    are_alike(&colourless(&coloured), &plain);
}

#[test]
fn away_from_a_terminal_it_is_plain_and_80_columns_wide() {
    let mut lab = unstick(&["lab"]);
    let text = lab.rest();
    assert_eq!((lab.code(), &*lab.errors()), (0, ""));
    are_alike(&text, &shown(80, &[("NO_COLOR", "1")]));
}

#[test]
fn one_scene_is_shown_without_the_others() {
    let mut lab = unstick(&["lab", "slow-reader"]);
    let text = lab.rest();
    assert_eq!(lab.code(), 0);
    assert!(text.starts_with("── slow-reader ─"), "{text}");
    assert_eq!(text.matches("\n── ").count(), 0, "{text}");
    assert!(text.contains("→ 2 sends, 1 read: the receiver sees nothing of the boundary at 5"), "{text}");
    assert!(!text.contains(LAST));
}

#[test]
fn an_interrupt_ends_it_between_two_lines() {
    let names = ["nagle"; 500];
    let mut lab = unstick(&[&["lab"][..], &names].concat());
    lab.line();
    lab.signal(Signal::INT);
    assert_eq!(lab.code(), 130);
    let text = lab.rest();
    assert!(text.matches("── nagle").count() < names.len() - 1, "it went on to its end");
    assert!(text.ends_with('\n'));
}

#[test]
fn a_reader_that_has_gone_ends_it_quietly() {
    for rest in ["", "--json"] {
        let names = "nagle ".repeat(500);
        let script = format!("{{ \"$0\" lab {names} {rest}; echo status $? >&2; }} | head -n 1 >/dev/null");
        let mut shell = Process::start(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_unstick")]));
        assert_eq!(shell.errors(), "status 0\n");
    }
}

#[test]
fn each_name_in_the_help_is_a_scene_and_each_scene_is_in_the_help() {
    let mut played: Vec<String> = Vec::new();
    for line in unstick(&["lab", "--json"]).rest().lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("an event");
        let scene = event["scene"].as_str().expect("a scene").to_owned();
        if played.last() != Some(&scene) {
            played.push(scene);
        }
    }
    assert_eq!(super::scenes(), played);
}
