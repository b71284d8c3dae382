//! Proves that a case decides: as many runs with it as without, in random order, and the probability that chance makes
//! the difference.

use std::sync::Arc;

use tokio::task::JoinSet;
use unstick_wire::shake::{chance, order};

use super::conversation::punctual;
use super::evidence::Evidence;
use super::outcome::Outcome;
use super::trial::{Suspect, Trial, over};
use unstick::Result;

/// Number of pairs of runs, one with the case and one without, that are made together, and the most in all.
const PAIRS: u32 = 7;
const MOST: u32 = 21;

/// If the probability is higher than this, the difference counts as chance.
const LIKELY: f64 = 1e-3;

/// How many times the proof starts again after a baseline run that was new.
const ANEW: usize = 2;

impl Trial {
    /// Proves that a case decides; `None` if it does not, or that cannot be shown.
    pub(super) async fn prove(&mut self, mut suspect: Suspect) -> Result<Option<(Suspect, Evidence)>> {
        let (mut runs, mut otherwise, mut alike, mut anew) = (0, 0, 0, 0);
        // A cut that was delivered and decides, decides each time. Where cases differed now and then, it may be time that
        // decides: a sound server that drops what is unanswered at a goodbye answers more if the goodbye comes later.
        let (fewest, exceptions) = if self.unrepeated.is_empty() { (PAIRS, 1) } else { (MOST, 0) };
        while runs < MOST && !self.gone {
            let outcomes = self.mixed(&suspect, runs).await?;
            if self.gone {
                break;
            }
            let (with, without): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(with, _)| *with);
            let mut new = false;
            for (_, outcome) in &without {
                new |= !self.expectation.differences(outcome).is_empty();
                self.learn(outcome);
            }
            if new {
                suspect.differences = self.expectation.differences(&suspect.outcome);
                anew += 1;
                if suspect.differences.is_empty() || anew > ANEW {
                    break;
                }
                (runs, otherwise, alike) = (0, 0, 0);
                continue;
            }
            runs += PAIRS;
            for (_, outcome) in with {
                let differences = self.expectation.differences(&outcome);
                suspect.runs = suspect.runs.and(!differences.is_empty());
                if !differences.is_empty() {
                    otherwise += 1;
                    suspect = Suspect { outcome, differences, ..suspect };
                } else if outcome.tally.of_planned(self.planned_of(&suspect.case)).is_complete() {
                    alike += 1;
                }
            }
            let chance = chance(otherwise, runs);
            if chance <= LIKELY && runs >= fewest && alike <= exceptions {
                return Ok(Some((suspect, Evidence { runs, otherwise, chance })));
            }
            if otherwise == 0 {
                self.note_unrepeated(&suspect);
                break;
            }
            if alike > exceptions {
                break;
            }
        }
        if !self.gone && otherwise > 0 {
            self.note_unrepeated(&suspect);
            self.doubts.push(
                format!(
                    "{} differed in {otherwise} of {runs} runs, not in each: chance or time may be the cause, not the cut",
                    suspect.case
                )
                .into(),
            );
        }
        Ok(None)
    }

    /// Runs with the case and without it, in random order, some at once.
    async fn mixed(&mut self, suspect: &Suspect, before: u32) -> Result<Vec<(bool, Outcome)>> {
        let bounds = self.bounds.for_case(&suspect.case, &self.conversation);
        let whole = over(&self.base, &suspect.case);
        let mut order = order(self.shake.seed ^ u64::from(before), PAIRS).into_iter();
        let mut running = JoinSet::new();
        let mut outcomes = Vec::new();
        loop {
            while running.len() < self.jobs
                && let Some(with) = order.next()
            {
                let runner = Arc::clone(&self.runner);
                let case = if with { whole.clone() } else { self.base.clone() };
                running.spawn(async move {
                    match with {
                        true => (with, runner.run(&case, bounds).await),
                        false => (with, punctual(&runner, &case, bounds).await),
                    }
                });
            }
            match running.join_next().await {
                None => return Ok(outcomes),
                Some(Err(_)) => {}
                Some(Ok((with, Ok(outcome)))) => outcomes.push((with, outcome)),
                Some(Ok((_, Err(error)))) if error.is_unreachable() => {
                    self.note_gone(&error, vec![suspect.case.clone()]);
                    return Ok(Vec::new());
                }
                Some(Ok((_, Err(error)))) => return Err(error),
            }
        }
    }
}
