//! A case: where the bytes of a conversation are cut and joined, and its short text form.

use std::fmt;
use std::str::FromStr;

use crate::error::SpecError;
use crate::role::Role;

/// The direction of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client to the server.
    ClientToServer,
    /// From the server to the client.
    ServerToClient,
}

impl Direction {
    /// Both directions, the client's first.
    pub const BOTH: [Self; 2] = [Self::ClientToServer, Self::ServerToClient];

    /// Its short name in cases: `c2s` or `s2c`.
    pub fn short(self) -> &'static str {
        match self {
            Self::ClientToServer => "c2s",
            Self::ServerToClient => "s2c",
        }
    }

    /// The side that sends the bytes of this direction.
    pub fn sender(self) -> Role {
        match self {
            Self::ClientToServer => Role::Client,
            Self::ServerToClient => Role::Server,
        }
    }

    /// 0 for the client's bytes, 1 for the server's.
    pub fn index(self) -> usize {
        self as usize
    }
}

impl From<Role> for Direction {
    fn from(sender: Role) -> Self {
        match sender {
            Role::Client => Self::ClientToServer,
            Role::Server => Self::ServerToClient,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientToServer => "client→server",
            Self::ServerToClient => "server→client",
        })
    }
}

/// One change to how a direction's bytes are delivered. Offsets count the bytes of that direction from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edit {
    /// `cut@17`: the first 17 bytes are read before the next is sent.
    Cut(u64),
    /// `join@0..9`: these bytes arrive in one segment, however they were sent. Without an end: up to the stream's end.
    Join(u64, Option<u64>),
    /// `bytes`, `every@536`, `every@1..4096`: a cut after every N bytes, up to an offset if one is given.
    Every(u64, Option<u64>),
    /// `cut@end`: all bytes are read before the end of the stream is passed on.
    CutEnd,
    /// `half-close`: the sender ends its side right after its last byte, before the answer has come.
    HalfClose,
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(at) => write!(f, "cut@{at}"),
            Self::Join(from, Some(to)) => write!(f, "join@{from}..{to}"),
            Self::Join(from, None) => write!(f, "join@{from}..end"),
            Self::Every(1, None) => f.write_str("bytes"),
            Self::Every(step, None) => write!(f, "every@{step}"),
            Self::Every(step, Some(to)) => write!(f, "every@{step}..{to}"),
            Self::CutEnd => f.write_str("cut@end"),
            Self::HalfClose => f.write_str("half-close"),
        }
    }
}

/// A set of cuts and joins: one way to deliver a conversation's bytes.
///
/// Its text is `c2s:cut@17,s2c:join@0..9`; `uncut` is the case that changes nothing.
///
/// ```
/// use unstick_wire::shake::Case;
/// let case: Case = "s2c:join@0..9,c2s:cut@17".parse()?;
/// assert_eq!(case.to_string(), "c2s:cut@17,s2c:join@0..9");
/// # Ok::<(), unstick_wire::SpecError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Case {
    edits: Vec<(Direction, Edit)>,
}

impl Case {
    /// The case that passes bytes on as they arrive.
    pub fn uncut() -> Self {
        Self::default()
    }

    /// The case that joins whatever arrives without a pause, in both directions.
    pub fn joined() -> Self {
        Direction::BOTH.into_iter().map(|way| (way, Edit::Join(0, None))).collect()
    }

    /// A case of one edit.
    pub fn one(direction: Direction, edit: Edit) -> Self {
        Self { edits: vec![(direction, edit)] }
    }

    /// The edits, in order, each once.
    pub fn edits(&self) -> &[(Direction, Edit)] {
        &self.edits
    }

    /// Whether a direction ends before the sender knows that the answer has come.
    pub fn ends_early(&self, direction: Direction) -> bool {
        self.of(direction).any(|edit| matches!(edit, Edit::HalfClose | Edit::CutEnd))
    }

    /// The edits of one direction.
    pub fn of(&self, direction: Direction) -> impl Iterator<Item = Edit> + '_ {
        self.edits.iter().filter(move |(way, _)| *way == direction).map(|(_, edit)| *edit)
    }
}

impl FromIterator<(Direction, Edit)> for Case {
    fn from_iter<I: IntoIterator<Item = (Direction, Edit)>>(edits: I) -> Self {
        let mut edits: Vec<_> = edits.into_iter().collect();
        edits.sort_unstable();
        edits.dedup();
        Self { edits }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.edits.is_empty() {
            return f.write_str("uncut");
        }
        for (index, (direction, edit)) in self.edits.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{}:{edit}", direction.short())?;
        }
        Ok(())
    }
}

impl FromStr for Case {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        if text == "uncut" {
            return Ok(Self::default());
        }
        text.split(',').map(|edit| parse(edit.trim()).ok_or_else(|| refusal(edit))).collect()
    }
}

fn refusal(edit: &str) -> SpecError {
    SpecError::new(format!("`{edit}` is neither a cut nor a join")).with_hint(
        "a case is written c2s:cut@17,s2c:join@0..9, c2s:bytes, s2c:every@536, c2s:cut@end or c2s:half-close",
    )
}

fn parse(text: &str) -> Option<(Direction, Edit)> {
    let (way, edit) = text.split_once(':')?;
    let direction = Direction::BOTH.into_iter().find(|direction| direction.short() == way)?;
    let (name, place) = edit.split_once('@').unwrap_or((edit, ""));
    let range = |place: &str| {
        let (from, to) = place.split_once("..")?;
        let to = if to == "end" { None } else { Some(number(to)?) };
        Some((number(from)?, to))
    };
    let edit = match (name, place) {
        ("bytes", "") => Edit::Every(1, None),
        ("cut", "end") => Edit::CutEnd,
        ("half-close", "") => Edit::HalfClose,
        ("cut", at) => Edit::Cut(number(at).filter(|at| *at > 0)?),
        ("join", place) => range(place).map(|(from, to)| Edit::Join(from, to))?,
        ("every", place) if place.contains("..") => range(place).map(|(step, to)| Edit::Every(step, to))?,
        ("every", step) => Edit::Every(number(step)?, None),
        _ => return None,
    };
    let sensible = match edit {
        Edit::Join(from, Some(to)) => from + 1 < to,
        Edit::Every(step, _) => step > 0,
        _ => true,
    };
    sensible.then_some((direction, edit))
}

/// Parses digits only: `+17` is no offset.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok().filter(|n| *n < u64::MAX) } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn cases_are_read_as_they_are_written() {
        for text in [
            "uncut",
            "c2s:cut@17",
            "c2s:cut@1,c2s:cut@2,s2c:join@0..9",
            "c2s:bytes",
            "s2c:every@536",
            "c2s:every@1..4096",
            "c2s:cut@end",
            "c2s:half-close",
            "s2c:join@5..end",
        ] {
            assert_eq!(text.parse::<Case>().unwrap().to_string(), text);
        }
        assert_eq!("s2c:cut@2, c2s:cut@9,s2c:cut@2".parse::<Case>().unwrap().to_string(), "c2s:cut@9,s2c:cut@2");
    }

    #[test]
    fn what_is_no_case_is_refused_with_an_example() {
        for text in [
            "",
            "cut@3",
            "c2s:cut",
            "c2s:cut@0",
            "c2s:cut@-1",
            "c2s:cut@+1",
            "s2c:join@3..4",
            "c2s:every@0",
            "x2y:cut@1",
            "c2s:bytes@4",
            "c2s:half-close@4",
        ] {
            let error = text.parse::<Case>().unwrap_err();
            assert!(error.hint().unwrap().contains("c2s:cut@17"), "{text}");
        }
    }
}
