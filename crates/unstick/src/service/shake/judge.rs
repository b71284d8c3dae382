//! Runs without cuts, then every case; what went otherwise is tried again until it is certain.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use unstick_wire::shake::{Case, Conversation, Depth, Direction, Edit, Planned, Random, Stage, Tally, plan};

use super::conversation::{Bounds, Runner, Subject};
use super::expect::Expectation;
use super::findings;
use super::hold::Hold;
use super::kernel::Table;
use super::outcome::{Exit, Outcome};
use super::report::{Report, Verdict};
use super::{Difference, Progress, Shake};
use crate::error::{Error, Result};
use crate::limits;

/// Runs without cuts before anything is said.
const BASELINES: usize = 3;

/// More of them where they differ in places: whatever may differ should have.
const VOLATILE: usize = 5;

/// Conversations at once with a server that takes many.
const MANY: usize = 16;

/// Time that may pass in cases that hang, in one stage: whoever hangs at each of a thousand places has been understood.
const HANGING: Duration = Duration::from_secs(20);

/// How long a run without cuts stays fresh: clocks tick in what programs say.
const FRESH: Duration = Duration::from_millis(250);

/// The least silence behind an answer that ends a conversation, and what a busy machine may add to what a run takes.
const SETTLE: Duration = Duration::from_millis(50);
const SETTLE_INSIDE: Duration = Duration::from_millis(1);
const SLACK: Duration = Duration::from_millis(750);

/// A run without cuts that was late may have met a busy machine: so often it is had again.
const PUNCTUAL: usize = 3;

/// Everything known while a program is tried.
pub(super) struct Judge {
    pub(super) runner: Arc<Runner>,
    pub(super) bounds: Bounds,
    pub(super) expectation: Expectation,
    pub(super) conversation: Conversation,
    pub(super) baseline: Outcome,
    /// What every run does beside its case: pins the segments of a program whose outcome depends on them.
    pub(super) base: Case,
    /// All single cases that ran, and whether they failed.
    pub(super) tried: BTreeMap<Case, bool>,
    pub(super) notes: Vec<String>,
    /// Two runs without cuts were two conversations.
    pub(super) unsteady: bool,
    /// The server no longer listens.
    pub(super) gone: bool,
    /// What came about of each case.
    pub(super) tallies: BTreeMap<Case, Tally>,
    /// Cases whose cuts the receiver did not read in time.
    pub(super) undelivered: Vec<Case>,
    shake: Shake,
    begun: Instant,
    refreshed: Instant,
    done: u64,
    planned: u64,
    skipped: u64,
    jobs: usize,
}

/// A case that went otherwise, and how.
pub(super) struct Suspect {
    pub(super) case: Case,
    pub(super) outcome: Outcome,
    pub(super) differences: Vec<Difference>,
}

/// Tries a program.
pub(super) async fn judge(shake: Shake) -> Result<Report> {
    let begun = Instant::now();
    let table = Table::open().ok().map(Arc::new);
    let (half_close, output) = (shake.half_close, shake.output);
    let output = output && matches!(shake.subject, Subject::Client { .. });
    let runner = Arc::new(Runner {
        subject: shake.subject.clone(),
        table,
        half_close,
        output,
        last: Mutex::default(),
        stays: AtomicBool::new(false),
    });
    let mut judge = Judge::begin(shake, runner, begun).await?;
    let mut pinned = Vec::new();
    let differing = judge.is_differing();
    if judge.unsteady {
        pinned.extend(judge.pin().await?);
    } else if differing {
        pinned.extend(judge.pin_segments().await?);
    }
    judge.choose_jobs().await?;
    let mut suspects = judge.round().await?;
    // Runs without cuts have begun to differ on the way: what they did may have been taken for a clock.
    if !differing
        && judge.is_differing()
        && let Some(broken) = judge.pin_segments().await?
    {
        pinned.push(broken);
        suspects = judge.round().await?;
    }
    // Where they end well, it is not the cases that go wrong: it is what comes without them.
    for good in judge.better(&suspects) {
        let Some(broken) = judge.stand_on_case(good).await? else { continue };
        pinned.extend(broken);
        suspects = judge.round().await?;
        break;
    }
    pinned.retain(|suspect| suspects.iter().all(|other| other.case != suspect.case));
    suspects.extend(pinned);
    let findings = findings::findings(&mut judge, suspects).await?;
    Ok(judge.report(findings))
}

