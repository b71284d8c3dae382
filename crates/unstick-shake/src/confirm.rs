//! Tries suspects again, to tell a finding from a clock, a random value or a busy machine.

use std::collections::BTreeMap;

use unstick_wire::shake::{Case, Tally};

use super::difference::Difference;
use super::trial::{Suspect, Trial};
use unstick::Result;

/// Number of suspects that fail alike and are all tried again; of more, one in `EVERY`, as long as all of them fail
/// again.
const ALIKE: usize = 24;
const EVERY: usize = 16;

/// How many times a suspect is tried again if baseline runs differ each time, each time beside another baseline run.
/// A difference that none of those shows, and that every run of the suspect shows, is not chance.
const VOLATILE: usize = 4;

/// Number of suspects of a kind that are tried `VOLATILE` times; those that fail like them are tried once.
const EXAMPLES: usize = 6;

/// How many times a late case is tried again: a case that is in time each time met a busy machine.
const LATE: usize = 3;

/// Number of cases with undelivered cuts that are tried again, and how many times each.
const UNDELIVERED: usize = 64;
const DELIVERIES: usize = 3;

/// If a run has this share in common with baseline runs, it may differ in the places where they differ, too.
const NEARLY: f64 = 0.8;

/// The result of trying a suspect again.
enum Again {
    Fails(Box<Suspect>),
    Passes,
    /// It fails in some runs and passes in others.
    Both,
}

impl Trial {
    /// Tries each suspect again, alone, so that a busy machine is not reported; keeps those that fail again.
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

    /// Leaves out suspects that baseline runs have explained since.
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

    /// Tries one suspect again, as many times as it takes to be certain.
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
        // It passed once. A case that sometimes fails and sometimes passes is neither a finding nor a pass.
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

    /// Keeps the tally of a case's first run.
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

    /// Tries cases whose cuts were not delivered again, alone, since a busy machine reads late, too. Those that differ
    /// once delivered become suspects.
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
                // It is not the machine: the receiver does not read, or its reads cannot be seen.
                break;
            }
        }
        Ok(())
    }
}
