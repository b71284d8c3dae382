//! Runs the commands of docs/guide.md in shells, and compares what they print.
//!
//! Each section has its own network, so that the ports in the text are free. Each block of a section stands for a
//! window.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::rig::{Process, Terminal};

/// Columns of a window: the longest line of the guide is shorter.
const COLUMNS: u16 = 200;

/// Number of sections to play at once. Each starts several programs, and the lines of a screen come from several threads of a
/// program. On a machine that is too busy, they may arrive in another order.
const AT_ONCE: usize = 2;

/// The time limit of a section, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A network namespace, which ends when this is dropped.
struct Network(Process);

impl Network {
    fn new() -> Network {
        let mut holder = Command::new("unshare");
        holder.args(["--user", "--map-root-user", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"]);
        let mut holder = Process::start(&mut holder);
        assert_eq!(holder.line(), "up", "{}", holder.errors());
        Network(holder)
    }

    /// A shell inside.
    fn window(&self) -> Terminal {
        Terminal::shell_in_network(COLUMNS, self.0.id(), &home())
    }
}

/// A block of the guide: what is typed and what is printed, line by line.
struct Window<'a> {
    lines: Vec<&'a str>,
    terminal: Option<Terminal>,
    /// Number of lines that have been typed, or seen.
    done: usize,
}

impl Window<'_> {
    /// Goes on as far as the screen allows.
    fn go_on(&mut self, network: &Network) {
        let terminal = self.terminal.get_or_insert_with(|| network.window());
        loop {
            let rows = terminal.rows();
            let Some(line) = self.lines.get(self.done) else { return };
            let row = rows.get(self.done).map(String::as_str).unwrap_or_default();
            if same(row, line) {
                self.done += 1;
            } else if rows.len() == self.done + 1 && types(row, line) {
                let typed = line[row.len()..].trim_start();
                terminal.types(format!("{typed}\r"));
                terminal.shows(typed);
            } else {
                return;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.done == self.lines.len()
    }

    /// Whether the next window can be opened: the commands of this one have ended, or the last of them has printed something.
    fn is_under_way(&self) -> bool {
        self.is_done() || self.done > 1 && !self.lines[self.done - 1].starts_with("$ ")
    }

    fn screen(&self) -> String {
        self.terminal.as_ref().map(|terminal| terminal.rows().join("\n")).unwrap_or_default()
    }
}

/// Whether this row is the prompt after which this line of the guide is typed.
fn types(row: &str, line: &str) -> bool {
    (row == "$" || row.starts_with("to ") && row.ends_with('>')) && line.starts_with(row)
}

/// Replaces the parts that differ from run to run: fingerprints, ports that the system chose, and times.
fn steady(text: &str) -> String {
    let is_fingerprint = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let text = text.split(' ').map(|word| if is_fingerprint(word) { "*" } else { word }).collect::<Vec<_>>().join(" ");
    let mut steady = String::new();
    let mut digits = String::new();
    for next in text.chars().chain(['\0']) {
        if next.is_ascii_digit() {
            digits.push(next);
            continue;
        }
        let is_chosen = digits.len() == 5 && digits.as_str() > "32767" && steady.ends_with(':');
        let is_time = digits.len() > 2 && steady.ends_with('.') || [':', '.'].contains(&next) && digits.len() == 2;
        steady += if is_chosen || is_time { "0" } else { &digits };
        digits.clear();
        steady.push(next);
    }
    steady.pop();
    steady
}

fn same(row: &str, line: &str) -> bool {
    steady(row) == steady(line.trim_end())
}

#[test]
fn every_command_of_the_guide_prints_what_the_guide_shows() {
    let guide = std::fs::read_to_string(home().join("docs/guide.md")).unwrap();
    let sections: Vec<&str> = guide.split("\n## ").skip(1).collect();
    assert!(sections.len() >= 8, "the guide has {} sections", sections.len());
    let (left, faults) = (Mutex::new(sections.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some(section) = next else { return };
                    if let Err(fault) = fault(section) {
                        faults.lock().unwrap().push(fault);
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

/// Plays the windows of a section.
fn fault(section: &str) -> Result<(), String> {
    let title = section.lines().next().unwrap_or_default();
    let blocks = section.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut windows: Vec<Window<'_>> =
        blocks.map(|block| Window { lines: block.lines().collect(), terminal: None, done: 0 }).collect();
    let network = Network::new();
    let deadline = Instant::now() + LIMIT;
    while !windows.iter().all(Window::is_done) {
        for at in 0..windows.len() {
            if at == 0 || windows[at - 1].is_under_way() {
                windows[at].go_on(&network);
            }
        }
        if Instant::now() > deadline {
            let stuck = windows.iter().find(|window| !window.is_done()).expect("one is not done");
            let screens: Vec<String> = windows.iter().map(Window::screen).collect();
            return Err(format!(
                "{title}: waited for {:?}; the windows:\n{}",
                stuck.lines[stuck.done],
                screens.join("\n----\n")
            ));
        }
        windows.iter().filter_map(|window| window.terminal.as_ref()).for_each(Terminal::may_change);
    }
    Ok(())
}