impl Judge {
    /// The runs without cuts.
    async fn begin(shake: Shake, runner: Arc<Runner>, begun: Instant) -> Result<Self> {
        let mut bounds = Bounds::unknown(shake.timeout, &shake.subject);
        let mut baseline = runner.run(&shake.against, bounds).await?;
        if baseline.is_unanswered() && !matches!(shake.subject, Subject::Client { .. }) {
            // It may be thinking, and its end may have been ours.
            bounds.hold.patience = shake.timeout.unwrap_or(limits::ANSWER_PATIENCE);
            baseline = runner.run(&shake.against, bounds).await?;
        }
        check(&baseline, &shake.subject, bounds)?;
        let mut expectation = Expectation::new(&baseline, shake.framing.clone());
        let mut outcomes = vec![baseline.clone()];
        bounds.learn(&outcomes, &expectation, &shake);
        let mut unsteady = false;
        for number in 1..BASELINES + VOLATILE {
            if number >= BASELINES && (unsteady || expectation.volatile().is_empty()) {
                break;
            }
            let outcome = punctual(&runner, &shake.against, bounds).await?;
            unsteady |= !expectation.learn(&outcome);
            outcomes.push(outcome);
        }
        bounds.learn(&outcomes, &expectation, &shake);
        let conversation = recorded(&outcomes, shake.framing.as_ref());
        let mut judge = Self {
            runner,
            bounds,
            expectation,
            conversation,
            baseline,
            base: shake.against.clone(),
            tried: BTreeMap::new(),
            notes: Vec::new(),
            unsteady,
            gone: false,
            tallies: BTreeMap::new(),
            undelivered: Vec::new(),
            begun,
            refreshed: Instant::now(),
            done: 0,
            planned: 0,
            skipped: 0,
            jobs: 1,
            shake,
        };
        judge.note_baseline();
        Ok(judge)
    }

    /// Tries all cases; returns those that fail, again too.
    async fn round(&mut self) -> Result<Vec<Suspect>> {
        let cases = self.cases();
        let suspects = self.run_all(cases).await?;
        self.confirm(suspects).await
    }

    /// Runs without cuts differ from each other.
    fn is_differing(&self) -> bool {
        self.unsteady || !self.expectation.volatile().is_empty()
    }

    fn note_baseline(&mut self) {
        let places = self.expectation.volatile();
        if !places.is_empty() {
            let what = "runs without cuts differ, as by a clock or a random value, which is not held against a case";
            self.notes.push(format!("{what}: {}", places.join(", ")));
        }
        if let Some(exit) = self.baseline.exit.filter(|exit| !exit.is_success()) {
            self.notes.push(format!("the program {exit} even without cuts"));
        }
    }

    /// Runs one case beside what is pinned.
    pub(super) async fn try_case(&mut self, case: &Case) -> Result<Outcome> {
        let outcome = self.runner.run(&over(&self.base, case), self.bounds.for_case(case, &self.conversation)).await?;
        self.done += 1;
        Ok(outcome)
    }

    /// In what an outcome is not as expected. Where it is not, and the last run without cuts is not fresh, that is had
    /// first: what differs may be a clock's.
    pub(super) async fn differences(&mut self, outcome: &Outcome) -> Result<Vec<Difference>> {
        let differences = self.expectation.differences(outcome);
        if differences.is_empty() || self.refreshed.elapsed() < FRESH {
            return Ok(differences);
        }
        self.refresh().await?;
        Ok(self.expectation.differences(outcome))
    }

    /// Has another run without cuts, and learns from it; where the server is gone, that is noted.
    pub(super) async fn refresh(&mut self) -> Result<()> {
        let fresh = match punctual(&self.runner, &self.base, self.bounds).await {
            Err(error) if error.is_unreachable() => {
                self.note_gone(&error);
                return Ok(());
            }
            fresh => fresh?,
        };
        self.refreshed = Instant::now();
        if !self.expectation.learn(&fresh) && !self.unsteady {
            self.unsteady = true;
            self.notes.push("a later run without cuts went otherwise than the first ones".into());
        }
        Ok(())
    }

