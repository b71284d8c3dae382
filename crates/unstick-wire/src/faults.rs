//! Injects faults on request: a plan says what happens to the messages or bytes of a conversation, and a seed repeats
//! it.
//!
//! A [`Plan`] is parsed from specs such as `loss=5%` and `c2s:reset,after=10`. Its [`FaultInjector`] for one direction
//! of one conversation takes what is sent and says what happens to it. That depends only on the seed, the position and
//! the time that is passed in, so it is the same for every conversation.
//!
//! ```
//! use std::time::Instant;
//! use unstick_wire::Role;
//! use unstick_wire::faults::{Next, Plan, Unit};
//!
//! let plan = Plan::parse(&["c2s:dup=100%"])?;
//! let mut injector = plan.injector(Role::Client, Unit::Messages, 7);
//! # #[allow(clippy::disallowed_methods)]
//! let now = Instant::now();
//! injector.take(b"hello", now);
//! assert!(matches!(injector.next(now), Next::Deliver(message) if message == "hello"));
//! assert!(matches!(injector.next(now), Next::Deliver(message) if message == "hello"));
//! assert!(matches!(injector.next(now), Next::Input));
//! # Ok::<(), unstick_wire::SpecError>(())
//! ```

mod injector;
mod kinds;

use std::time::Duration;

use crate::error::SpecError;
use crate::quantity::{parse_duration, parse_number, parse_size};
use crate::role::Role;

use kinds::{Chance, Fault, Kind, NAMES};

pub use injector::{FaultInjector, Next};
pub use kinds::Unit;

/// The faults of both directions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    faults: Vec<Fault>,
}

/// The longest pause, a day: a longer one is no pause, but the end of the test.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Plan {
    /// Parses specs: `loss=5%`, `c2s:stall=2s,after=10`; one text may hold several, separated by blanks.
    ///
    /// # Errors
    ///
    /// When a spec has no meaning.
    pub fn parse(specs: &[impl AsRef<str>]) -> Result<Self, SpecError> {
        let words = specs.iter().flat_map(|spec| spec.as_ref().split_whitespace());
        let faults = words.map(fault).collect::<Result<Vec<_>, _>>()?;
        if faults.is_empty() && !specs.is_empty() {
            return Err(SpecError::new("a fault is missing").with_hint("such as loss=5%"));
        }
        Ok(Self { faults })
    }

    /// Whether there are no faults.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Whether every fault of one side has a meaning for this unit.
    ///
    /// # Errors
    ///
    /// Names the first fault that has no meaning.
    pub fn check(&self, from: Role, unit: Unit) -> Result<(), SpecError> {
        let (who, other) = match from {
            Role::Client => ("client", "s2c"),
            Role::Server => ("server", "c2s"),
        };
        for (_, fault) in self.of(from) {
            let (name, messages, bytes) = NAMES[fault.kind.row()];
            let (kind, what, hint) = match unit {
                Unit::Bytes if !bytes => ("messages", "bytes without boundaries", ""),
                Unit::Messages if !messages => ("bytes", "messages", "truncate is for messages; "),
                _ => continue,
            };
            let error = SpecError::new(format!("{name} is for {kind}, and what the {who} says are {what}"));
            let error = error.with_hint(format!("{hint}{other}:{name} is for the other direction"));
            return Err(if unit == Unit::Bytes { error.needing_framing() } else { error });
        }
        Ok(())
    }

    /// Makes the injector for what one side sends in one conversation.
    pub fn injector(&self, from: Role, unit: Unit, seed: u64) -> FaultInjector {
        FaultInjector::new(self.of(from).map(|(number, fault)| (number, *fault)).collect(), from, unit, seed)
    }

    fn of(&self, from: Role) -> impl Iterator<Item = (usize, &Fault)> {
        let concerns = move |fault: &Fault| fault.from.is_none_or(|side| side == from);
        self.faults.iter().enumerate().filter(move |(_, fault)| concerns(fault))
    }
}

/// `[c2s:|s2c:]NAME[=VALUE][,gap=N][,after=N]`.
fn fault(word: &str) -> Result<Fault, SpecError> {
    let (from, rest) = match word.split_once(':') {
        Some(("c2s", rest)) => (Some(Role::Client), rest),
        Some(("s2c", rest)) => (Some(Role::Server), rest),
        Some((other, _)) if !other.contains('=') => {
            let error = SpecError::new(format!("`{other}:` in `{word}` is not a direction"));
            return Err(error.with_hint("c2s: is to the server, s2c: is back, neither is both"));
        }
        _ => (None, word),
    };
    let mut parts = rest.split(',');
    let (name, value) = pair(parts.next().unwrap_or_default());
    if name.is_empty() {
        let error = SpecError::new(format!("a fault is missing in `{word}`"));
        return Err(error.with_hint("such as loss=5% or c2s:loss=5%, without blanks"));
    }
    let (mut after, mut gap) = (None, None);
    for part in parts {
        match pair(part) {
            ("after", Some(count)) if after.is_none() => after = Some(size(part, count)?),
            ("gap", Some(count)) if name == "reorder" && gap.is_none() => gap = Some(size(part, count)?.max(1)),
            (other, _) => return Err(misplaced(word, part, other)),
        }
    }
    Ok(Fault { from, after: after.unwrap_or(0), kind: kind(word, name, value, gap.unwrap_or(1))? })
}

