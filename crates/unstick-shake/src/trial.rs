//! Holds what is known during a test: the conversation, the expected outcomes, the suspects. Runs a case and compares
//! it.
//!
//! Not here: what is done with it, and when (`procedure`): the baseline runs (`baseline`), the cases (`rounds`), what
//! is certain (`confirm`, `proof`, `findings`) and the result (`verdict`).

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use unstick_wire::shake::{Case, Conversation, Direction, Edit, Tally, is_identity, planned};

use super::config::Shake;
use super::conversation::{Bounds, Runner, Subject, punctual};
use super::difference::Difference;
use super::expect::Expectation;
use super::headline::{Names, Pair};
use super::note::Note;
use super::outcome::Outcome;
use super::report::Finding;
use super::unrepeated::{Runs, Unrepeated};
use unstick::Advice;
use unstick::internal::Table;
use unstick::{Error, Result};

/// How long a baseline run stays fresh: programs print clocks, which tick.
const FRESH: Duration = Duration::from_millis(250);

/// Everything that is known during a test.
pub(super) struct Trial {
    pub(super) runner: Arc<Runner>,
    pub(super) bounds: Bounds,
    pub(super) expectation: Expectation,
    pub(super) conversation: Conversation,
    pub(super) baseline: Outcome,
    /// The edits that every run has beside its case: they pin the segments of a program whose outcome depends on them.
    pub(super) base: Case,
    /// All cases that ran, and whether they failed.
    pub(super) tried: BTreeMap<Case, bool>,
    /// The findings up to now.
    pub(super) findings: Vec<Finding>,
    /// Cases that differed and are not certain yet.
    pub(super) suspects: Vec<Suspect>,
    /// A client that ends its side before the answer, if the outcome differs.
    pub(super) half_close: Option<Suspect>,
    pub(super) notes: Vec<Note>,
    /// Cases that differed in some runs and passed in others.
    pub(super) unrepeated: Vec<Unrepeated>,
    /// Why no verdict is possible, a sentence each, with what to change.
    pub(super) doubts: Vec<Note>,
    /// Whether two baseline runs were two conversations.
    pub(super) unsteady: bool,
    /// How the first such run differed from the first baseline run.
    pub(super) disagreement: Option<String>,
    /// Whether the server no longer listens.
    pub(super) gone: bool,
    /// How the cuts and joins of each case were delivered.
    pub(super) tallies: BTreeMap<Case, Tally>,
    /// Cases whose cuts the receiver did not read in time.
    pub(super) undelivered: Vec<Case>,
    pub(super) shake: Shake,
    pub(super) begun: Instant,
    refreshed: Instant,
    /// Number of cases done, planned, and planned but not tried.
    pub(super) done: u64,
    pub(super) planned: u64,
    pub(super) skipped: u64,
    /// Cuts and joins of the planned cases that have not run yet.
    pub(super) untried: u64,
    pub(super) jobs: usize,
}

/// A case that differed, and how.
#[derive(Clone)]
pub(super) struct Suspect {
    pub(super) case: Case,
    pub(super) outcome: Outcome,
    pub(super) differences: Vec<Difference>,
    pub(super) runs: Runs,
}

impl Suspect {
    /// A case that has differed in its first run.
    pub(super) fn new(case: Case, outcome: Outcome, differences: Vec<Difference>) -> Self {
        Self { case, outcome, differences, runs: Runs::FIRST }
    }

    /// The same case after another run that differed.
    pub(super) fn again(self, outcome: Outcome, differences: Vec<Difference>) -> Self {
        Self { outcome, differences, runs: self.runs.and(true), ..self }
    }
}

/// Why the test has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Done,
    /// A run failed for this reason, which is not about its case.
    Failed(Note),
    /// The caller stopped it.
    Stopped,
    /// Its time was over.
    OutOfTime,
}