    pub(super) fn framing(&self) -> Option<unstick_wire::Framing> {
        self.shake.framing.clone()
    }

    /// How many conversations may run at once: asked of the server by trying.
    async fn choose_jobs(&mut self) -> Result<()> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let most = match &self.runner.subject {
            Subject::Service { .. } => 1,
            Subject::Pipes { .. } => processors,
            Subject::Client { server, .. } | Subject::Server { server, .. }
                if server.start.is_some() && server.address.port() != 0 =>
            {
                1
            }
            Subject::Server { server, .. } if server.start.is_none() => MANY,
            _ => processors,
        };
        self.jobs = self.shake.jobs.unwrap_or(most).min(most).min(self.backlog());
        if self.jobs == 1 || self.unsteady {
            return Ok(());
        }
        let mut together = JoinSet::new();
        for _ in 0..self.jobs {
            let (runner, base, bounds) = (Arc::clone(&self.runner), self.base.clone(), self.bounds);
            together.spawn(async move { runner.run(&base, bounds).await });
        }
        let mut alike = true;
        while let Some(outcome) = together.join_next().await {
            alike &= matches!(outcome, Ok(Ok(outcome)) if self.expectation.learn(&outcome));
        }
        if !alike {
            self.jobs = 1;
        }
        Ok(())
    }

    /// Connections that the server's backlog takes: what comes beyond waits a second for its handshake.
    fn backlog(&self) -> usize {
        let (Subject::Server { server, .. } | Subject::Client { server, .. }) = &self.runner.subject else {
            return MANY;
        };
        let backlog = self.runner.table.as_ref().and_then(|table| table.backlog(server.address).ok().flatten());
        backlog.filter(|_| server.start.is_none()).map_or(MANY, |backlog| (backlog as usize).max(1))
    }

    /// The cases to try, in order.
    fn cases(&self) -> Vec<Planned> {
        if !self.shake.cases.is_empty() {
            let only = |case: &Case| Planned { case: case.clone(), stage: Stage::Named };
            return self.shake.cases.iter().map(only).collect();
        }
        plan(&self.conversation, &self.depth())
    }

    /// Cases that end well, where without cuts the program does not; those that say most first.
    fn better(&self, suspects: &[Suspect]) -> Vec<Case> {
        /// As many are looked at.
        const LOOKED_AT: usize = 8;
        let well = |outcome: &Outcome| outcome.exit.is_some_and(Exit::is_success) && !outcome.late;
        if self.baseline.exit.is_none() || well(&self.baseline) || !self.shake.cases.is_empty() {
            return Vec::new();
        }
        let mut good: Vec<&Suspect> = suspects.iter().filter(|suspect| well(&suspect.outcome)).collect();
        good.sort_by_key(|suspect| (Reverse(suspect.outcome.said()), suspect.case.edits().len(), suspect.case.clone()));
        good.iter().take(LOOKED_AT).map(|suspect| suspect.case.clone()).collect()
    }

    fn depth(&self) -> Depth {
        let directions = match self.runner.subject {
            Subject::Client { .. } => Direction::BOTH.to_vec(),
            _ => vec![Direction::ClientToServer],
        };
        let scripted = !matches!(self.runner.subject, Subject::Client { .. });
        Depth { bytes: self.shake.depth, directions, scripted }
    }

    /// Runs all cases, then random ones, some at once; returns those that went otherwise.
    async fn run_all(&mut self, cases: Vec<Planned>) -> Result<Vec<Suspect>> {
        let mut suspects = Vec::new();
        let mut hanging: BTreeMap<(Stage, Vec<Direction>), Duration> = BTreeMap::new();
        self.planned = cases.len() as u64 + self.shake.random.unwrap_or(0);
        let mut cases = cases.into_iter();
        let (mut drawn, mut kept) = (0, 0);
        let mut running = JoinSet::new();
        loop {
            while running.len() < self.jobs {
                let next = cases.next().or_else(|| self.draw(&mut drawn));
                let Some(Planned { case, stage }) = next else { break };
                let ways = case.edits().iter().map(|(way, _)| *way).collect::<Vec<_>>();
                let over_time = self.shake.time.is_some_and(|time| self.begun.elapsed() >= time);
                let enough = over_time || kept >= limits::MAX_SUSPECTED;
                if enough || hanging.get(&(stage, ways.clone())).is_some_and(|spent| *spent >= HANGING) {
                    self.skipped += u64::from(stage != Stage::Random);
                    continue;
                }
                let runner = Arc::clone(&self.runner);
                let (whole, bounds) = (over(&self.base, &case), self.bounds.for_case(&case, &self.conversation));
                running.spawn(async move { (runner.run(&whole, bounds).await, case, stage, ways) });
            }
            let Some(ended) = running.join_next().await else { break };
            let (outcome, case, stage, ways) = ended.map_err(|_| Error::other("a case was broken off"))?;
            let outcome = match outcome {
                Err(error) if error.is_unreachable() && !suspects.is_empty() => {
                    self.note_gone(&error);
                    return Ok(suspects);
                }
                outcome => outcome?,
            };
            self.done += 1;
            self.note_tally(&case, outcome.tally);
            let differences = self.differences(&outcome).await?;
            if outcome.late {
                *hanging.entry((stage, ways)).or_default() += outcome.took / u32::try_from(self.jobs).unwrap_or(1);
            }
            self.tried.insert(case.clone(), !differences.is_empty());
            if !differences.is_empty() {
                kept += outcome.said();
                suspects.push(Suspect { case, outcome, differences });
            }
            self.tell(Some(stage), suspects.len());
            if self.gone {
                break;
            }
        }
        suspects.extend(self.deliver().await?);
        Ok(suspects)
    }

    /// The server no longer listens: what came before has ended it, if that went otherwise at all.
    pub(super) fn note_gone(&mut self, error: &Error) {
        if !self.gone {
            let advice = "--start COMMAND starts it anew for every case";
            self.notes.push(format!("after the last of these cases the server was gone ({error}): {advice}"));
            self.gone = true;
        }
    }

    /// The next random case, as long as there is time for one, or one is wanted.
    fn draw(&self, drawn: &mut u64) -> Option<Planned> {
        if !self.shake.cases.is_empty() {
            return None;
        }
        let wanted = match (self.shake.random, self.shake.time) {
            (Some(count), _) => *drawn < count,
            (None, Some(time)) => self.begun.elapsed() < time,
            (None, None) => false,
        };
        if !wanted {
            return None;
        }
        *drawn += 1;
        let case = Random::new(self.shake.seed, *drawn).case(&self.conversation, &self.depth());
        Some(Planned { case, stage: Stage::Random })
    }

    fn tell(&self, stage: Option<Stage>, suspects: usize) {
        if let Some(progress) = &self.shake.progress {
            progress(&Progress {
                stage,
                done: self.done,
                planned: self.planned.max(self.done),
                suspects: suspects as u64,
            });
        }
    }

    fn report(mut self, findings: Vec<super::Finding>) -> Report {
        if self.skipped > 0 {
            self.notes.push(format!(
                "{} planned cases were not tried: enough had gone otherwise, or too much time had gone",
                self.skipped
            ));
        }
        let tally = self.tallies.values().fold(Tally::default(), |sum, one| sum.plus(*one));
        let undelivered = tally.unproven + tally.unread;
        if tally.unproven > 0 {
            let note = "cuts could not be proven: the receiver is not on this host, or not in this network namespace";
            self.notes.push(format!("{} {note}", tally.unproven));
        }
        if tally.unread > 0 {
            let note = "cuts were not delivered: the receiver did not read what was before them within a second";
            self.notes.push(format!("{} {note}", tally.unread));
        }
        let verdict = match findings.is_empty() {
            false => Verdict::Broken,
            true if undelivered > 0 || self.skipped > 0 || self.unsteady || self.gone => Verdict::Inconclusive,
            true => Verdict::Same,
        };
        Report {
            verdict,
            findings,
            cases: self.done,
            tally,
            notes: self.notes,
            results: self.tried.into_iter().collect(),
            conversation: self.conversation,
            took: self.begun.elapsed(),
        }
    }
}