/// Reports a part after a comma that this fault does not take, or was given twice.
fn misplaced(word: &str, part: &str, name: &str) -> SpecError {
    let error = SpecError::new(format!("`{part}` has no meaning in `{word}`"));
    match NAMES.iter().any(|(fault, ..)| *fault == name) {
        true => error.with_hint("separate two faults with a blank"),
        false => error.with_hint("after=N lets N messages or bytes pass first; reorder takes gap=N; each once"),
    }
}

fn pair(part: &str) -> (&str, Option<&str>) {
    part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)))
}

fn kind(word: &str, name: &str, value: Option<&str>, gap: u64) -> Result<Kind, SpecError> {
    let wrong = |such: &str| {
        let what = SpecError::new(format!("`{word}` has no amount"));
        what.with_hint(format!("such as {such}"))
    };
    let chance = |such: &str| value.and_then(chance).ok_or_else(|| wrong(such));
    // A unit is required: half of the world's delays are written in milliseconds.
    let time = |value: &str, such: &str| {
        let time = parse_duration(value).filter(|time| *time <= LONGEST && value.ends_with(char::is_alphabetic));
        time.ok_or_else(|| wrong(such))
    };
    Ok(match (name, value) {
        ("loss", _) => Kind::Loss(chance("loss=5%")?),
        ("dup", _) => Kind::Duplicate(chance("dup=1%")?),
        ("reorder", _) => Kind::Reorder(chance("reorder=2%,gap=3")?, gap),
        ("corrupt", _) => Kind::Corrupt(chance("corrupt=1:1000")?),
        ("truncate", None) => Kind::Truncate(None),
        ("truncate", _) => Kind::Truncate(Some(chance("truncate=1%")?)),
        ("delay", Some(value)) => {
            let such = "delay=50ms or delay=50ms..80ms";
            let (least, most) = value.split_once("..").unwrap_or((value, value));
            // 50..80ms
            let unit = most.trim_start_matches(|digit: char| digit.is_ascii_digit() || digit == '.');
            let least = if least.ends_with(char::is_numeric) { least.to_owned() + unit } else { least.to_owned() };
            match (time(&least, such)?, time(most, such)?) {
                (least, most) if least <= most => Kind::Delay(least, most),
                _ => return Err(wrong(such)),
            }
        }
        ("rate", Some(value)) => {
            Kind::Rate(parse_size(value).filter(|rate| *rate > 0).ok_or_else(|| wrong("rate=1M, in bytes a second"))?)
        }
        ("stall", Some(value)) => Kind::Stall(time(value, "stall=2s")?),
        ("cut", Some(value)) => Kind::Cut(parse_size(value).filter(|size| *size > 0).ok_or_else(|| wrong("cut=1"))?),
        ("close", None) => Kind::Close,
        ("reset", None) => Kind::Reset,
        ("delay" | "rate" | "stall" | "cut", None) => {
            return Err(wrong(match name {
                "delay" => "delay=50ms",
                "rate" => "rate=1M",
                "stall" => "stall=2s",
                _ => "cut=1",
            }));
        }
        ("close" | "reset", Some(_)) => {
            return Err(
                SpecError::new(format!("`{word}`: {name} takes no value")).with_hint(format!("{name},after=10"))
            );
        }
        _ => return Err(unknown(name)),
    })
}

fn unknown(name: &str) -> SpecError {
    let names: Vec<&str> = NAMES.iter().map(|(name, ..)| *name).collect();
    SpecError::new(format!("there is no fault `{name}`")).with_hint(format!("there are {}", names.join(", ")))
}

fn size(part: &str, text: &str) -> Result<u64, SpecError> {
    let such = if part.starts_with("gap") { "such as gap=3" } else { "such as after=10" };
    parse_size(text).ok_or_else(|| SpecError::new(format!("`{part}` is not a number")).with_hint(such))
}

/// Digits, perhaps with a point among them.
fn parse_share(text: &str) -> Option<f64> {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then(|| text.parse().ok()).flatten()
}

/// `5%`, `0.1%`, `1:1000`.
fn chance(text: &str) -> Option<Chance> {
    const WHOLE: f64 = 4_294_967_296.0;
    let share = match (text.strip_suffix('%'), text.split_once(':')) {
        (Some(percent), _) => parse_share(percent)? / 100.0,
        (None, Some((of, all))) => {
            f64::from(parse_number::<u32>(of)?) / f64::from(parse_number::<u32>(all).filter(|all| *all > 0)?)
        }
        (None, None) => return None,
    };
    (0.0..=1.0).contains(&share).then_some(Chance((share * WHOLE) as u64))
}
