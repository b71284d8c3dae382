//! Makes the cases and runs them, some at once, until all are done or no time is left.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, yield_now};
use unstick_wire::shake::{Case, Depth, Direction, Planned, Random, Stage, plan};

use super::config::Progress;
use super::conversation::Subject;
use super::difference::Difference;
use super::outcome::{Exit, Outcome};
use super::trial::{Suspect, Trial, over};
use crate::limits;
use unstick::{Error, Result};

/// Number of conversations at once with a server that takes many.
const MANY: usize = 16;

/// Number of programs that are started at once, one for each case, even on fewer processors: they mostly wait.
const STARTED: usize = 4;

/// Number of baseline runs, one by one, if those at once were not alike.
const APART: usize = 3;

/// The time that cases may hang in one stage. It is enough to understand a program that hangs at each of a thousand places.
const HANGING: Duration = Duration::from_secs(20);

/// Number of cases of each stage that are tried of a program that does not answer without cuts.
const UNANSWERED: usize = 64;

/// A case under way: the case, its stage, and the directions that it changes.
type Launched = (Case, Stage, Vec<Direction>);

/// State that is kept while the cases of a round run.
#[derive(Default)]
struct Round {
    hanging: BTreeMap<(Stage, Vec<Direction>), Duration>,
    /// Number of random cases drawn.
    drawn: u64,
    /// Number of bytes of outcomes that are kept.
    kept: usize,
    under_way: BTreeSet<Case>,
}

impl Trial {
    /// Tries all cases; those that fail, and fail again, become suspects.
    pub(super) async fn round(&mut self) -> Result<()> {
        let cases = self.cases();
        self.suspects.clear();
        self.run_all(cases).await?;
        self.deliver().await?;
        self.confirm().await
    }