impl Trial {
    pub(super) fn new(shake: Shake) -> Self {
        let table = Table::open().ok().map(Arc::new);
        let output = shake.output && matches!(shake.subject, Subject::Client { .. });
        let runner = Arc::new(Runner {
            subject: shake.subject.clone(),
            table,
            half_close: shake.half_close,
            output,
            last: Mutex::default(),
            stays: AtomicBool::new(false),
            handshakes: Mutex::default(),
            awaited: shake.awaited.clone(),
        });
        let nothing = Outcome::default();
        Self {
            runner,
            bounds: Bounds::unknown(shake.timeout, &shake.subject),
            expectation: Expectation::new(&nothing, shake.framing.clone(), shake.strict_end),
            conversation: Conversation::default(),
            baseline: nothing,
            base: shake.against.clone(),
            tried: BTreeMap::new(),
            findings: Vec::new(),
            suspects: Vec::new(),
            half_close: None,
            notes: Vec::new(),
            unrepeated: Vec::new(),
            doubts: Vec::new(),
            unsteady: false,
            disagreement: None,
            gone: false,
            tallies: BTreeMap::new(),
            undelivered: Vec::new(),
            begun: Instant::now(),
            refreshed: Instant::now(),
            done: 0,
            planned: 0,
            skipped: 0,
            untried: 0,
            jobs: 1,
            shake,
        }
    }

    /// Whether baseline runs differ from each other.
    pub(super) fn is_differing(&self) -> bool {
        self.unsteady || self.expectation.is_volatile()
    }

    /// Makes the expectation of a first run.
    pub(super) fn expecting(&self, first: &Outcome) -> Expectation {
        Expectation::new(first, self.shake.framing.clone(), self.shake.strict_end)
    }

    /// Whether unstick itself is the client.
    pub(super) fn is_scripted(&self) -> bool {
        !matches!(self.runner.subject, Subject::Client { .. })
    }

    /// Whether a case delivers the same segments as the baseline.
    pub(super) fn is_base(&self, case: &Case) -> bool {
        self.is_scripted() && self.base.edits().is_empty() && is_identity(case, &self.conversation)
    }

    /// Whether a case is about the client's end, which is no boundary.
    pub(super) fn is_half_close(&self, case: &Case) -> bool {
        self.is_scripted() && !self.shake.strict_end && case.ends_early(Direction::ClientToServer)
    }

    /// Runs one case together with the pinned edits.
    pub(super) async fn try_case(&mut self, case: &Case) -> Result<Outcome> {
        let outcome = self.runner.run(&over(&self.base, case), self.bounds.for_case(case, &self.conversation)).await?;
        self.done += 1;
        Ok(outcome)
    }

    /// Returns how an outcome differs from the expected one. If it differs, and the last baseline run is not fresh, makes another
    /// baseline run first: a clock may be the difference.
    pub(super) async fn differences(&mut self, outcome: &Outcome) -> Result<Vec<Difference>> {
        let differences = self.expectation.differences(outcome);
        if differences.is_empty() || self.refreshed.elapsed() < FRESH {
            return Ok(differences);
        }
        self.refresh().await?;
        Ok(self.expectation.differences(outcome))
    }

    /// Makes another baseline run, and learns from it. If the server is gone, notes that.
    pub(super) async fn refresh(&mut self) -> Result<()> {
        let fresh = match punctual(&self.runner, &self.base, self.bounds).await {
            Err(error) if error.is_unreachable() => {
                self.note_gone(&error, Vec::new());
                return Ok(());
            }
            fresh => fresh?,
        };
        self.refreshed = Instant::now();
        self.learn(&fresh);
        Ok(())
    }

    /// Learns from a baseline run that came later than the first.
    pub(super) fn learn(&mut self, fresh: &Outcome) {
        let what = self.in_words(fresh);
        if !self.is_scripted() {
            self.note_segments(fresh);
        }
        if !self.expectation.learn(fresh) && !self.unsteady {
            self.unsteady = true;
            let note = format!(
                "a later run without cuts differed from the first ones ({what}): the server may limit connections or \
                 their rate, or run out of something"
            );
            self.doubts.push(Note::from(note).with_advice(Advice::OneCaseAtATime));
        }
    }

    /// Notes the segments of a run. A boundary where earlier runs had none shows where a sender made two writes.
    fn note_segments(&mut self, fresh: &Outcome) {
        for exchange in &fresh.exchanges {
            for way in Direction::BOTH {
                let (seen, known) = (&exchange.of(way).recording, self.conversation.of_mut(way));
                let length = known.bytes.len() as u64;
                let inside = |at: &u64| *at < length && known.bytes.starts_with(&seen.bytes[..*at as usize]);
                let segments: Vec<u64> = seen.segments.iter().copied().filter(inside).collect();
                known.segments.extend(segments);
                known.segments.sort_unstable();
                known.segments.dedup();
            }
        }
    }

