//! What a shaking came to: its verdict, its findings, and how they are told in plain text.

use std::fmt::{self, Write};
use std::time::Duration;

use unstick_wire::shake::{Case, Conversation, Direction, Tally};

use super::excerpt::{columns, compared, head, marked, wrapped};
use super::expect::Difference;
use super::outcome::{Exit, Outcome, Side};

/// What can be said of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Every cut and join was delivered, and the outcome was the same everywhere.
    Same,
    /// The outcome depends on where the bytes are cut or joined.
    Broken,
    /// No difference was found, and not everything was delivered or tried.
    Inconclusive,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "SAME EVERYWHERE",
            Self::Broken => "BROKEN",
            Self::Inconclusive => "INCONCLUSIVE",
        })
    }
}

/// One distinct way in which the program fails.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Who answers: a server, a program on pipes, a service.
    pub(super) server: &'static str,
    /// What every run had beside its case; empty unless runs without cuts disagreed or failed.
    pub base: Case,
    /// The smallest case that shows it, with what every run had.
    pub smallest: Case,
    /// In what the outcome differs.
    pub differences: Vec<Difference>,
    /// When it fails, in words.
    pub pattern: String,
    /// What most likely causes it.
    pub cause: String,
    /// A run as it should be.
    pub baseline: Outcome,
    /// The run of the smallest case.
    pub outcome: Outcome,
    /// All cases that fail in this way.
    pub failing: Vec<Case>,
}

/// What a shaking came to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// What can be said.
    pub verdict: Verdict,
    /// The distinct failures.
    pub findings: Vec<Finding>,
    /// Cases that were run.
    pub cases: u64,
    /// What came about of their cuts and joins.
    pub tally: Tally,
    /// What else is to be known, a sentence each: why it is inconclusive among them.
    pub notes: Vec<String>,
    /// Every planned case that ran, and whether it failed.
    pub results: Vec<(Case, bool)>,
    /// The conversation without cuts.
    pub conversation: Conversation,
    /// How long it all took.
    pub took: Duration,
}

impl Report {
    /// Whether the outcome was the same everywhere, and everything delivered.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Same
    }
}

impl Report {
    /// As text for people, in 80 columns. `again` says how a finding's case is run again, where that is known.
    pub fn told(&self, again: impl Fn(&Finding) -> Option<String>) -> String {
        let plural = |count: u64, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
        let mut text = self.verdict.to_string();
        if !self.findings.is_empty() {
            let _ = write!(text, ": {}", plural(self.findings.len() as u64, "finding"));
        }
        let lengths = Direction::BOTH.map(|way| self.conversation.of(way).bytes.len() as u64);
        let (there, back) = (plural(lengths[0], "byte"), lengths[1]);
        let _ = write!(text, "\n  {} in {:.1} s", plural(self.cases, "case"), self.took.as_secs_f64());
        let _ = writeln!(text, " of a conversation of {there} to the server, {back} back");
        let Tally { planned, delivered, turned, .. } = self.tally;
        let _ = write!(text, "  {delivered} of {} cuts and joins delivered", planned - turned);
        if turned > 0 {
            let _ = write!(text, "; {} cannot be: the sender waits for an answer", plural(turned, "join"));
        }
        text.push('\n');
        for note in &self.notes {
            told(&mut text, "  note", 8, note);
        }
        for (number, finding) in self.findings.iter().enumerate() {
            text.push('\n');
            finding.tell(&mut text, number + 1, &self.conversation, again(finding));
        }
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(|_| None))
    }
}

/// Columns of a terminal.
const WIDE: usize = 80;

/// Columns of what stands before a finding's lines.
const LABEL: usize = 18;

/// A label, and behind it a text in as many lines as it takes.
fn told(text: &mut String, label: &str, width: usize, what: &str) {
    for (number, line) in wrapped(what, WIDE - width).iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        let _ = writeln!(text, "{label:<width$}{line}");
    }
}

impl Finding {
    /// What it comes to, in a few words.
    pub fn headline(&self) -> String {
        let words: Vec<String> = self.matter().map(|difference| self.said(difference)).collect();
        words.join(", ")
    }

