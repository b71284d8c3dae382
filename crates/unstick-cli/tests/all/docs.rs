//! Compares the documents with the program and its tables.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use unstick::wire::{FRAMINGS, Preset};

use crate::rig::{Process, Terminal, python, python_itself, unstick, unstick_listen};

/// The workspace.
fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    fs::read_to_string(home().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn printed(arguments: &[&str]) -> String {
    let mut program = unstick(arguments);
    let text = program.rest();
    assert_eq!(program.code(), 0, "{arguments:?}");
    text
}

// ---- the reference ----

const BEGIN: &str = "<!-- reference:begin -->\n";
const END: &str = "<!-- reference:end -->";

#[test]
fn the_reference_is_fresh() {
    let page = text("docs/reference.md");
    let (_, behind) = page.split_once(BEGIN).expect("the page marks where the generated part begins");
    let (found, _) = behind.split_once(END).expect("and where it ends");
    let fresh = printed(&["generate", "reference"]);
    assert!(found == fresh, "docs/reference.md is stale: CONTRIBUTING.md has the command that renews it");
}

#[test]
fn the_reference_has_every_framing_of_the_table() {
    let reference = printed(&["generate", "reference"]);
    let rows: Vec<&str> = reference.lines().filter(|line| line.starts_with("| `")).collect();
    for entry in FRAMINGS {
        let frame = entry.frame.replace('|', "\\|");
        let first = format!("`{}`", entry.examples[0]);
        let row = rows.iter().find(|row| row.contains(&frame)).unwrap_or_else(|| panic!("{} has no row", entry.name));
        assert!(row.contains(&first), "{row}");
    }
}

#[test]
fn the_reference_has_every_exit_status() {
    let reference = printed(&["generate", "reference"]);
    let source = text("crates/unstick-cli/src/status.rs");
    let body = source.split("pub enum Status {").nth(1).and_then(|rest| rest.split('}').next()).expect("the statuses");
    let values: Vec<&str> =
        body.lines().filter_map(|line| Some(line.split_once(" = ")?.1.trim_end_matches(','))).collect();
    assert!(values.len() >= 10, "{values:?}");
    for value in values {
        assert!(reference.contains(&format!("\n| {value} | ")), "status {value} is not in the reference");
    }
}

// ---- the protocols ----

#[test]
fn every_preset_has_its_line_in_the_protocols_and_no_line_is_of_none() {
    let document = text("docs/protocols.md");
    let rows: Vec<&str> =
        document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(name, _)| name).collect();
    let names: BTreeSet<&str> = Preset::all().map(|preset| preset.name).collect();
    assert_eq!(rows.len(), rows.iter().collect::<BTreeSet<_>>().len(), "a preset has two lines");
    assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), names);
}

// ---- the man page ----

#[test]
fn the_man_page_has_every_option_and_every_command_of_the_prompt() {
    let page = printed(&["generate", "man"]).replace("\\-", "-");
    for verb in
        ["listen", "connect", "ask", "send", "receive", "shake", "lab", "decode", "encode", "framings", "generate"]
    {
        let help = printed(&[verb, "--help"]);
        let words = help.split([' ', '\n', ',', '`']).filter(|word| word.starts_with("--") && *word != "--help");
        for option in words {
            assert!(page.contains(option), "{option} of {verb} is not in the man page");
        }
    }
    for entry in FRAMINGS {
        assert!(page.contains(entry.name) || page.contains(entry.examples[0]), "{}", entry.name);
    }
    let commands = text("crates/unstick-cli/src/frontend/prompt/command.rs");
    let names: Vec<&str> = commands.split(" name: \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(names.len() >= 7, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("/{name}")), "/{name} is not in the man page");
    }
    assert!(page.contains("/close 2 [CODE [REASON]]"), "the arguments of /close are not in the man page");
    let list =
        page.lines().find(|line| line.contains("u40le, i40le") || line.contains("quoted, hex, escaped, json, raw,"));
    assert_eq!(list, None, "values that shells complete are no part of an option's help");
}

