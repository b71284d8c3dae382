//! Reads options for every run from a file: one option a line, as the user would type it.
//!
//! Typed options come after those of the file, so a single value that is typed replaces the file's. One file serves all
//! verbs: a line whose option this verb does not have is skipped. A line whose option no verb has is a mistake.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::options::decode::AUTO;
use clap::{Arg, ArgAction, Command};
use unstick::wire::Framing;
use unstick::{Error, Result};

use crate::io_format::Format;
use crate::{output, user_folders};

/// Bytes of the file that are read: options are few, and a wrong file must not be read whole.
const MAX_CONFIG: u64 = 64 << 10;

/// Environment variable that names another file than the usual one; empty for none.
const VARIABLE: &str = "UNSTICK_CONFIG";

const HINT: &str = "--no-config leaves the file out";

/// A file of options.
#[derive(Debug, Default)]
pub struct Config {
    path: PathBuf,
    lines: Vec<Line>,
}

/// A line that holds an option.
#[derive(Debug)]
struct Line {
    number: usize,
    /// The option as the user types it: `--idle`.
    option: String,
    value: Option<String>,
}

impl Config {
    /// Reads the file of this run, unless the user typed `--no-config`.
    ///
    /// # Errors
    ///
    /// If a file that was named cannot be read, or a line of it is not an option.
    pub fn of_user(typed: &[OsString], command: &Command) -> Result<Self> {
        let mut words = typed.iter().take_while(|word| *word != "--");
        if verb(typed, command).is_none() || words.any(|word| word == "--no-config") {
            return Ok(Self::default());
        }
        let named = std::env::var_os(VARIABLE);
        let path = match &named {
            Some(path) if path.is_empty() => return Ok(Self::default()),
            Some(path) => PathBuf::from(path),
            None => match user_folders::config().map(|folder| folder.join("config")) {
                Some(path) if path.exists() => path,
                _ => return Ok(Self::default()),
            },
        };
        let text = read(&path).map_err(|what| {
            let hint = if named.is_some() { "UNSTICK_CONFIG= leaves it out, and so does --no-config" } else { HINT };
            Error::usage(format!("{}: {what}", path.display())).with_hint(hint)
        })?;
        Self::parse(path, &text)
    }

    /// Whether the file adds nothing to the typed options.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn parse(path: PathBuf, text: &str) -> Result<Self> {
        let mut config = Self { path, lines: Vec::new() };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if !line.starts_with('-') || line.trim_matches('-').is_empty() {
                let what = format!("{}: `{line}` is not an option", config.place(number));
                return Err(Error::usage(what).with_hint("a line is one option, such as --color=never or -f u32be"));
            }
            let end = line.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(line.len());
            let value = (end < line.len()).then(|| line[end + 1..].trim_start().to_owned());
            config.lines.push(Line { number, option: line[..end].to_owned(), value });
        }
        Ok(config)
    }

    /// `FILE:LINE`.
    fn place(&self, number: usize) -> String {
        format!("{}:{number}", self.path.display())
    }

    /// Inserts the file's options after the typed verb, as far as the verb has them.
    ///
    /// # Errors
    ///
    /// If a line has an option that no verb has, or one that conflicts with the typed options.
    pub fn add_to(&self, typed: &[OsString], command: &Command) -> Result<Vec<OsString>> {
        let Some((at, verb)) = verb(typed, command).filter(|_| !self.lines.is_empty()) else {
            return Ok(typed.to_vec());
        };
        let mut added = Vec::new();
        let mut whole = typed.to_vec();
        let fails = |words: &[OsString]| command.clone().try_get_matches_from(words).err().filter(|e| e.use_stderr());
        let fails_anyway = fails(typed).is_some();
        for line in &self.lines {
            let fits = |verb: &Command| verb.get_arguments().any(|arg| line.fits(arg));
            let is_global = command.get_arguments().any(|arg| line.fits(arg));
            if !is_global && !command.get_subcommands().any(fits) {
                return Err(self.unknown(line, command));
            }
            if !is_global && !fits(verb) {
                continue;
            }
            let arg = verb.get_arguments().find(|arg| line.fits(arg));
            if let Some(wrong) = arg.and_then(|arg| line.wrong_value(arg.get_id().as_str())) {
                return Err(Error::usage(format!("{}: {wrong}", self.place(line.number))).with_hint(HINT));
            }
            added.extend(line.words());
            whole = [&typed[..=at], &added, &typed[at + 1..]].concat();
            if !fails_anyway && let Some(error) = fails(&whole) {
                let what = format!("{}: {}", self.place(line.number), crate::usage::sentence(&error, command));
                return Err(Error::usage(what).with_hint(HINT));
            }
        }
        Ok(whole)
    }

    /// Returns the error for a line whose option no verb has, or no verb has with (or without) a value.
    fn unknown(&self, line: &Line, command: &Command) -> Error {
        let named = |arg: &Arg| line.names(arg);
        let known = command.get_subcommands().flat_map(Command::get_arguments).chain(command.get_arguments());
        let what = match (known.into_iter().any(named), &line.value) {
            (false, _) => format!("no verb has an option {}", line.option),
            (true, None) => format!("{} needs a value", line.option),
            (true, Some(value)) => format!("{} takes no value, but `{value}` follows it", line.option),
        };
        Error::usage(format!("{}: {what}", self.place(line.number))).with_hint(HINT)
    }
}

impl Line {
    /// Whether the line names this option. Help is for people at a command line: a file cannot ask for it.
    fn names(&self, arg: &Arg) -> bool {
        if matches!(arg.get_action(), ArgAction::Help) {
            return false;
        }
        match self.option.strip_prefix("--") {
            Some(name) => {
                arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|others| others.contains(&name))
            }
            None => arg.get_short().is_some_and(|short| self.option == format!("-{short}")),
        }
    }

    /// Whether the line names this option, and has a value exactly if the option takes one.
    fn fits(&self, arg: &Arg) -> bool {
        self.names(arg) && arg.get_action().takes_values() == self.value.is_some()
    }

    /// Returns what is wrong with a value whose meaning clap does not check: a framing or a format.
    fn wrong_value(&self, id: &str) -> Option<String> {
        let value = self.value.as_deref()?;
        match id {
            "frame" if value == AUTO => None,
            "frame" | "frame_in" | "frame_out" | "to_frame" => {
                Framing::parse(value).err().map(|error| error.to_string())
            }
            "io" => value.parse::<Format>().err().map(|error| error.to_string()),
            _ => None,
        }
    }

    fn words(&self) -> Vec<OsString> {
        std::iter::once(self.option.as_str()).chain(self.value.as_deref()).map(OsString::from).collect()
    }
}

/// Returns the typed verb and its place.
fn verb<'a>(typed: &[OsString], command: &'a Command) -> Option<(usize, &'a Command)> {
    typed.iter().enumerate().skip(1).find_map(|(at, word)| Some((at, command.find_subcommand(word)?)))
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| output::reason(&error))?;
    file.take(MAX_CONFIG + 1).read_to_end(&mut text).map_err(|error| output::reason(&error))?;
    if text.len() as u64 > MAX_CONFIG {
        return Err("over 64 KiB, the largest file of options".to_owned());
    }
    String::from_utf8(text).map_err(|_| "not text in UTF-8".to_owned())
}