    /// The differences that say something: how a side ends matters where nothing else differs.
    fn matter(&self) -> impl Iterator<Item = Difference> + '_ {
        let is_ending = |difference: &Difference| matches!(difference, Difference::Ending(_));
        let only_endings = self.differences.iter().all(is_ending);
        self.differences.iter().filter(move |difference| only_endings || !is_ending(difference)).copied()
    }

    fn said(&self, difference: Difference) -> String {
        let ending = |outcome: &Outcome, way| outcome.exchanges.first().map(|exchange| exchange.of(way).ending);
        match (difference, self.outcome.exit, self.baseline.exit) {
            (Difference::Exit, Some(now), Some(before)) if now != before => {
                format!("the program {now} ({} it {before})", self.otherwise())
            }
            (Difference::Ending(way), ..) => match (ending(&self.outcome, way), ending(&self.baseline, way)) {
                (Some(now), Some(before)) => format!("{way} {now} ({} it {before})", self.otherwise()),
                _ => difference.to_string(),
            },
            (Difference::Late, ..) => {
                let (now, before) = (self.outcome.took.as_secs_f64(), self.baseline.took.as_secs_f64());
                format!("it hangs: not over after {now:.1} s ({} {before:.2} s)", self.otherwise())
            }
            (Difference::Bytes(Direction::ServerToClient), ..) => format!("the {} answers something else", self.server),
            _ => difference.to_string(),
        }
    }

    /// What the baseline is called.
    fn otherwise(&self) -> String {
        match self.base.edits() {
            [] => "without cuts".into(),
            [_] => format!("with {}", self.base),
            _ => "as it should".into(),
        }
    }

    fn tell(&self, text: &mut String, number: usize, conversation: &Conversation, again: Option<String>) {
        told(text, &format!("{number}."), 3, &self.headline());
        told(text, "", 3, &self.pattern);
        text.push('\n');
        told(text, "   smallest case", LABEL, &self.smallest.to_string());
        for way in Direction::BOTH {
            let shown = marked(&conversation.of(way).bytes, &self.smallest, way, WIDE - LABEL);
            if !shown.is_empty() {
                let _ = writeln!(text, "   {:<1$}{shown}", way.to_string(), LABEL - 3);
            }
        }
        for difference in self.matter() {
            self.compare(text, difference);
        }
        for (who, said) in [("program said", &self.outcome.client_said), ("server said", &self.outcome.server_said)] {
            last_words(text, who, said);
        }
        text.push('\n');
        told(text, "   likely cause", LABEL, &self.cause);
        if let Some(again) = again {
            // Not broken into lines: it is to be copied.
            let _ = writeln!(text, "   {:<1$}{again}", "run it again", LABEL - 3);
        }
    }

    /// What the baseline said and what this case said, one below the other from where they differ.
    fn compare(&self, text: &mut String, difference: Difference) {
        let (what, before, now, endings) = match difference {
            Difference::Bytes(way) => {
                let pairs = self.baseline.exchanges.iter().zip(&self.outcome.exchanges);
                let mut sides = pairs.map(|(before, now)| (before.of(way), now.of(way)));
                let differ = |(before, now): &(&Side, &Side)| before.recording.bytes != now.recording.bytes;
                let Some((before, now)) = sides.find(differ) else { return };
                let endings = Some((before.ending, now.ending));
                (said_by(way, self.server), &before.recording.bytes, &now.recording.bytes, endings)
            }
            Difference::Output => match (&self.baseline.output, &self.outcome.output) {
                (Some(before), Some(now)) => ("what the program prints:".to_owned(), before, now, None),
                _ => return,
            },
            Difference::Connections => {
                let counts = [&self.baseline, &self.outcome].map(|outcome| outcome.exchanges.len());
                return told(text, "   connections", LABEL, &format!("{}, not {}", counts[1], counts[0]));
            }
            _ => return,
        };
        let at = before.iter().zip(now).take_while(|(one, other)| one == other).count();
        let (one, other, column) = compared(before, now, at, WIDE - LABEL);
        let mut remark = format!("differs from byte {at}: {} bytes, not {}", now.len(), before.len());
        if now.len() == before.len() {
            remark = format!("differs from byte {at}");
        }
        if let Some((_, now)) = endings.filter(|(before, now)| before != now) {
            let _ = write!(remark, "; then it {now}");
        }
        let _ = writeln!(text, "\n   {what}");
        let label = Some(self.otherwise()).filter(|label| columns(label) < LABEL - 3);
        let _ = writeln!(text, "   {:<1$}{one}", label.as_deref().unwrap_or("as it should"), LABEL - 3);
        let _ = writeln!(text, "   {:<1$}{other}", "in this case", LABEL - 3);
        if LABEL + column + 2 + columns(&remark) <= WIDE {
            let _ = writeln!(text, "{:1$}^ {remark}", "", LABEL + column);
        } else {
            let _ = writeln!(text, "{:1$}^", "", LABEL + column);
            told(text, "", LABEL, &remark);
        }
    }
}

fn said_by(way: Direction, server: &str) -> String {
    match way {
        Direction::ClientToServer => "what the client sends:".into(),
        Direction::ServerToClient => format!("what the {server} answers:"),
    }
}

/// The last lines that a program said.
fn last_words(text: &mut String, who: &str, said: &str) {
    /// Lines shown: an error of Python's, and where it was.
    const LINES: usize = 3;
    /// Columns of a line that are shown.
    const SAID: usize = 200;
    // Python underlines what it means; under a line that is broken here that points nowhere.
    let underlines = |line: &str| line.chars().all(|c| " ^~".contains(c));
    let lines: Vec<&str> = said.lines().filter(|line| !underlines(line)).collect();
    if !lines.is_empty() {
        text.push('\n');
    }
    for (number, line) in lines[lines.len().saturating_sub(LINES)..].iter().enumerate() {
        let label = if number == 0 { who } else { "" };
        told(text, &format!("   {label}"), LABEL, &head(line.as_bytes(), SAID));
    }
}

impl Exit {
    /// Whether a process that ends so says that all is well.
    pub fn is_success(self) -> bool {
        self == Self::Status(0)
    }
}