#[test]
fn completions_are_there_for_each_shell_and_know_the_verbs() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["generate", "completions", shell]);
        for word in ["listen", "connect", "framings", "frame-timeout"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

// ---- versions ----

/// The value of the first `version = "..."` of a manifest.
fn version_in(manifest: &str) -> String {
    let text = text(manifest);
    let value = text.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    value.unwrap_or_else(|| panic!("{manifest} has no version")).to_owned()
}

#[test]
fn the_program_the_packages_and_the_changelog_have_one_version() {
    let version = version_in("Cargo.toml");
    let printed = printed(&["-V"]);
    assert!(printed.starts_with(&format!("unstick {version} (")), "{printed}");
    assert_eq!(version_in("python/Cargo.toml"), version, "the Python package");
    for line in text("Cargo.toml").lines().filter(|line| line.starts_with("unstick") && line.contains("path = ")) {
        assert!(line.contains(&format!("version = \"{version}\"")), "{line}");
    }
    let changelog = text("CHANGELOG.md");
    let newest = changelog.lines().find_map(|line| line.strip_prefix("## ")).expect("a heading");
    let released = newest.strip_prefix(&format!("{version} (")).and_then(|date| date.strip_suffix(')'));
    let is_date = |date: &str| date.len() == 10 && date.split('-').all(|part| part.parse::<u16>().is_ok());
    assert!(newest == "Unreleased" || released.is_some_and(is_date), "the changelog begins with {newest:?}");
}

// ---- JSON ----

#[test]
fn every_event_and_key_of_json_is_in_its_document() {
    let document = text("docs/json.md");
    let version = text("crates/unstick-cli/src/json_lines.rs");
    let version = version.split("const VERSION: u64 = ").nth(1).and_then(|rest| rest.split(';').next());
    assert!(document.contains(&format!("\n## Version {}\n", version.expect("a version"))));
    let mut listener = unstick(&["listen", "127.0.0.1:0", "--json", "-f", "line,max=9,oversize=discard"]);
    let mut seen = BTreeSet::new();
    let listening = event(&mut listener, "listening", &document, &mut seen);
    assert_eq!(listening["version"].to_string(), version.unwrap_or_default());
    let address = listening["address"].as_str().and_then(|address| address.strip_prefix("tcp://")).expect("an address");
    let mut peer = TcpStream::connect(address).unwrap();
    event(&mut listener, "open", &document, &mut seen);
    peer.write_all(b"hello\n\xff\nfar too long a line\n").unwrap();
    assert!(event(&mut listener, "message", &document, &mut seen)["text"] == "hello");
    assert!(event(&mut listener, "message", &document, &mut seen)["base64"] == "/w==");
    event(&mut listener, "lost", &document, &mut seen);
    peer.write_all(b"no end").unwrap();
    event(&mut listener, "pending", &document, &mut seen);
    listener.feed("{\"to\":1,\"text\":\"two\\nlines\"}\n");
    event(&mut listener, "error", &document, &mut seen);
    listener.feed("{\"close\":1}\n");
    event(&mut listener, "close", &document, &mut seen);
    listener.feed("{\"quit\":true}\n");
    assert_eq!(listener.code(), 0);
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--json", "-f", "slip,damaged=skip"]);
    event(&mut listener, "listening", &document, &mut seen);
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    peer.write_all(b"\xdb?\xc0fine\xc0").unwrap();
    event(&mut listener, "open", &document, &mut seen);
    event(&mut listener, "message", &document, &mut seen);
    assert_eq!(event(&mut listener, "damaged", &document, &mut seen)["bytes"], 3);
    let more = ["--echo", "--max-answers=1", "--max-sessions=1"];
    let (mut listener, port) = unstick_listen(&[&["udp://127.0.0.1:0", "--json"], &more[..]].concat());
    event(&mut listener, "listening", &document, &mut seen);
    let peers = [0, 1].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
    for _ in 0..5 {
        peers[0].send_to(b"hello", ("127.0.0.1", port)).unwrap();
    }
    event(&mut listener, "open", &document, &mut seen);
    for _ in 0..5 {
        event(&mut listener, "message", &document, &mut seen);
    }
    event(&mut listener, "unanswered", &document, &mut seen);
    peers[1].send_to(b"hello", ("127.0.0.1", port)).unwrap();
    event(&mut listener, "refused", &document, &mut seen);
    slow_peer(&document, &mut seen);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let mut client = unstick(&["connect", &address, "--json", "--reconnect"]);
    event(&mut client, "open", &document, &mut seen);
    drop(server.accept().unwrap());
    event(&mut client, "close", &document, &mut seen);
    event(&mut client, "reconnecting", &document, &mut seen);
    let source = text("crates/unstick-cli/src/frontend/json.rs");
    let known = source.split("\"event\": \"").skip(1).filter_map(|rest| rest.split('"').next());
    assert_eq!(
        known.collect::<BTreeSet<_>>(),
        seen.iter().map(String::as_str).collect(),
        "an event was not tried here"
    );
}

/// Returns the next event. Checks that it is of this kind, and that the document describes all its keys.
fn event(listener: &mut Process, kind: &str, document: &str, seen: &mut BTreeSet<String>) -> Value {
    let line = listener.line();
    let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(event["event"], kind, "{line}");
    assert!(document.contains(&format!("\n| `{kind}` |")), "{kind} has no row");
    for key in event.as_object().expect("an object").keys() {
        assert!(document.contains(&format!("`{key}`")), "the key {key} of {kind} is not described");
    }
    seen.insert(kind.to_owned());
    event
}

/// One of two peers does not read its messages.
fn slow_peer(document: &str, seen: &mut BTreeSet<String>) {
    let mut listener = unstick(&["listen", "127.0.0.1:0", "--json", "--max-queue", "256K"]);
    let listening = event(&mut listener, "listening", document, seen);
    let address = listening["address"].as_str().and_then(|address| address.strip_prefix("tcp://")).expect("an address");
    let _peers = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
    event(&mut listener, "open", document, seen);
    event(&mut listener, "open", document, seen);
    let line = format!("{{\"to\":1,\"text\":\"{}\"}}\n", "x".repeat(64 << 10));
    listener.feed(line.repeat(40));
    event(&mut listener, "slow", document, seen);
    let close = listener.expect("\"reason\":\"slow\"");
    assert!(close.contains("\"event\":\"close\",\"peer\":1"), "{close}");
}

#[test]
fn every_event_and_key_of_the_lab_is_in_its_document() {
    let document = text("docs/json.md");
    let (_, part) = document.split_once("\n# `unstick lab --json`").expect("the lab has its own section");
    let documented = part.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<String> = documented.map(str::to_owned).collect();
    let mut seen = BTreeSet::new();
    for line in printed(&["lab", "--json"]).lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in event.as_object().expect("an object").keys() {
            assert!(part.contains(&format!("`{key}`")), "the key {key} is not described: {line}");
        }
        seen.insert(event["event"].as_str().expect("a name").to_owned());
    }
    assert_eq!(seen, documented, "seen and documented");
}