impl Bounds {
    /// From what was seen of runs without cuts.
    fn learn(&mut self, outcomes: &[Outcome], expectation: &Expectation, shake: &Shake) {
        // The first run waited for what nobody knew.
        let later = if outcomes.len() > 1 { &outcomes[1..] } else { outcomes };
        let took = later.iter().map(|outcome| outcome.active).max().unwrap_or_default();
        let pause = outcomes.iter().map(|outcome| outcome.pause).max().unwrap_or_default();
        self.ends = expectation.ends(Direction::ServerToClient);
        self.expected = outcomes.iter().map(Outcome::answered).min().unwrap_or(0);
        self.quiet = (pause * 2 + Duration::from_millis(20)).min(Duration::from_secs(1));
        let settle = if matches!(shake.subject, Subject::Service { .. }) { SETTLE_INSIDE } else { SETTLE };
        self.settle = settle.max(pause * 2);
        self.total = shake.timeout.unwrap_or(took * 4 + SLACK);
        let answer = outcomes.iter().map(|outcome| outcome.timing.answer).max().unwrap_or_default();
        let answers = outcomes.iter().any(|outcome| outcome.timing.answered);
        self.hold = Hold {
            expected: outcomes.iter().map(|outcome| outcome.timing.before_end).min().unwrap_or(0),
            answer: if answers { answer } else { Duration::ZERO },
            // Who answers only behind the end is not waited for before it.
            settle: if answers { self.settle } else { Duration::ZERO },
            patience: shake.timeout.unwrap_or(answer * 4 + SLACK),
            unknown: false,
        };
    }

