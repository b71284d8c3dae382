//! What a shaking came to: its verdict, its findings, and how they are told in plain text.

use std::fmt::{self, Write};
use std::time::Duration;

use unstick_wire::shake::{Case, Conversation, Direction, Edit, Tally};

use super::expect::Difference;
use super::outcome::{Exit, Outcome};

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
    /// The smallest case that shows it.
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
        write!(f, "{}", self.verdict)?;
        if !self.findings.is_empty() {
            write!(f, ": {}", plural(self.findings.len() as u64, "finding"))?;
        }
        writeln!(f, " ({} in {:.1} s)", plural(self.cases, "case"), self.took.as_secs_f64())?;
        let lengths = Direction::BOTH.map(|way| self.conversation.of(way).bytes.len() as u64);
        writeln!(
            f,
            "  conversation   {} to the server, {} back",
            plural(lengths[0], "byte"),
            plural(lengths[1], "byte")
        )?;
        let Tally { planned, delivered, .. } = self.tally;
        write!(f, "  delivered      {delivered} of {} cuts and joins", planned - self.tally.turned)?;
        if self.tally.turned > 0 {
            write!(f, "; {} joins cannot be: the sender waits for an answer", self.tally.turned)?;
        }
        writeln!(f)?;
        for note in &self.notes {
            writeln!(f, "  note           {note}")?;
        }
        for (number, finding) in self.findings.iter().enumerate() {
            write!(f, "\n{}. {}", number + 1, finding.told(&self.conversation))?;
        }
        Ok(())
    }
}

/// Bytes of a line that a program said which are shown.
const SAID: usize = 200;

impl Finding {
    /// What it comes to, in a few words.
    pub fn headline(&self) -> String {
        let words: Vec<String> = self.differences.iter().map(|difference| self.said(*difference)).collect();
        words.join(", ")
    }

    fn said(&self, difference: Difference) -> String {
        let ending = |outcome: &Outcome, way| outcome.exchanges.first().map(|exchange| exchange.of(way).ending);
        match (difference, self.outcome.exit, self.baseline.exit) {
            (Difference::Exit, Some(now), Some(before)) if now != before => {
                format!("the program {now} (without cuts it {before})")
            }
            (Difference::Ending(way), ..) => match ending(&self.outcome, way) {
                Some(now) => format!("{way} {now}"),
                None => difference.to_string(),
            },
            _ => difference.to_string(),
        }
    }

    fn told(&self, conversation: &Conversation) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{}", self.headline());
        let _ = writeln!(text, "   when           {}", self.pattern);
        let _ = writeln!(text, "   smallest case  {}", self.smallest);
        for way in Direction::BOTH {
            let shown = marked(&conversation.of(way).bytes, &self.smallest, way);
            if !shown.is_empty() {
                let _ = writeln!(text, "   {way}  {shown}");
            }
        }
        for (name, outcome) in [("without cuts", &self.baseline), ("in this case", &self.outcome)] {
            for line in outcome.lines(&self.differences) {
                let _ = writeln!(text, "   {name}   {line}");
            }
        }
        for (who, said) in [("program", &self.outcome.client_said), ("server", &self.outcome.server_said)] {
            let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
            for line in &lines[lines.len().saturating_sub(3)..] {
                let _ = writeln!(
                    text,
                    "   {:<14} {}",
                    format!("{who} said"),
                    shown(&line.as_bytes()[..line.len().min(SAID)])
                );
            }
        }
        let _ = writeln!(text, "   likely cause   {}", self.cause);
        text
    }
}

impl Outcome {
    /// What is worth comparing of it.
    fn lines(&self, differences: &[Difference]) -> Vec<String> {
        let mut lines = Vec::new();
        for difference in differences {
            match difference {
                Difference::Bytes(way) | Difference::Ending(way) => {
                    for exchange in &self.exchanges {
                        let side = exchange.of(*way);
                        let bytes = &side.recording.bytes;
                        let plural = if bytes.len() == 1 { "" } else { "s" };
                        let text = excerpt(bytes, 60);
                        lines.push(format!("{way}: {} byte{plural} {text}, then it {}", bytes.len(), side.ending));
                    }
                }
                Difference::Exit => lines.extend(self.exit.map(|exit| format!("the program {exit}"))),
                Difference::Output => {
                    lines.extend(self.output.as_ref().map(|output| format!("it prints {}", excerpt(output, 60))));
                }
                Difference::Connections => lines.push(format!("{} connections", self.exchanges.len())),
                Difference::Late => {
                    let hangs = if self.late { "it was not over" } else { "it was over" };
                    lines.push(format!("{hangs} after {:.1} s", self.took.as_secs_f64()));
                }
            }
        }
        lines.dedup();
        lines
    }
}

/// The bytes around a direction's edits, with the cuts marked by `|` and joins by `[` and `]`.
fn marked(bytes: &[u8], case: &Case, way: Direction) -> String {
    /// Bytes shown on each side of a mark.
    const AROUND: usize = 16;
    let mut marks: Vec<(usize, char)> = Vec::new();
    for edit in case.of(way) {
        match edit {
            Edit::Cut(at) => marks.push((at as usize, '|')),
            Edit::CutEnd => marks.push((bytes.len(), '|')),
            Edit::Join(from, to) => {
                marks.push((from as usize, '['));
                marks.push((to.map_or(bytes.len(), |to| to as usize), ']'));
            }
            Edit::Every(..) => return format!("{edit}"),
        }
    }
    marks.retain(|(at, _)| *at <= bytes.len());
    let mut text = String::new();
    let mut done = 0;
    for (index, (at, mark)) in marks.iter().enumerate().take(8) {
        let from = at.saturating_sub(AROUND).max(done);
        if from > done {
            text.push('…');
        }
        let until = marks.get(index + 1).map_or(bytes.len(), |(next, _)| *next).min(at + AROUND).max(*at);
        let _ = write!(text, "{}{mark}{}", shown(&bytes[from.min(*at)..*at]), shown(&bytes[*at..until]));
        done = until;
    }
    if done < bytes.len() && !marks.is_empty() {
        text.push('…');
    }
    text
}

/// The begin of some bytes in quotes.
fn excerpt(bytes: &[u8], most: usize) -> String {
    let dots = if bytes.len() > most { "…" } else { "" };
    format!("\"{}{dots}\"", shown(&bytes[..bytes.len().min(most)]))
}

/// Bytes made safe for a terminal: printable ASCII as it is, the rest escaped.
pub(super) fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

impl Exit {
    /// Whether a process that ends so says that all is well.
    pub fn is_success(self) -> bool {
        self == Self::Status(0)
    }
}
