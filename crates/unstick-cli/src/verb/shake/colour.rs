//! Colours the report: the verdict, the failures, and the labels.
//!
//! The colour is added to the finished text, so it says nothing that the text does not.

use anstyle::Style;
use unstick_shake::Verdict;

use crate::style::{BOLD, CYAN, GREEN, RED, YELLOW, styled};

/// Colours the report, line by line.
pub(super) fn report(text: &str, verdict: Verdict) -> String {
    let mut coloured = String::new();
    for (number, line) in text.lines().enumerate() {
        match number {
            0 => coloured += &styled(true, line, of(verdict).bold()),
            _ => coloured += &of_line(line),
        }
        coloured.push('\n');
    }
    coloured
}

fn of(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Same => GREEN,
        Verdict::Broken => RED,
        _ => YELLOW,
    }
}

/// A finding's headline is bold, its labels stand out, and so does where two answers differ.
fn of_line(line: &str) -> String {
    let is_headline = line
        .split_once(". ")
        .is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    if is_headline {
        return styled(true, line, BOLD);
    }
    if line.trim_start().starts_with("^ ") {
        return styled(true, line, RED);
    }
    match label(line) {
        Some(end) => line[..3].to_owned() + &styled(true, &line[3..end], CYAN) + &line[end..],
        None => line.to_owned(),
    }
}

/// Returns where the label of a line ends, if it has one: at most two words, then at least two blanks.
fn label(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("   ").filter(|rest| !rest.starts_with(' '))?;
    let length = rest.find("  ")?;
    (rest.get(length..)?.trim_start() != "" && length <= 15).then_some(3 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_adds_nothing_but_colour() {
        let text = "\
BROKEN: 1 finding
  11 cases in 13.8 s

1. no answer
   fails whenever stdin is cut

   smallest case  c2s:cut@1
   client→server  \"h\" | \"ello\"
   in this case   \"h\"
                    ^ differs from byte 1
";
        let coloured = report(text, Verdict::Broken);
        for part in [
            "\x1b[1m\x1b[31mBROKEN: 1 finding\x1b[0m\n",
            "\x1b[1m1. no answer\x1b[0m\n",
            "   \x1b[36msmallest case\x1b[0m  c2s:cut@1\n",
            "   \x1b[36mclient→server\x1b[0m  ",
            "\x1b[31m                    ^ differs from byte 1\x1b[0m\n",
            "   fails whenever stdin is cut\n",
        ] {
            assert!(coloured.contains(part), "{part:?} in {coloured:?}");
        }
        let mut plain = coloured;
        for code in ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[36m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, text);
    }
}