/// All keys of an object and of the objects in it.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.keys().cloned());
            object.values().for_each(|inner| keys(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| keys(inner, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_a_shaking_is_in_its_document() {
    let document = text("docs/json.md");
    let (_, part) = document.split_once("\n# `unstick shake --json`").expect("shake has its own section");
    let (part, _) = part.split_once("\n# ").expect("and it ends");
    let hasty = "import os; print(len(os.read(0, 100)))";
    let python = python_itself().to_str().unwrap();
    let mut shake = unstick(&["shake", "--stdio", "--send", "hello", "--json", "--", python, "-c", hasty]);
    let report: Value = serde_json::from_str(&shake.rest()).unwrap();
    assert_eq!((shake.code(), report["verdict"].as_str()), (6, Some("broken")));
    let mut found = BTreeSet::new();
    keys(&report, &mut found);
    for key in found {
        assert!(part.contains(&format!("`{key}`")), "the key {key} is not described");
    }
}

// ---- the other documents ----

const PAPERS: [&str; 14] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/decisions.md",
    "docs/guide.md",
    "docs/json.md",
    "docs/protocols.md",
    "docs/protocols/plain.md",
    "docs/protocols/transfer.md",
    "docs/recording.md",
    "docs/reference.md",
    "docs/shake.md",
    "examples/README.md",
];

#[test]
fn links_and_paths_lead_somewhere() {
    for paper in PAPERS {
        let text = text(paper);
        let folder = home().join(paper).parent().expect("a file is in a folder").to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") {
                assert!(folder.join(path).exists(), "{paper} links to {link}");
            }
        }
        let quoted = text.split('`').skip(1).step_by(2);
        for path in quoted.filter(|word| word.starts_with("crates/") && !word.contains([' ', '*', '<', '{'])) {
            assert!(home().join(path).exists(), "{paper} speaks of {path}");
        }
    }
}

#[test]
fn every_example_is_introduced_and_short() {
    let introduction = text("examples/README.md");
    for folder in
        ["examples/python", "crates/unstick/examples", "crates/unstick-shake/examples", "crates/unstick-wire/examples"]
    {
        let files: Vec<PathBuf> = fs::read_dir(home().join(folder)).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(!files.is_empty(), "{folder}");
        for file in files.iter().filter(|file| file.is_file()) {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap();
            assert!(introduction.contains(name), "examples/README.md says nothing of {name}");
            assert!(fs::read_to_string(file).unwrap().lines().count() <= 60, "{name} is over 60 lines");
        }
    }
}