    /// Whether there was a first baseline run.
    pub(super) fn has_begun(&self) -> bool {
        !self.baseline.exchanges.is_empty()
    }

    /// Says how the test ends when a run failed and no case can be the cause.
    pub(super) fn failed(&mut self, error: &Error) -> End {
        if error.is_unreachable() {
            self.note_gone(error, Vec::new());
            return End::Done;
        }
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        End::Failed(Note { text: format!("{error}{hint}"), advice: error.advice().cloned() })
    }

    /// Notes that the server no longer listens, or no longer completes handshakes, and which cases may have caused
    /// that. Whether they did cannot be known.
    pub(super) fn note_gone(&mut self, error: &Error, under_way: Vec<Case>) {
        if self.gone {
            return;
        }
        self.gone = true;
        let names: Vec<String> = under_way.iter().take(4).map(ToString::to_string).collect();
        let during = match names.as_slice() {
            [] => "during a run without cuts".to_owned(),
            names if under_way.len() > names.len() => format!("during {} or another case", names.join(", ")),
            names => format!("during {}", names.join(" or ")),
        };
        let (note, advice) = match error.is_handshake() {
            true => (
                format!(
                    "the server stopped completing handshakes, perhaps {during} ({error}): it may limit connections or \
                     their rate"
                ),
                Advice::OneCaseAtATime,
            ),
            false => (format!("the server died, perhaps {during} ({error})"), Advice::StartServerForEachCase),
        };
        self.doubts.push(Note::from(note).with_advice(advice));
    }

    /// Says in a few words how a run differs from what is expected.
    pub(super) fn in_words(&self, now: &Outcome) -> String {
        let differences = self.expectation.differences(now);
        let (names, base) = (Names::of(&self.runner.subject), &self.base);
        let misfits = self.expectation.misfits(now, &self.baseline);
        Pair { names, base, before: &self.baseline, now, misfits }.headline(&differences)
    }

    /// Notes a suspect that passed in other runs, unless baseline runs have shown the same since.
    pub(super) fn note_unrepeated(&mut self, suspect: &Suspect) {
        let headline = self.in_words(&suspect.outcome);
        if headline.is_empty() {
            return;
        }
        let Suspect { case, runs, .. } = suspect;
        self.unrepeated.retain(|other| other.case != *case);
        let (case, Runs { all: runs, otherwise }) = (case.clone(), *runs);
        self.unrepeated.push(Unrepeated { case, headline, runs, otherwise });
    }

    /// Number of cuts and joins that a case plans, on all connections together.
    pub(super) fn planned_of(&self, case: &Case) -> u64 {
        let lengths = self
            .baseline
            .exchanges
            .iter()
            .flat_map(|one| Direction::BOTH.map(|way| (way, one.of(way).recording.bytes.len() as u64)));
        lengths.map(|(way, length)| planned(case, way, length)).sum()
    }
}

/// Combines a case with the pinned edits: its cuts divide pinned joins, its joins remove pinned cuts.
pub(super) fn over(base: &Case, case: &Case) -> Case {
    if base.edits().is_empty() {
        return case.clone();
    }
    let cuts = |way: Direction| case.of(way).filter_map(|edit| if let Edit::Cut(at) = edit { Some(at) } else { None });
    let joined = |way: Direction, at: u64| {
        case.of(way).any(|edit| matches!(edit, Edit::Join(from, to) if from < at && to.is_none_or(|to| at < to)))
    };
    let mut edits: Vec<(Direction, Edit)> = case.edits().to_vec();
    for (way, edit) in base.edits() {
        match edit {
            Edit::Cut(at) if joined(*way, *at) => {}
            Edit::Join(from, None) => {
                let mut from = *from;
                for cut in cuts(*way) {
                    if from + 1 < cut {
                        edits.push((*way, Edit::Join(from, Some(cut))));
                    }
                    from = cut;
                }
                edits.push((*way, Edit::Join(from, None)));
            }
            other => edits.push((*way, *other)),
        }
    }
    edits.into_iter().collect()
}
