//! Patterns for paths, as in a shell: `*`, `?`, `[a-z]`, and `**` across directories.

use crate::error::{Error, Result};

/// A pattern that paths are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    parts: Vec<Part>,
    /// The pattern has a `/`, so it is compared with the whole path instead of the last component.
    whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Byte(u8),
    /// `?`
    Any,
    /// `[...]`
    Set {
        not: bool,
        ranges: Vec<(u8, u8)>,
    },
    /// `*`
    Some,
    /// `**`: like `*`, but also across `/`.
    All,
    /// `**/`: any number of whole directories, or none.
    Directories,
}

impl Part {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::Any | Self::Some => byte != b'/',
            Self::Set { not, ranges } => {
                byte != b'/' && ranges.iter().any(|(from, to)| (*from..=*to).contains(&byte)) != *not
            }
            Self::All | Self::Directories => true,
        }
    }

    /// Whether it matches any number of bytes, including none.
    fn repeats(&self) -> bool {
        matches!(self, Self::Some | Self::All | Self::Directories)
    }
}

impl Glob {
    /// Parses a pattern. `\\` makes the next character stand for itself.
    ///
    /// # Errors
    ///
    /// If the pattern is empty, ends in a backslash, or has a bracket that is not closed.
    pub(super) fn parse(pattern: &[u8]) -> Result<Self> {
        let wrong = |why: &str| Error::usage(format!("the pattern `{}` {why}", pattern.escape_ascii()));
        let trimmed = pattern.strip_prefix(b"/").unwrap_or(pattern);
        let trimmed = trimmed.strip_suffix(b"/").unwrap_or(trimmed);
        let (mut parts, mut left) = (Vec::new(), trimmed);
        while let Some((first, rest)) = left.split_first() {
            left = rest;
            parts.push(match first {
                b'*' if left.starts_with(b"*") => {
                    left = &left[left.iter().take_while(|byte| **byte == b'*').count()..];
                    match left.strip_prefix(b"/") {
                        Some(rest) if parts.last().is_none_or(|part| *part == Part::Byte(b'/')) => {
                            left = rest;
                            Part::Directories
                        }
                        _ => Part::All,
                    }
                }
                b'*' => Part::Some,
                b'?' => Part::Any,
                b'[' => set(&mut left).ok_or_else(|| wrong("has a [ that is not closed"))?,
                b'\\' => {
                    let (taken, rest) = left.split_first().ok_or_else(|| wrong("ends in a backslash"))?;
                    left = rest;
                    Part::Byte(*taken)
                }
                byte => Part::Byte(*byte),
            });
        }
        if parts.is_empty() {
            return Err(wrong("is empty"));
        }
        Ok(Self { parts, whole: pattern.strip_suffix(b"/").unwrap_or(pattern).contains(&b'/') })
    }

    /// Whether a path, without a leading `/`, matches.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        let path = match self.whole {
            true => path,
            false => path.rsplit(|byte| *byte == b'/').next().unwrap_or(path),
        };
        // Which parts may match next. This bounds the work: pattern length times path length.
        let mut next = vec![false; self.parts.len() + 1];
        self.arrive(&mut next, 0);
        for byte in path {
            let mut then = vec![false; next.len()];
            for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| next[*at]) {
                match part {
                    part if !part.takes(*byte) => {}
                    // The part after it must start at the start of a name.
                    Part::Directories if *byte != b'/' => then[at] = true,
                    Part::Directories => self.arrive(&mut then, at),
                    part if part.repeats() => self.arrive(&mut then, at),
                    _ => self.arrive(&mut then, at + 1),
                }
            }
            next = then;
        }
        next[self.parts.len()]
    }

    /// This part may match next; and if it can match nothing, so may the part after it.
    fn arrive(&self, next: &mut [bool], at: usize) {
        next[at] = true;
        if self.parts.get(at).is_some_and(Part::repeats) {
            self.arrive(next, at + 1);
        }
    }
}

/// Parses a set in brackets, after the opening bracket.
fn set(left: &mut &[u8]) -> Option<Part> {
    let not = matches!(left.first()?, b'!' | b'^');
    let inside = &left[usize::from(not)..];
    // A closing bracket in first place is one of the characters.
    let end = 1 + inside.get(1..)?.iter().position(|byte| *byte == b']')?;
    let (mut bytes, mut ranges) = (&inside[..end], Vec::new());
    *left = &inside[end + 1..];
    while let Some((first, rest)) = bytes.split_first() {
        match rest {
            [b'-', last, rest @ ..] => {
                ranges.push((*first, *last));
                bytes = rest;
            }
            _ => {
                ranges.push((*first, *first));
                bytes = rest;
            }
        }
    }
    Some(Part::Set { not, ranges })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, path, expected) in [
            ("*.o", "a.o", true),
            ("*.o", "src/deep/a.o", true),
            ("*.o", "a.oo", false),
            ("target", "project/target", true),
            ("target/", "project/target", true),
            ("target", "project/target/debug", false),
            ("photos/*.raw", "photos/1.raw", true),
            ("photos/*.raw", "photos/2025/1.raw", false),
            ("/photos/*.raw", "photos/1.raw", true),
            ("/notes", "a/notes", false),
            ("photos/**/*.raw", "photos/1.raw", true),
            ("photos/**/*.raw", "photos/2025/05/1.raw", true),
            ("**/cache", "cache", true),
            ("**/cache", "a/b/cache", true),
            ("**/cache", "a/bcache", false),
            ("photos/**", "photos/a/b", true),
            ("photos/**", "photos", false),
            ("a**c", "x/abbc", true),
            ("?.txt", "a.txt", true),
            ("?.txt", ".txt", false),
            ("[a-c]1", "b1", true),
            ("[a-c]1", "d1", false),
            ("[!a-c]1", "d1", true),
            ("[]-]", "-", true),
            ("[]-]", "]", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            (".*", ".hidden", true),
            (".*", "a.b", false),
        ] {
            let glob = Glob::parse(pattern.as_bytes()).unwrap();
            assert_eq!(glob.matches(path.as_bytes()), expected, "{pattern} {path}");
        }
        assert!(Glob::parse(b"*.\xff").unwrap().matches(b"a.\xff"));
        for wrong in ["", "/", "[ab", "[]", "a\\"] {
            assert!(Glob::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
