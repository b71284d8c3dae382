//! The baseline runs, without cuts: every case is compared with them, and the timeouts come from how long they take.

use std::time::Duration;

use unstick_wire::shake::{Case, Conversation, Direction, Edit};

use super::config::Shake;
use super::conversation::{Bounds, Subject, punctual};
use super::expect::Expectation;
use super::headline::Names;
use super::hold::Hold;
use super::note::Note;
use super::outcome::Outcome;
use super::trial::Trial;
use crate::limits;
use unstick::Advice;
use unstick::{Error, Result};

/// Number of baseline runs before anything is reported.
const BASELINES: usize = 3;

/// Number of further runs if the baseline runs differ in places: every place that can differ should have differed.
const VOLATILE: usize = 5;

/// Minimum silence after an answer that ends a conversation, and the time that a busy machine may add to a run.
const SETTLE: Duration = Duration::from_millis(50);
const SETTLE_INSIDE: Duration = Duration::from_millis(1);
const SLACK: Duration = Duration::from_millis(750);

/// The same slack for the time of an answer alone.
const ANSWER_SLACK: Duration = Duration::from_millis(500);
const ANSWER_SLACK_INSIDE: Duration = Duration::from_millis(50);

/// How long a case waits for an answer if the baseline runs had none.
const UNANSWERED: Duration = Duration::from_millis(250);
const UNANSWERED_INSIDE: Duration = Duration::from_millis(2);

impl Trial {
    /// Runs the baseline. Returns false if the server died before the last run, or the first run did not end in time.
    pub(super) async fn begin(&mut self) -> Result<bool> {
        let first = self.first().await?;
        check(&first, &self.shake.subject)?;
        if first.late || first.overflowed {
            self.doubts.push(self.endless(&first));
            self.baseline = first;
            return Ok(false);
        }
        self.expectation = self.expecting(&first);
        self.baseline = first.clone();
        let mut outcomes = vec![first];
        self.bounds.learn(&outcomes, &self.expectation, &self.shake);
        self.conversation = recorded(&outcomes, self.shake.framing.as_ref());
        for number in 1..BASELINES + VOLATILE {
            if number >= BASELINES && (self.unsteady || !self.expectation.is_volatile()) {
                break;
            }
            let outcome = match punctual(&self.runner, &self.base, self.bounds).await {
                Err(error) if error.is_unreachable() => {
                    self.note_gone(&error, Vec::new());
                    return Ok(false);
                }
                outcome => outcome?,
            };
            let what = self.in_words(&outcome);
            if !self.expectation.learn(&outcome) {
                self.unsteady = true;
                self.disagreement.get_or_insert(what);
            }
            outcomes.push(outcome);
        }
        self.bounds.learn(&outcomes, &self.expectation, &self.shake);
        self.conversation = recorded(&outcomes, self.shake.framing.as_ref());
        self.note_baseline();
        Ok(true)
    }

    /// Runs the first of them, which waits longest.
    async fn first(&mut self) -> Result<Outcome> {
        let first = self.runner.run(&self.base, self.bounds).await?;
        let speaks = self.is_scripted() && first.is_unanswered() && !first.has_ended_early();
        if !speaks {
            return Ok(first);
        }
        // The server may still be working, and it may have ended its side only because unstick ended its own.
        self.bounds.hold.patience = match (&self.shake.subject, self.shake.timeout) {
            (_, Some(timeout)) => timeout,
            (Subject::Service { .. }, None) => return Ok(first),
            _ => limits::ANSWER_PATIENCE,
        };
        self.runner.run(&self.base, self.bounds).await
    }

    /// Says why the first run shows nothing: it did not end.
    fn endless(&self, first: &Outcome) -> Note {
        if first.overflowed {
            let limit = unstick_wire::quantity::size(limits::MAX_RECORDED as u64);
            let change = "have a shorter one, which breaks at the same boundaries";
            let what = format!("the conversation is longer than {limit} in one direction, so nothing was compared");
            return format!("{what}: {change}").into();
        }
        let what = format!("without cuts the conversation is not over after {:?}", self.bounds.total);
        let (answered, endless) = (first.answered(), "send what makes it end, or fall silent");
        let (who, change) = match &self.shake.subject {
            Subject::Client { .. } => ("", "a client that waits for more input needs an end of its own"),
            Subject::Pipes { .. } => ("the program", endless),
            _ => ("the server", endless),
        };
        let still = match answered {
            0 => String::new(),
            _ if who.is_empty() => String::new(),
            bytes => format!(" ({who} has sent {bytes} bytes, and goes on)"),
        };
        Note::from(format!("{what}{still}, so nothing was compared: {change}")).with_advice(Advice::AllowLongerRuns)
    }

    fn note_baseline(&mut self) {
        let places = self.expectation.volatile(Names::of(&self.runner.subject), &self.baseline);
        if !places.is_empty() {
            let what = "runs without cuts differ, as by a clock or a random value, which is not held against a case";
            self.notes.push(format!("{what}: {}", places.join(", ")).into());
        }
        if let Some(exit) = self.baseline.exit.filter(|exit| !exit.is_success()) {
            self.notes.push(format!("the program {exit} even without cuts").into());
        }
    }
}

