//! The report of a run: its verdict and its findings, and their form in plain text.

use std::fmt::{self, Write};
use std::time::Duration;

use unstick_wire::shake::{Case, Conversation, Direction, Tally};

use super::difference::Difference;
use super::evidence::Evidence;
use super::excerpt::{columns, compared, head, marked, wrapped};
use super::headline::{Names, Pair, matter};
use super::misfit::{Misfits, Place};
use super::note::Note;
use super::outcome::{Exit, Outcome};
use super::unrepeated::Unrepeated;
use unstick::Advice;

/// What the run shows about the program.
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
    /// The names of the two sides.
    pub(super) names: Names,
    /// The edits that every run had beside its case; empty unless baseline runs disagreed or failed.
    pub base: Case,
    /// The smallest case that shows it, together with the edits that every run had.
    pub smallest: Case,
    /// The ways in which the outcome differs.
    pub differences: Vec<Difference>,
    /// When it fails, in words.
    pub pattern: String,
    /// What most likely causes it.
    pub cause: String,
    /// The evidence that the case decides, and not chance.
    pub evidence: Option<Evidence>,
    /// Whether baseline runs were not all the same, so that the report must say so.
    pub(super) unsteady: bool,
    /// A run that is as expected.
    pub baseline: Outcome,
    /// The run of the smallest case.
    pub outcome: Outcome,
    /// Where the outcome begins to differ.
    pub(super) misfits: Misfits,
    /// All cases that fail in this way.
    pub failing: Vec<Case>,
}

/// Number of cases that cannot be repeated and are shown; the others are counted.
const UNREPEATED: usize = 4;

/// The report of a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// The distinct failures.
    pub findings: Vec<Finding>,
    /// What happens to a client that half-closes right after its last byte, if that differs. No boundary causes it,
    /// so it is not a finding, unless the settings also compare how sides end.
    pub half_close: Option<Finding>,
    /// Number of cases that were run.
    pub cases: u64,
    /// How their cuts and joins were delivered.
    pub tally: Tally,
    /// Further notes, a sentence each; among them why the verdict is inconclusive.
    pub notes: Vec<Note>,
    /// Cases that differed in some runs and passed in others: nothing shows that their cuts cause it.
    pub unrepeated: Vec<Unrepeated>,
    /// Every planned case that ran, and whether it failed.
    pub results: Vec<(Case, bool)>,
    /// The conversation without cuts.
    pub conversation: Conversation,
    pub(super) names: Names,
    /// How long the whole run took.
    pub took: Duration,
}

impl Report {
    /// Whether the outcome was the same everywhere, and everything delivered.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Same
    }
}

impl Report {
    /// The report as text for people, in 80 columns. `again` says how to run a finding's case again, where that is
    /// known. `say` has words for an advice.
    pub fn told(&self, again: impl Fn(&Finding) -> Option<String>, say: impl Fn(&Advice) -> String) -> String {
        let plural = |count: u64, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
        let mut text = self.verdict.to_string();
        if !self.findings.is_empty() {
            let _ = write!(text, ": {}", plural(self.findings.len() as u64, "finding"));
        }
        let lengths = Direction::BOTH.map(|way| self.conversation.of(way).bytes.len() as u64);
        let (there, back, other) = (plural(lengths[0], "byte"), lengths[1], self.names.other);
        let _ = write!(text, "\n  {} in {:.1} s", plural(self.cases, "case"), self.took.as_secs_f64());
        let _ = writeln!(text, " of a conversation of {there} to the {other}, {back} back");
        told(&mut text, " ", 2, &self.delivered());
        if let Some(half_close) = &self.half_close {
            let what = "what a client meets that ends its side right after its last byte; cuts do not do that, they were \
                        tried with the end held back until the answer had come";
            told(&mut text, "  half-close", 14, &format!("{}: {what}", half_close.headline()));
        }
        for note in &self.notes {
            told(&mut text, "  note", 8, &note.told(&say));
        }
        let shown = &self.unrepeated[..self.unrepeated.len().min(UNREPEATED)];
        for once in shown {
            told(&mut text, "  note", 8, &format!("not repeatable: {once}"));
        }
        if shown.len() < self.unrepeated.len() {
            let more = self.unrepeated.len() - shown.len();
            told(&mut text, "  note", 8, &format!("not repeatable: {}", plural(more as u64, "more case")));
        }
        for (number, finding) in self.findings.iter().enumerate() {
            text.push('\n');
            finding.tell(&mut text, number + 1, &self.conversation, again(finding));
        }
        text
    }
}