#[test]
fn the_demonstration_of_the_readme_happens() {
    let readme = text("README.md");
    assert!(readme.lines().count() <= 200, "the README is one page: the rest belongs in docs/");
    let mut listener = Terminal::unstick(&["listen", "127.0.0.1:0", "-f", "struct:i"], 100);
    let screen = listener.shows("listening on tcp://127.0.0.1:");
    // The prompt is drawn: from now on the prompt reads the keys, not the terminal.
    listener.shows("nobody>");
    let port =
        screen.split("127.0.0.1:").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    let port = port.and_then(|port| port.parse().ok()).expect("it names its port");
    let mut two_sends = python("struct_two_sends.py", port, &[]);
    assert_eq!(two_sends.code(), 0);
    listener.shows("1> World");
    listener.shows("peer 1 left: 127.0.0.1:");
    let mut script = python("struct_client.py", port, &["Grüße aus Python"]);
    listener.shows("2> Grüße aus Python");
    // Until the prompt is drawn again, the terminal itself may echo the keys.
    listener.shows("to 2>");
    listener.types("and greetings back\r");
    assert_eq!(script.rest(), "answer: and greetings back\n");
    listener.shows("peer 2 left: 127.0.0.1:");
    // The line above the prompt is drawn before the prompt changes.
    let screen = listener.shows("nobody>");
    let without_ports = |text: &str| {
        text.lines().map(|line| line.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).collect::<Vec<_>>()
    };
    for line in without_ports(&screen).iter().skip(1).filter(|line| !line.is_empty()) {
        let known = without_ports(&readme).iter().any(|known| known.trim_end() == line.trim_end());
        assert!(known, "the README does not show the line {line:?}");
    }
    for line in ["1> Hello", "1> World", "2> Grüße aus Python", "to 2> and greetings back"] {
        assert!(screen.contains(line), "{line}");
    }
}

#[test]
fn the_scene_of_the_readme_is_what_the_lab_draws() {
    let readme = text("README.md");
    let (_, behind) = readme.split_once("$ unstick lab slow-reader\n").expect("the README shows a scene");
    let (shown, _) = behind.split_once("```").expect("and its end");
    // Times are of the run that the README shows.
    let timeless =
        |line: &str| line.trim_start_matches(|c: char| c == ' ' || c == '.' || c.is_ascii_digit()).to_owned();
    let drawn = printed(&["lab", "slow-reader"]);
    let drawn: Vec<String> = drawn.lines().map(timeless).collect();
    let shown: Vec<String> = shown.lines().map(timeless).collect();
    assert!(shown.len() > 12, "{shown:?}");
    assert_eq!(shown, drawn[..shown.len()]);
}

#[test]
fn the_report_in_the_docs_is_what_shake_says() {
    let page = text("docs/shake.md");
    let (_, behind) = page.split_once("$ unstick shake --to 127.0.0.1:0 ").expect("the page shows a report");
    let (arguments, behind) = behind.split_once('\n').expect("a line");
    let (shown, _) = behind.split_once("```").expect("and its end");
    let mut command = Command::new("sh");
    let line = format!("exec {} shake --to 127.0.0.1:0 {arguments}", env!("CARGO_BIN_EXE_unstick"));
    // This starts Python many times, and `python3` may be a script that looks for the real one each time.
    let python = python_itself().parent().expect("it is in a folder").display();
    let path = format!("{python}:{}", std::env::var("PATH").unwrap());
    let mut shake = Process::start(command.args(["-c", &line]).current_dir(home()).env("PATH", path));
    let said = shake.rest();
    assert_eq!(shake.code(), 6, "{said}");
    // These differ from the run that the page shows: times and paths, how many cuts the server read before it broke off, and
    // whether unread bytes turned its end into a reset.
    let known = |text: &str| -> Vec<String> {
        let of_the_run = ["run it again", "File \"", "<module>", " s of a conversation", " cuts and joins delivered"];
        let lines = text.lines().filter(|line| !of_the_run.iter().any(|part| line.contains(part)));
        lines.map(|line| line.split("; then it").next().unwrap_or_default().replace(", reset", "")).collect()
    };
    assert!(known(shown).len() > 12, "{shown}");
    assert_eq!(known(&said), known(shown));
}
