//! What went otherwise is tried again: a clock, a lot and a busy machine are told from a finding.

use std::collections::BTreeMap;

use unstick_wire::shake::{Case, Tally};

use super::difference::Difference;
use super::trial::{Suspect, Trial};
use unstick::Result;

/// Suspects that fail alike and are all tried again; of more, every so many, as long as all of them fail again.
const ALIKE: usize = 24;
const EVERY: usize = 16;

/// How often a suspect is tried again where runs without cuts say something else each time, each beside another run
/// without cuts: what those have not said in so many runs, and the suspect in each of its own, is no chance.
const VOLATILE: usize = 4;

/// So many suspects of a kind are tried so often; who fails like them is tried once.
const EXAMPLES: usize = 6;

/// How often a case that was late is tried again: whoever is in time each time met a busy machine.
const LATE: usize = 3;

/// Cases whose cuts were not delivered and that are tried again, and how often each.
const UNDELIVERED: usize = 64;
const DELIVERIES: usize = 3;

/// This much in common with runs without cuts, and what differs may be what differs there, too.
const NEARLY: f64 = 0.8;

/// What trying again has shown of a suspect.
enum Again {
    Fails(Box<Suspect>),
    Passes,
    /// Now this, now that.
    Both,
}

impl Trial {
    /// Tries each suspect again, by itself, so that a busy machine is no finding; those that fail again are left.
    pub(super) async fn confirm(&mut self) -> Result<()> {
        if self.suspects.is_empty() || self.gone {
            return Ok(());
        }
        self.refresh().await?;
        let mut seen: BTreeMap<Vec<Difference>, (usize, usize)> = BTreeMap::new();
        let mut certain = Vec::new();
        let mut chance = 0;
        let suspects = self.suspects.clone();
        for suspect in self.unexplained(suspects) {
            if self.gone {
                return Ok(());
            }
            let kind = suspect.differences.clone();
            let (met, passed) = *seen.entry(kind.clone()).and_modify(|(met, _)| *met += 1).or_insert((1, 0));
            if met > ALIKE && passed == 0 && !met.is_multiple_of(EVERY) {
                certain.push(suspect);
                continue;
            }
            let case = suspect.case.clone();
            match self.again(suspect, met <= EXAMPLES).await {
                Err(error) if error.is_unreachable() => {
                    self.note_gone(&error, vec![case]);
                    return Ok(());
                }
                Err(error) => return Err(error),
                Ok(Again::Fails(suspect)) => {
                    certain.push(*suspect);
                    continue;
                }
                Ok(Again::Passes) => {}
                Ok(Again::Both) => chance += 1,
            }
            seen.entry(kind).and_modify(|(_, passed)| *passed += 1);
            self.tried.insert(case, false);
        }
        if chance > 0 {
            let plural = if chance == 1 { "1 case" } else { &format!("{chance} cases") };
            self.doubts
                .push(format!("{plural} differed in some runs and passed in others: the outcome is not steady").into());
            self.unsteady = true;
        }
        if !certain.is_empty() {
            // A clock may have ticked while they were tried.
            self.refresh().await?;
        }
        self.suspects = self.unexplained(certain);
        Ok(())
    }

    /// Leaves out what runs without cuts have shown since then.
    fn unexplained(&mut self, suspects: Vec<Suspect>) -> Vec<Suspect> {
        let mut left = Vec::with_capacity(suspects.len());
        for mut suspect in suspects {
            suspect.differences = self.expectation.differences(&suspect.outcome);
            if suspect.differences.is_empty() {
                self.tried.insert(suspect.case, false);
            } else {
                left.push(suspect);
            }
        }
        left
    }

    /// Tries one suspect again, as often as it takes to be certain.
    async fn again(&mut self, suspect: Suspect, thoroughly: bool) -> Result<Again> {
        let content = |difference: &Difference| matches!(difference, Difference::Bytes(_) | Difference::Output);
        let volatile = self.expectation.is_volatile() && suspect.differences.iter().all(content);
        let late = suspect.differences.iter().any(|one| matches!(one, Difference::Late | Difference::Withheld));
        let mut suspect = suspect;
        let mut tries = 0;
        loop {
            let again = self.try_case(&suspect.case).await?;
            tries += 1;
            self.better_tally(&suspect.case, again.tally);
            let mut differences = self.expectation.differences(&again);
            if !differences.is_empty() && volatile && thoroughly {
                self.refresh().await?;
                differences = self.expectation.differences(&again);
            }
            if differences.is_empty() {
                break;
            }
            suspect = suspect.again(again, differences);
            if !(volatile && thoroughly && tries < VOLATILE) {
                return Ok(Again::Fails(Box::new(suspect)));
            }
        }
        if self.expectation.differences(&suspect.outcome).is_empty() {
            return Ok(Again::Passes);
        }
        suspect.runs = suspect.runs.and(false);
        if volatile && self.expectation.likeness(&suspect.outcome) >= NEARLY {
            self.note_unrepeated(&suspect);
            return Ok(Again::Passes);
        }
        // It went well once. A case that goes now so, now so, is neither a finding nor a pass.
        for _ in 1..if late { LATE } else { 2 } {
            let other = self.try_case(&suspect.case).await?;
            let differs = !self.differences(&other).await?.is_empty();
            suspect.runs = suspect.runs.and(differs);
            if differs {
                self.note_unrepeated(&suspect);
                return Ok(Again::Both);
            }
        }
        self.note_unrepeated(&suspect);
        Ok(Again::Passes)
    }

    /// What came about of a case in its first run.
    pub(super) fn note_tally(&mut self, case: &Case, tally: Tally) {
        let tally = tally.of_planned(self.planned_of(case));
        if !tally.is_complete() {
            self.undelivered.push(case.clone());
        }
        self.tallies.insert(case.clone(), tally);
    }

    fn better_tally(&mut self, case: &Case, tally: Tally) {
        let tally = tally.of_planned(self.planned_of(case));
        if tally.is_complete() {
            self.tallies.insert(case.clone(), tally);
        }
    }

    /// Tries cases whose cuts were not delivered again, by themselves: a busy machine reads late, too. Those that go
    /// otherwise when they are become suspects.
    pub(super) async fn deliver(&mut self) -> Result<()> {
        for case in std::mem::take(&mut self.undelivered).into_iter().take(UNDELIVERED) {
            let mut delivered = false;
            for _ in 0..DELIVERIES {
                if self.gone {
                    return Ok(());
                }
                let outcome = match self.try_case(&case).await {
                    Err(error) if error.is_unreachable() => {
                        self.note_gone(&error, vec![case]);
                        return Ok(());
                    }
                    outcome => outcome?,
                };
                if !outcome.tally.is_complete() {
                    continue;
                }
                delivered = true;
                self.better_tally(&case, outcome.tally);
                let differences = self.differences(&outcome).await?;
                if !differences.is_empty() && !self.is_half_close(&case) && !self.is_base(&case) {
                    self.tried.insert(case.clone(), true);
                    self.suspects.retain(|suspect| suspect.case != case);
                    self.suspects.push(Suspect::new(case, outcome, differences));
                }
                break;
            }
            if !delivered {
                // It is not the machine: the receiver does not read, or cannot be seen.
                break;
            }
        }
        Ok(())
    }
}