    /// A case of many cuts takes longer by itself.
    fn for_case(mut self, case: &Case, conversation: &Conversation) -> Self {
        let cuts = |(way, edit): &(Direction, Edit)| match edit {
            Edit::Every(step, to) => (conversation.of(*way).bytes.len() as u64).min(to.unwrap_or(u64::MAX)) / step,
            _ => 1,
        };
        let cuts: u64 = case.edits().iter().map(cuts).sum();
        self.total += Duration::from_millis(cuts);
        self
    }
}

/// A run that is not late, if that can be had.
async fn punctual(runner: &Arc<Runner>, case: &Case, bounds: Bounds) -> Result<Outcome> {
    let mut outcome = runner.run(case, bounds).await?;
    for _ in 1..PUNCTUAL {
        if !outcome.late && !outcome.timing.given_up {
            break;
        }
        outcome = runner.run(case, bounds).await?;
    }
    Ok(outcome)
}

/// What must hold of a run without cuts before anything can be said.
fn check(baseline: &Outcome, subject: &Subject, bounds: Bounds) -> Result<()> {
    if baseline.late {
        let error = Error::other(format!("without cuts the conversation is not over after {:?}", bounds.total));
        return Err(
            error.with_hint("--timeout gives it longer; a client that waits for more input needs an end of its own")
        );
    }
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
    if baseline.overflowed {
        let limit = unstick_wire::quantity::size(limits::MAX_RECORDED as u64);
        let error = Error::other(format!("the conversation is longer than {limit} in one direction"));
        return Err(error.with_hint("a shorter one breaks at the same boundaries"));
    }
    let silent = matches!(subject, Subject::Server { writes, .. } | Subject::Pipes { writes, .. } if writes.iter().all(Vec::is_empty));
    if silent {
        return Err(Error::usage("nothing is sent, so nothing can be cut").with_hint("--send TEXT or --send-file PATH"));
    }
    Ok(())
}

/// What was recorded of the longest connection, with the segments of all runs.
fn recorded(outcomes: &[Outcome], framing: Option<&unstick_wire::Framing>) -> Conversation {
    let mut conversation = Conversation::default();
    let Some(first) = outcomes.first() else { return conversation };
    let length = |exchange: &super::Exchange| {
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
        if let Some(framing) = framing {
            recording.find_frames(&framing.sent_by(way.sender()));
        }
    }
    conversation
}

/// A case over what is pinned: its cuts divide pinned joins, its joins rule out pinned cuts.
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