impl Bounds {
    /// Sets the bounds from what the baseline runs have shown.
    fn learn(&mut self, outcomes: &[Outcome], expectation: &Expectation, shake: &Shake) {
        // The first run waited without knowing what to expect.
        let later = if outcomes.len() > 1 { &outcomes[1..] } else { outcomes };
        let took = later.iter().map(|outcome| outcome.active).max().unwrap_or_default();
        let pause = outcomes.iter().map(|outcome| outcome.pause).max().unwrap_or_default();
        self.ends = expectation.ends(Direction::ServerToClient);
        self.expected = outcomes.iter().map(Outcome::answered).min().unwrap_or(0);
        self.quiet = (pause * 2 + Duration::from_millis(20)).min(Duration::from_secs(1));
        let settle = if matches!(shake.subject, Subject::Service { .. }) { SETTLE_INSIDE } else { SETTLE };
        self.settle = settle.max(pause * 2);
        // A program that is started for each run, or that starts another, reads only after it has started. A baseline run may have
        // waited for that, and another case may not.
        let whole = outcomes.iter().map(|outcome| outcome.took).max().unwrap_or_default();
        let usual = later.iter().map(|outcome| outcome.took).max().unwrap_or_default();
        self.total = shake.timeout.unwrap_or((took * 4).max(usual * 2) + SLACK);
        self.first_read = limits::CUT_PATIENCE.max(whole * 2).min(limits::BASELINE_PATIENCE);
        self.typical = later.iter().map(|outcome| outcome.took).sum::<Duration>() / later.len().max(1) as u32;
        self.hold = Hold { unknown: false, ..self.hold };
        let inside = matches!(shake.subject, Subject::Service { .. });
        let (unanswered, slack) =
            if inside { (UNANSWERED_INSIDE, ANSWER_SLACK_INSIDE) } else { (UNANSWERED, ANSWER_SLACK) };
        let answer = outcomes.iter().map(|outcome| outcome.timing.answer).max().unwrap_or_default();
        let patience = shake.timeout.unwrap_or((answer * 4 + slack).max(usual * 2));
        self.hold.most = patience.max(self.total);
        self.hold.learn(outcomes, answer, self.settle, [patience, unanswered]);
    }

    /// Adds the time that the cuts of this case take.
    pub(super) fn for_case(mut self, case: &Case, conversation: &Conversation) -> Self {
        let cuts = |(way, edit): &(Direction, Edit)| match edit {
            Edit::Every(step, to) => (conversation.of(*way).bytes.len() as u64).min(to.unwrap_or(u64::MAX)) / step,
            _ => 1,
        };
        let cuts: u64 = case.edits().iter().map(cuts).sum();
        self.total += Duration::from_millis(cuts);
        if case.ends_early(Direction::ClientToServer) {
            // The end is not held back until the answer has come, so the run itself waits for the answer.
            self.total += self.hold.patience;
        }
        self
    }
}

impl Hold {
    fn learn(&mut self, outcomes: &[Outcome], answer: Duration, settle: Duration, patience: [Duration; 2]) {
        let [patience, unanswered] = patience;
        self.expected = outcomes.iter().map(|outcome| outcome.timing.before_end).min().unwrap_or(0);
        if outcomes.iter().any(|outcome| outcome.timing.answered) {
            *self = Self { answer, settle, patience, ..*self };
        } else if outcomes.iter().all(Outcome::is_unanswered) {
            // When its input is cut, the server may answer all the same.
            *self = Self { answer: Duration::ZERO, settle, patience: unanswered, unknown: true, ..*self };
        } else {
            // If a server answers only after the end, unstick does not wait for it before the end.
            *self = Self { answer: Duration::ZERO, settle: Duration::ZERO, patience, ..*self };
        }
    }
}

/// Checks what must hold of a baseline run before anything can be reported.
fn check(baseline: &Outcome, subject: &Subject) -> Result<()> {
    if baseline.exchanges.is_empty() {
        let said = baseline.client_said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let exit = baseline.exit.map_or_else(|| "ended".into(), |exit| exit.to_string());
        let error = Error::other(format!("the client {exit} without connecting"));
        let said = if said.is_empty() {
            String::new()
        } else {
            format!("; it said: {}", super::excerpt::shown(said.as_bytes()))
        };
        return Err(error.with_hint(format!(
            "{{host}}, {{port}} and {{address}} in its command, and UNSTICK_PORT in its environment, say where to connect to{said}"
        )));
    }
    let silent = matches!(subject, Subject::Server { writes, .. } | Subject::Pipes { writes, .. } if writes.iter().all(Vec::is_empty));
    if silent {
        return Err(Error::usage("nothing is sent, so nothing can be cut").with_advice(Advice::SendSomething));
    }
    Ok(())
}

/// The recording of the longest connection, with the segments of all runs.
fn recorded(outcomes: &[Outcome], framing: Option<&unstick_wire::Framing>) -> Conversation {
    let mut conversation = Conversation::default();
    let Some(first) = outcomes.first() else { return conversation };
    let length = |exchange: &super::outcome::Exchange| {
        Direction::BOTH.iter().map(|way| exchange.of(*way).recording.bytes.len()).sum::<usize>()
    };
    let longest = (0..first.exchanges.len()).max_by_key(|index| (length(&first.exchanges[*index]), usize::MAX - index));
    let Some(index) = longest else { return conversation };
    for way in Direction::BOTH {
        let recording = conversation.of_mut(way);
        *recording = first.exchanges[index].of(way).recording.clone();
        for outcome in &outcomes[1..] {
            let Some(other) = outcome.exchanges.get(index) else { continue };
            recording.segments.extend(&other.of(way).recording.segments);
        }
        let length = recording.bytes.len() as u64;
        recording.segments.retain(|at| *at < length);
        recording.segments.sort_unstable();
        recording.segments.dedup();
    }
    if let Some(framing) = framing {
        conversation.find_frames(framing);
    }
    conversation
}