impl Report {
    /// Says how many of the planned cuts and joins were delivered, and why not all.
    fn delivered(&self) -> String {
        let Tally { planned, delivered, unproven, unread, impossible, gone, untried } = self.tally;
        let other = self.names.other;
        let reasons = [
            (gone, format!("not possible: the {other} was gone")),
            (impossible, "not possible: the sender waits for an answer".into()),
            (unproven, "not proven".into()),
            (unread, "not read in time".into()),
            (untried, "not tried".into()),
        ];
        let reasons: Vec<String> =
            reasons.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
        format!("{delivered} of {planned} cuts and joins delivered{reasons}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(|_| None, Advice::to_string))
    }
}

/// Number of columns of a terminal.
const WIDE: usize = 80;

/// Number of columns of the label before a finding's lines.
const LABEL: usize = 18;

/// Writes a label, and after it a text in as many lines as it takes.
fn told(text: &mut String, label: &str, width: usize, what: &str) {
    for (number, line) in wrapped(what, WIDE - width).iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        let _ = writeln!(text, "{label:<width$}{line}");
    }
}

impl Finding {
    /// Says what the finding is, in a few words.
    pub fn headline(&self) -> String {
        self.pair().headline(&self.differences)
    }

    fn pair(&self) -> Pair<'_> {
        Pair { names: self.names, base: &self.base, before: &self.baseline, now: &self.outcome, misfits: self.misfits }
    }

    fn tell(&self, text: &mut String, number: usize, conversation: &Conversation, again: Option<String>) {
        told(text, &format!("{number}."), 3, &self.headline());
        told(text, "", 3, &self.pattern);
        text.push('\n');
        told(text, "   smallest case", LABEL, &self.smallest.to_string());
        for way in Direction::BOTH {
            let shown = marked(&conversation.of(way).bytes, &self.smallest, way, WIDE - LABEL);
            if !shown.is_empty() {
                let _ = writeln!(text, "   {:<1$}{shown}", self.names.stream(way), LABEL - 3);
            }
        }
        for difference in matter(&self.differences) {
            self.compare(text, difference);
        }
        for (who, said) in [("program said", &self.outcome.client_said), ("server said", &self.outcome.server_said)] {
            last_words(text, who, said);
        }
        text.push('\n');
        told(text, "   likely cause", LABEL, &self.cause);
        if let Some(evidence) = self.evidence.filter(|_| self.unsteady) {
            told(text, "   certain", LABEL, &evidence.to_string());
        }
        if let Some(again) = again {
            // Not wrapped: people copy this line.
            let _ = writeln!(text, "   {:<1$}{again}", "run it again", LABEL - 3);
        }
    }

    /// Writes what the baseline and this case sent, one below the other from where they differ.
    fn compare(&self, text: &mut String, difference: Difference) {
        let (what, before, now, place, endings) = match difference {
            Difference::Bytes(way) => {
                let Some((before, now, place)) = self.pair().sides(way) else { return };
                let endings = Some((before.ending, now.ending));
                (said_by(way, self.names.other), &before.recording.bytes, &now.recording.bytes, place, endings)
            }
            Difference::Output => match (&self.baseline.output, &self.outcome.output) {
                (Some(before), Some(now)) => {
                    let place = self.misfits.output.unwrap_or_else(|| Place::of(before, now));
                    ("what the program prints:".to_owned(), before, now, place, None)
                }
                _ => return,
            },
            Difference::Connections => {
                let counts = [&self.baseline, &self.outcome].map(|outcome| outcome.exchanges.len());
                return told(text, "   connections", LABEL, &format!("{}, not {}", counts[1], counts[0]));
            }
            _ => return,
        };
        let (one, other, column) = compared(before, now, place, WIDE - LABEL);
        let mut remark = format!("differs from byte {}: {} bytes, not {}", place.now, now.len(), before.len());
        if now.len() == before.len() {
            remark = format!("differs from byte {}", place.now);
        }
        if let Some((_, now)) = endings.filter(|(before, now)| before != now) {
            let _ = write!(remark, "; then it {now}");
        }
        let _ = writeln!(text, "\n   {what}");
        let label = Some(self.pair().otherwise()).filter(|label| columns(label) < LABEL - 3);
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

/// Writes the last lines that a program printed.
fn last_words(text: &mut String, who: &str, said: &str) {
    /// Number of lines shown: an error of Python's, and where it was.
    const LINES: usize = 3;
    /// Number of columns of a line that are shown.
    const SAID: usize = 200;
    // Python underlines the place of an error. Under a line that is wrapped here, the marks would point to the wrong place.
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
    /// Whether a process that ends like this reports success.
    pub fn is_success(self) -> bool {
        self == Self::Status(0)
    }
}
