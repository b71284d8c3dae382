//! Runs the whole test: the baseline, then every case, then tries again whatever differed until it is certain.

use super::config::Shake;
use super::findings;
use super::report::Report;
use super::trial::{End, Suspect, Trial};
use unstick::Result;

/// Tests a program.
pub(super) async fn run(shake: Shake) -> Result<Report> {
    let mut trial = Trial::new(shake);
    let stop = trial.shake.stop.clone();
    let deadline = trial.shake.time.and_then(|time| trial.begun.checked_add(time));
    let late = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
            None => std::future::pending().await,
        }
    };
    let end = tokio::select! {
        biased;
        done = trial.work() => done.map(|()| End::Done),
        () = stop.comes() => Ok(End::Stopped),
        () = late => Ok(End::OutOfTime),
    };
    let end = match end {
        // What was found up to then still holds.
        Err(error) if trial.has_begun() => trial.failed(&error),
        end => end?,
    };
    Ok(trial.report(end))
}

impl Trial {
    /// Does all the work. What is known is kept if this is cancelled.
    async fn work(&mut self) -> Result<()> {
        if !self.begin().await? {
            return Ok(());
        }
        let mut pinned = Vec::new();
        let differing = self.is_differing();
        if self.unsteady {
            pinned.extend(self.pin().await?);
        } else if differing {
            pinned.extend(self.pin_segments().await?);
        }
        self.choose_jobs().await?;
        self.round().await?;
        let mut steady = !differing;
        self.settle_segments(&mut steady, &mut pinned).await?;
        // If some cases end well, the cases are not what goes wrong: the run without them is.
        for good in self.better() {
            let Some(broken) = self.stand_on_case(good).await? else { continue };
            pinned.extend(broken);
            self.round().await?;
            break;
        }
        self.find(&mut pinned).await?;
        // During the proof, baseline runs may have begun to differ.
        if self.settle_segments(&mut steady, &mut pinned).await? {
            self.findings.clear();
            self.find(&mut pinned).await?;
        }
        self.try_half_close().await
    }

    /// Finds what is certain, pinned suspects included.
    async fn find(&mut self, pinned: &mut Vec<Suspect>) -> Result<()> {
        pinned.retain(|suspect| self.suspects.iter().all(|other| other.case != suspect.case));
        self.suspects.append(pinned);
        findings::find(self).await
    }

    /// Pins the segments if baseline runs have begun to differ on the way, since that may have been taken for a
    /// clock. If the segments decide, the cases are run again. This is tried once.
    async fn settle_segments(&mut self, steady: &mut bool, pinned: &mut Vec<Suspect>) -> Result<bool> {
        if !*steady || !self.is_differing() || self.gone {
            return Ok(false);
        }
        *steady = false;
        let Some(broken) = self.pin_segments().await? else { return Ok(false) };
        pinned.push(broken);
        self.round().await?;
        Ok(true)
    }
}
