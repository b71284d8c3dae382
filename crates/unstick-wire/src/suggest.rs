//! A name that there is not, and the one that was probably meant.

use crate::error::SpecError;
use crate::framing::ENTRIES;
use crate::preset::{self, UNSAYABLE};

/// What others call some framings.
const ELSEWHERE: &[(&str, &str)] = &[
    ("lf", "line"),
    ("newline", "line"),
    ("nul", "null"),
    ("content-length", "headers"),
    ("leb128", "varint"),
    ("asn1", "ber"),
    ("lengthprefixed", "u32be"),
    ("http1.1", "http"),
    ("stx-etx", "between:02:03"),
];

/// No framing and no preset has this name.
#[cold]
pub(crate) fn unknown(name: &str) -> SpecError {
    let error = SpecError::new(format!("there is no framing `{name}`"));
    let wanted = name.to_ascii_lowercase();
    let is_meant =
        |title: &str| title.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case(&wanted));
    if let Some(known) = UNSAYABLE.iter().find(|known| is_meant(known.title)) {
        let what = format!("{} cannot be framed: {}", known.title, known.why);
        return SpecError::new(what).with_hint("`raw` passes its bytes as they come");
    }
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == wanted) {
        return error.with_hint(format!("did you mean `{ours}`?"));
    }
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let known = ENTRIES.iter().map(|entry| entry.name).filter(plain).chain(preset::names());
    match known.map(|known| (distance(&wanted, known), known)).min() {
        Some((far, known)) if far <= 2 => error.with_hint(format!("did you mean `{known}`?")),
        _ => error.with_hint("`unstick framings` lists them"),
    }
}

/// How many letters differ: insertions, deletions, replacements.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
