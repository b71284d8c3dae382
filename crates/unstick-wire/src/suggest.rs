//! Reports an unknown name, and suggests the one that was probably meant.

use strsim::osa_distance;

use crate::error::SpecError;
use crate::framing::FRAMINGS;
use crate::preset::{self, UNSUPPORTED};

/// Names that other tools give to some framings.
const ELSEWHERE: &[(&str, &str)] = &[
    ("lf", "line"),
    ("newline", "line"),
    ("text", "line"),
    ("jsonlines", "line"),
    ("jsonl", "line"),
    ("ndjson", "line"),
    ("lengthprefix", "u32be"),
    ("zero", "null"),
    ("delimiter", "delim:HEX"),
    ("separator", "delim:HEX"),
    ("websocket", "websocket-frame"),
    ("nul", "null"),
    ("content-length", "headers"),
    ("leb128", "varint"),
    ("asn1", "ber"),
    ("lengthprefixed", "u32be"),
    ("http1.1", "http"),
    ("stx-etx", "between:02:03"),
];

/// The error for a name that no framing and no preset has.
#[cold]
pub(crate) fn unknown(name: &str) -> SpecError {
    let error = SpecError::new(format!("there is no framing `{name}`"));
    let wanted = name.to_ascii_lowercase();
    let is_meant = |title: &str| {
        title.split(|c: char| !c.is_alphanumeric()).any(|word| !word.is_empty() && word.eq_ignore_ascii_case(&wanted))
    };
    if let Some(known) = UNSUPPORTED.iter().find(|known| is_meant(known.title)) {
        let what = format!("{} cannot be framed: {}", known.title, known.why);
        return SpecError::new(what).with_hint("`raw` passes its bytes as they come");
    }
    let plain = wanted.replace(['-', '_', ' '], "");
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| theirs.replace('-', "") == plain) {
        return error.with_hint(format!("did you mean `{ours}`?"));
    }
    if let Some(integer) = integer(&plain) {
        return error.with_hint(format!("did you mean `{integer}`?"));
    }
    let integers = integers();
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let mut known: Vec<&str> = FRAMINGS.iter().map(|entry| entry.name).filter(plain).chain(preset::names()).collect();
    known.extend(integers.iter().map(String::as_str));
    match known.into_iter().map(|known| (osa_distance(&wanted, known), known)).min() {
        Some((slips, known)) if slips <= MOST_SLIPS.min(wanted.len() / LETTERS_A_SLIP) => {
            error.with_hint(format!("did you mean `{known}`?"))
        }
        _ => error.with_hint("`unstick framings` lists them"),
    }
}

/// The most wrong, missing, swapped or extra letters in a name that is still taken for another ...
const MOST_SLIPS: usize = 2;

/// ... and the letters that a name needs for each: with two slips, a short name could be any other.
const LETTERS_A_SLIP: usize = 3;

/// The names of integer lengths.
fn integers() -> Vec<String> {
    let orders =
        |sign: char| (16..=64).step_by(8).flat_map(move |bits| ["be", "le"].map(|end| format!("{sign}{bits}{end}")));
    ['u', 'i'].into_iter().flat_map(orders).collect()
}

/// An integer length as other languages and tools write it: `uint32`, `be32`, `u32BE`, `int16_le`.
fn integer(name: &str) -> Option<String> {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    let letters: String = name.chars().filter(|c| !c.is_ascii_digit()).collect();
    let bits: u32 = digits.parse().ok().filter(|bits| (8..=64).contains(bits) && bits % 8 == 0)?;
    let end = match letters.as_str() {
        letters if letters.ends_with("le") || letters.starts_with("le") || letters.contains("little") => "le",
        _ => "be",
    };
    let name = letters.replace("littleendian", "").replace("bigendian", "").replace("little", "").replace("big", "");
    let name = ["be", "le"]
        .iter()
        .fold(name.as_str(), |name, end| name.strip_prefix(end).or_else(|| name.strip_suffix(end)).unwrap_or(name));
    let sign = match name {
        "" | "u" | "uint" | "unsigned" | "len" | "length" => "u",
        "i" | "int" | "s" | "sint" | "signed" => "i",
        _ => return None,
    };
    Some(if bits == 8 { format!("{sign}8") } else { format!("{sign}{bits}{end}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_other_languages_are_known() {
        for (theirs, ours) in [
            ("uint32", "u32be"),
            ("be32", "u32be"),
            ("le32", "u32le"),
            ("u32BE", "u32be"),
            ("uint32_le", "u32le"),
            ("int16", "i16be"),
            ("u32", "u32be"),
            ("uint-8", "u8"),
            ("length-prefix", "u32be"),
            ("length_prefixed", "u32be"),
            ("json-lines", "line"),
            ("lines", "line"),
            ("postgre", "postgres"),
            ("netsrting", "netstring"),
            ("u32bee", "u32be"),
            ("i61le", "i16le"),
        ] {
            assert_eq!(unknown(theirs).hint(), Some(&*format!("did you mean `{ours}`?")), "{theirs}");
        }
    }

    #[test]
    fn what_is_too_far_is_not_suggested() {
        for name in ["foo", "abc", "x", "", "u7", "uint128", "ws", "qqqq"] {
            assert_eq!(unknown(name).hint(), Some("`unstick framings` lists them"), "{name}");
        }
    }
}
