//! Lays out the text of a scene in a given number of columns, with or without colour.

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use crate::output::colour_on;
use crate::style::{BLUE, BOLD, CYAN, FAINT, GREEN, MAGENTA, RED, YELLOW, styled};

/// The smallest and the largest width. A narrower terminal breaks the lines; wider lines are hard to read.
const COLUMNS: std::ops::RangeInclusive<usize> = 60..=100;

/// Columns to assume if the terminal does not report its width.
const USUAL_COLUMNS: usize = 80;

/// Returns the number of columns of the terminal on standard output.
pub fn columns() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stdout());
    size.map(|(width, _)| usize::from(width.0)).filter(|columns| *columns > 0).unwrap_or(USUAL_COLUMNS)
}

/// The ink of a text. Colours repeat what the characters say, and never replace it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "only `lab` has some of them"))]
pub enum Ink {
    Plain,
    Bold,
    Faint,
    Good,
    Bad,
    /// Of the message with this number.
    Message(usize),
    /// Bytes before a message in its frame, and bytes after it.
    Header,
    Trailer,
}

/// Colours that messages use in turn.
const MESSAGES: [Style; 4] = [CYAN, YELLOW, MAGENTA, BLUE];

/// Text on its way to standard output.
#[derive(Debug)]
pub struct Canvas {
    pub columns: usize,
    colour: bool,
    text: String,
}

impl Canvas {
    pub fn of_standard_output() -> Self {
        Self::new(columns(), colour_on(&std::io::stdout()))
    }

    pub fn new(columns: usize, colour: bool) -> Self {
        Self { columns: columns.clamp(*COLUMNS.start(), *COLUMNS.end()), colour, text: String::new() }
    }

    /// Adds text in one ink.
    pub fn ink(&mut self, ink: Ink, text: &str) -> &mut Self {
        let style = match ink {
            Ink::Plain => None,
            Ink::Bold => Some(BOLD),
            Ink::Faint => Some(FAINT),
            Ink::Good => Some(GREEN),
            Ink::Bad => Some(RED),
            Ink::Header => Some(CYAN),
            Ink::Trailer => Some(MAGENTA),
            Ink::Message(number) => Some(MESSAGES[number % MESSAGES.len()]),
        };
        match style.filter(|_| !text.trim().is_empty()) {
            Some(style) => self.text.push_str(&styled(self.colour, text, style)),
            None => self.text.push_str(text),
        }
        self
    }

    /// Adds text as it is.
    pub fn put(&mut self, text: &str) -> &mut Self {
        self.ink(Ink::Plain, text)
    }

    /// Ends the line; blanks at its end are dropped.
    pub fn end(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
    }

    /// Adds a whole line in one ink.
    pub fn line(&mut self, ink: Ink, text: &str) {
        self.ink(ink, text).end();
    }

    /// Adds text broken at blanks. Every line after the first is indented by `indent` columns.
    pub fn wrapped(&mut self, ink: Ink, first: &str, indent: usize, text: &str) {
        self.labelled(ink, first, ink, indent, text);
    }

    /// Like [`Self::wrapped`], with a separate ink for the label in front.
    pub fn labelled(&mut self, label: Ink, first: &str, ink: Ink, indent: usize, text: &str) {
        self.ink(label, first);
        let mut used = width(first);
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && used + width(&line) + 1 + width(word) > self.columns {
                self.ink(ink, &line).end();
                self.put(&" ".repeat(indent));
                used = indent;
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.ink(ink, &line).end();
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

/// Returns the number of columns of a text.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Returns the text, padded with blanks to `columns`.
pub fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Returns a number with commas between its thousands.
pub fn thousands(number: impl Into<i128>) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// `1 send`, `2 sends`.
pub fn count(number: usize, what: &str) -> String {
    format!("{} {what}{}", thousands(number as i128), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_blanks_and_never_too_wide() {
        let mut canvas = Canvas::new(60, false);
        canvas.wrapped(Ink::Plain, "", 2, &"seven ".repeat(20));
        let text = canvas.into_text();
        assert!(text.lines().all(|line| width(line) <= 60), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("  seven")), "{text}");
    }

    #[test]
    fn colour_is_ink_and_nothing_else() {
        let draw = |colour| {
            let mut canvas = Canvas::new(80, colour);
            canvas.ink(Ink::Bad, "no").put(" ").ink(Ink::Message(5), "yes").put("  ").end();
            canvas.into_text()
        };
        assert_eq!(draw(false), "no yes\n");
        assert_eq!(draw(true), "\x1b[31mno\x1b[0m \x1b[33myes\x1b[0m\n");
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 999, 1000, 65_507, 4_294_967_296, -1, -2_147_483_648].map(|number: i64| thousands(number));
        assert_eq!(shown, ["0", "999", "1,000", "65,507", "4,294,967,296", "-1", "-2,147,483,648"]);
    }
}