    /// Chooses how many conversations run at once, by trying the server.
    pub(super) async fn choose_jobs(&mut self) -> Result<()> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let most = match &self.runner.subject {
            Subject::Service { .. } => 1,
            Subject::Pipes { .. } => processors.max(STARTED),
            Subject::Client { server, .. } | Subject::Server { server, .. }
                if server.start.is_some() && server.address.is_fixed() =>
            {
                1
            }
            Subject::Server { server, .. } if server.start.is_none() => MANY,
            _ => processors.max(STARTED),
        };
        self.jobs = self.shake.jobs.unwrap_or(most).min(most).min(self.backlog());
        if self.jobs == 1 || self.unsteady {
            return Ok(());
        }
        let (begun, alone) = (Instant::now(), self.bounds.typical);
        let mut together = JoinSet::new();
        for _ in 0..self.jobs {
            let (runner, base, bounds) = (Arc::clone(&self.runner), self.base.clone(), self.bounds);
            together.spawn(async move { runner.run(&base, bounds).await });
        }
        let mut alike = true;
        while let Some(outcome) = together.join_next().await {
            alike &= matches!(outcome, Ok(Ok(outcome)) if self.expectation.learn_alike(&outcome));
        }
        self.bounds.typical = begun.elapsed();
        if !alike {
            self.jobs = 1;
            self.bounds.typical = alone;
            // The server serves one at a time, or it does not always answer the same.
            for _ in 0..APART {
                if !self.gone {
                    self.refresh().await?;
                }
            }
        }
        Ok(())
    }

    /// Number of connections that the server's backlog takes: any more wait a second for their handshake.
    fn backlog(&self) -> usize {
        let (Subject::Server { server, .. } | Subject::Client { server, .. }) = &self.runner.subject else {
            return MANY;
        };
        let backlog = server.address.backlog(self.runner.table.as_ref());
        backlog.filter(|_| server.start.is_none()).map_or(MANY, |backlog| (backlog as usize).max(1))
    }

    /// The cases to try, in order.
    fn cases(&self) -> Vec<Planned> {
        if !self.shake.cases.is_empty() {
            let only = |case: &Case| Planned { case: case.clone(), stage: Stage::Named };
            return self.shake.cases.iter().map(only).collect();
        }
        let mut cases = plan(&self.conversation, &self.depth());
        cases.retain(|planned| self.shake.half_close || planned.stage != Stage::HalfClose);
        if self.is_scripted() && self.baseline.is_unanswered() {
            let mut counts: BTreeMap<Stage, usize> = BTreeMap::new();
            cases.retain(|planned| {
                let count = counts.entry(planned.stage).or_default();
                *count += 1;
                *count <= UNANSWERED
            });
        }
        cases
    }

    /// Finds cases that end well if the program fails without cuts, or that get an answer if it does not answer without
    /// cuts. Those with the most bytes come first.
    pub(super) fn better(&self) -> Vec<Case> {
        /// Number of cases that are returned.
        const LOOKED_AT: usize = 8;
        let ends_well = |outcome: &Outcome| outcome.exit.is_some_and(Exit::is_success) && !outcome.late;
        let mute = self.is_scripted() && self.baseline.answered() == 0;
        let failing = self.baseline.exit.is_some() && !ends_well(&self.baseline);
        if !(mute || failing) || !self.shake.cases.is_empty() || self.gone {
            return Vec::new();
        }
        let well = |outcome: &Outcome| if mute { outcome.answered() > 0 && !outcome.late } else { ends_well(outcome) };
        let mut good: Vec<&Suspect> = self.suspects.iter().filter(|suspect| well(&suspect.outcome)).collect();
        good.sort_by_key(|suspect| (Reverse(suspect.outcome.said()), suspect.case.edits().len(), suspect.case.clone()));
        good.iter().take(LOOKED_AT).map(|suspect| suspect.case.clone()).collect()
    }

    fn depth(&self) -> Depth {
        let directions = match self.runner.subject {
            Subject::Client { .. } => Direction::BOTH.to_vec(),
            _ => vec![Direction::ClientToServer],
        };
        Depth { bytes: self.shake.depth, directions, scripted: self.is_scripted() }
    }

    /// Runs all cases, then random ones, some at once.
    async fn run_all(&mut self, cases: Vec<Planned>) -> Result<()> {
        let mut round = Round::default();
        self.planned = (cases.len() as u64).saturating_add(self.shake.random.unwrap_or(0));
        self.untried = cases.iter().map(|planned| self.planned_of(&planned.case)).sum();
        self.estimate();
        let mut cases = cases.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < self.jobs {
                let next = cases.next().or_else(|| self.draw(&mut round.drawn));
                let Some(Planned { case, stage }) = next else { break };
                let ways = case.edits().iter().map(|(way, _)| *way).collect::<Vec<_>>();
                if self.is_enough(&round, stage, &ways) {
                    self.skipped += u64::from(stage != Stage::Random);
                    continue;
                }
                let runner = Arc::clone(&self.runner);
                let (whole, bounds) = (over(&self.base, &case), self.bounds.for_case(&case, &self.conversation));
                round.under_way.insert(case.clone());
                running.spawn(async move { (runner.run(&whole, bounds).await, (case, stage, ways)) });
            }
            let Some(ended) = running.join_next().await else { break };
            let (outcome, trial) = ended.map_err(|_| Error::other("a case was broken off"))?;
            let outcome = match outcome {
                Err(error) if error.is_unreachable() => {
                    self.died(&error, round.under_way);
                    return Ok(());
                }
                outcome => outcome?,
            };
            self.take_in(outcome, trial, &mut round).await?;
            if self.gone {
                break;
            }
            // Yields, so that tasks that wait for a signal or a deadline run, even if no case waits for anything.
            yield_now().await;
        }
        Ok(())
    }

    /// Records the outcome of a case.
    async fn take_in(&mut self, outcome: Outcome, (case, stage, ways): Launched, round: &mut Round) -> Result<()> {
        self.done += 1;
        round.under_way.remove(&case);
        self.note_tally(&case, outcome.tally);
        if stage != Stage::Random {
            self.untried = self.untried.saturating_sub(self.planned_of(&case));
        }
        if self.is_base(&case) {
            // Every other case is compared with this one.
            self.learn(&outcome);
            self.tried.insert(case, false);
            return Ok(());
        }
        let differences = self.differences(&outcome).await?;
        if outcome.late || differences.contains(&Difference::Withheld) {
            let spent = outcome.took / u32::try_from(self.jobs).unwrap_or(1);
            *round.hanging.entry((stage, ways)).or_default() += spent;
        }
        let differs = !differences.is_empty();
        let half_close = self.is_half_close(&case);
        self.tried.insert(case.clone(), differs && !half_close);
        if differs {
            let suspect = Suspect::new(case, outcome, differences);
            if half_close {
                self.half_close = Some(suspect);
            } else {
                round.kept += suspect.outcome.said();
                self.suspects.push(suspect);
            }
        }
        self.tell(Some(stage), None);
        Ok(())
    }

    /// Whether a case need not be tried any more.
    fn is_enough(&self, round: &Round, stage: Stage, ways: &[Direction]) -> bool {
        let hangs = round.hanging.get(&(stage, ways.to_vec())).is_some_and(|spent| *spent >= HANGING);
        hangs || round.kept >= limits::MAX_SUSPECTED || self.is_out_of_time()
    }

    /// Whether the time for cases is over. Suspects need some of it to be tried again.
    fn is_out_of_time(&self) -> bool {
        let whole = if self.suspects.is_empty() { 1.0 } else { 0.75 };
        self.shake.time.is_some_and(|time| self.begun.elapsed() >= time.mul_f64(whole))
    }

    /// Notes that the server no longer listens. Cases that ran then, or differed just before, may have ended it.
    fn died(&mut self, error: &Error, under_way: BTreeSet<Case>) {
        let latest = self.suspects.iter().rev().take(self.jobs).map(|suspect| suspect.case.clone());
        let mut under_way: Vec<Case> = latest.chain(under_way).collect();
        if self.jobs == 1 && !self.suspects.is_empty() {
            under_way.truncate(1);
        }
        self.note_gone(error, under_way);
    }

    /// Draws the next random case, as long as there is time for one, or one is wanted.
    fn draw(&self, drawn: &mut u64) -> Option<Planned> {
        if !self.shake.cases.is_empty() || self.is_out_of_time() {
            return None;
        }
        let wanted = match (self.shake.random, self.shake.time) {
            (Some(count), _) => *drawn < count,
            (None, time) => time.is_some(),
        };
        if !wanted {
            return None;
        }
        *drawn += 1;
        let case = Random::new(self.shake.seed, *drawn).case(&self.conversation, &self.depth());
        Some(Planned { case, stage: Stage::Random })
    }

    /// Reports how long the whole run will take, with the time already spent. It assumes that a case takes as long as a
    /// baseline run, with as many at once.
    fn estimate(&self) {
        let turns = self.planned.div_ceil(self.jobs as u64);
        let cases = self.bounds.typical.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX));
        let whole = self.begun.elapsed().saturating_add(cases);
        self.tell(None, Some(self.shake.time.map_or(whole, |time| whole.min(time))));
    }

    fn tell(&self, stage: Option<Stage>, estimate: Option<Duration>) {
        if let Some(progress) = &self.shake.progress {
            progress(&Progress {
                stage,
                done: self.done,
                planned: self.planned.max(self.done),
                suspects: self.suspects.len() as u64,
                estimate,
            });
        }
    }
}
