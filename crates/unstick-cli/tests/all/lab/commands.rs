//! The commands that `lab` prints, typed unchanged in two windows; only the ports differ.

use std::thread;

use crate::rig::{Terminal, port_at_end, unstick};

/// Commands for two windows, and the text that one of them then shows.
#[derive(Debug)]
struct Trial {
    first: String,
    second: String,
    window: u8,
    shows: Vec<String>,
}

/// The trials that a scene prints.
fn trials(scene: &str) -> Vec<Trial> {
    let text = unstick(&["lab", scene]).rest();
    let (_, part) = text.split_once("  Try it with unstick, in two windows\n").expect("every scene has commands");
    let blocks = part.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks.map(trial).collect()
}

fn trial(block: &str) -> Trial {
    let (notes, lines): (Vec<&str>, Vec<&str>) =
        block.lines().map(|line| &line[4..]).partition(|line| line.starts_with('#'));
    let mut commands: Vec<String> = Vec::new();
    for line in lines {
        match commands.last_mut().filter(|last| last.ends_with('|')) {
            Some(last) => *last += line,
            None => commands.push(line.to_owned()),
        }
    }
    let shown = notes.last().and_then(|note| note.strip_prefix("# window ")).expect("the expected text");
    let window = shown[..1].parse().expect("a window's number");
    let shows = shown.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let [first, second] = commands.try_into().expect("two commands");
    Trial { first, second, window, shows }
}

impl Trial {
    fn type_it(&self) {
        let (mut first, mut second) = (window(), window());
        first.types(self.first.replace("listen 8080", "listen 0").replace(":9005", ":0") + "\r");
        let listening = first.written_up_to("://[::1]:");
        let at = listening.find("listening on ").expect("it prints its address");
        let address = listening[at..].split_whitespace().nth(2).expect("an address");
        let port = port_at_end(address).expect("it ends in a port").to_string();
        second.types(self.second.replace("8080", &port).replace("9005", &port) + "\r");
        let seen = if self.window == 1 { first } else { second };
        for text in &self.shows {
            seen.shows_beside(text, "unstick ");
        }
    }
}

/// A shell that finds the program by its name.
fn window() -> Terminal {
    let mut shell = Terminal::shell(250);
    shell.types("PATH=\"$(dirname \"$UNSTICK\"):$PATH\"; echo re''ady\r");
    shell.shows("\nready");
    shell
}

#[test]
fn every_command_that_is_printed_shows_what_it_is_said_to() {
    let scenes = super::scenes();
    assert!(!scenes.is_empty());
    thread::scope(|scope| {
        for scene in &scenes {
            scope.spawn(move || {
                let trials = trials(scene);
                assert!(!trials.is_empty(), "{scene}");
                trials.iter().for_each(Trial::type_it);
            });
        }
    });
}
