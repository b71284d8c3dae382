//! What failing cases come to: those that fail alike together, each with its smallest case, in words.

use std::collections::BTreeMap;

use unstick_wire::shake::words::{Failing, cause, describe};
use unstick_wire::shake::{Case, Direction, Edit, Shrink, atoms};

use super::conversation::Subject;
use super::expect::Expectation;
use super::judge::{Judge, Suspect, over};
use super::outcome::{Exit, Outcome};
use super::report::Finding;
use crate::error::Result;

/// Runs that finding a smallest case may take.
const SHRINKING: usize = 300;

/// Runs that must agree before one is taken for how it should be.
const STEADY: usize = 5;

/// Puts failing cases together and explains them.
pub(super) async fn findings(judge: &mut Judge, suspects: Vec<Suspect>) -> Result<Vec<Finding>> {
    let (simple, compound): (Vec<_>, Vec<_>) = suspects.into_iter().partition(|suspect| is_simple(&suspect.case));
    let mut groups: BTreeMap<(Direction, bool), Vec<Suspect>> = BTreeMap::new();
    for suspect in simple {
        let (way, edit) = suspect.case.edits()[0];
        groups.entry((way, matches!(edit, Edit::Join(..)))).or_default().push(suspect);
    }
    for suspect in compound {
        let pieces = atoms(&suspect.case, &judge.conversation);
        // A case that holds a single edit known to fail says nothing new.
        if pieces.iter().any(|piece| judge.tried.get(&Case::from_iter([*piece])) == Some(&true)) {
            continue;
        }
        let known = groups
            .values()
            .flatten()
            .any(|other| !is_simple(&other.case) && other.case.edits().iter().all(|edit| pieces.contains(edit)));
        if known {
            continue;
        }
        let shrunk = shrink(judge, suspect, pieces).await?;
        let (way, edit) = shrunk.case.edits()[0];
        groups.entry((way, matches!(edit, Edit::Join(..)))).or_default().push(shrunk);
    }
    let mut findings: Vec<Finding> =
        groups.into_iter().filter_map(|((way, _), group)| finding(judge, way, group)).collect();
    // Where runs without cuts fail, this is what everybody meets who runs it.
    if !judge.base.edits().is_empty() {
        findings.sort_by_key(|finding| !matches!(finding.failing[0].edits(), [(_, Edit::Join(..)), ..]));
    }
    Ok(findings)
}

/// One cut, one join, or the end by itself.
fn is_simple(case: &Case) -> bool {
    matches!(case.edits(), [(_, Edit::Cut(_) | Edit::CutEnd | Edit::Join(..))])
}

/// Leaves out what does not matter.
async fn shrink(judge: &mut Judge, suspect: Suspect, pieces: Vec<(Direction, Edit)>) -> Result<Suspect> {
    let mut shrink = Shrink::new(pieces);
    let mut smallest = suspect;
    for _ in 0..SHRINKING {
        let Some(case) = shrink.next() else { break };
        let outcome = match judge.try_case(&case).await {
            Err(error) if error.is_unreachable() => {
                judge.note_gone(&error);
                return Ok(smallest);
            }
            outcome => outcome?,
        };
        let differences = judge.differences(&outcome).await?;
        shrink.told(!differences.is_empty());
        if !differences.is_empty() {
            smallest = Suspect { case, outcome, differences };
        }
    }
    smallest.case = shrink.smallest();
    Ok(smallest)
}

fn finding(judge: &Judge, way: Direction, mut group: Vec<Suspect>) -> Option<Finding> {
    group.sort_by_key(|suspect| (suspect.case.edits().len(), size(&suspect.case), suspect.case.clone()));
    let cuts = |case: &Case| match case.edits() {
        [(one, Edit::Cut(at))] if *one == way => Some(*at),
        _ => None,
    };
    let join = |case: &Case| match case.edits() {
        [(one, Edit::Join(from, to))] if *one == way => Some((*from, *to)),
        _ => None,
    };
    let mut failing: Vec<u64> = group.iter().filter_map(|suspect| cuts(&suspect.case)).collect();
    failing.sort_unstable();
    let tried: Vec<u64> = judge.tried.keys().filter_map(cuts).collect();
    let joins: Vec<_> = group.iter().filter_map(|suspect| join(&suspect.case)).collect();
    let joins_tried = judge.tried.keys().filter_map(join).count();
    // Pinned cuts are boundaries that the sender made, as much as those that were seen.
    let mut recording = judge.conversation.of(way).clone();
    recording
        .segments
        .extend(judge.base.of(way).filter_map(|edit| if let Edit::Cut(at) = edit { Some(at) } else { None }));
    let words = Failing {
        direction: way,
        recording: &recording,
        cuts: &failing,
        tried: &tried,
        joins: &joins,
        joins_tried,
        cuts_fail: judge.tried.iter().any(|(case, failed)| *failed && cuts(case).is_some()),
    };
    let first = group.first()?;
    let together = failing.is_empty() && joins.is_empty();
    let pattern = match (together, first.case.edits()) {
        (true, [(way, Edit::CutEnd)]) => format!("fails when the end of {way} comes after its last byte was read"),
        (true, edits) if edits.len() > 1 => {
            format!("fails when {} cuts and joins come together; none fails by itself", edits.len())
        }
        (true, _) => "fails with this case".into(),
        _ => describe(&words),
    };
    let cause = match (together, first.case.edits()) {
        (true, [(_, Edit::CutEnd)]) => "the end of the stream is expected in the same read as the last bytes".into(),
        (true, _) => "a message that arrives in more than two parts is put together wrongly".into(),
        _ => cause(&words).into(),
    };
    let failing = group.iter().map(|suspect| suspect.case.clone()).collect();
    let first = group.into_iter().next()?;
    let smallest = over(&judge.base, &first.case);
    let baseline = judge.baseline.clone();
    Some(Finding {
        server: match judge.runner.subject {
            Subject::Pipes { .. } => "program",
            Subject::Service { .. } => "service",
            _ => "server",
        },
        base: judge.base.clone(),
        smallest,
        differences: first.differences,
        pattern,
        cause,
        baseline,
        outcome: first.outcome,
        failing,
    })
}

/// Cuts before joins, early before late, short before long.
fn size(case: &Case) -> (bool, u64) {
    match case.edits().first() {
        Some((_, Edit::Cut(at))) => (false, *at),
        Some((_, Edit::Join(from, to))) => (true, to.map_or(u64::MAX, |to| to - from)),
        _ => (true, u64::MAX),
    }
}

impl Judge {
    /// Runs without cuts disagree. So the segments are pinned: once as the senders wrote them, once joined. If these
    /// runs agree with themselves and not with each other, the outcome depends on segmentation.
    pub(super) async fn pin(&mut self) -> Result<Option<Suspect>> {
        let disagreement = "runs without cuts disagree: the outcome is not the same each time";
        let written = self.as_written();
        let joined = Case::joined();
        let (apart, together) = (self.steady(&written).await?, self.steady(&joined).await?);
        let (base, (outcome, expectation)) = match (apart, together) {
            (Some(apart), Some(together)) if apart.1.differences(&together.0).is_empty() => (written, apart),
            (Some(apart), Some(together)) => {
                let (good, bad) = if better(&together.0, &apart.0) {
                    ((joined, together), (written, apart))
                } else {
                    ((written, apart), (joined, together))
                };
                return Box::pin(self.pinned(good, bad, disagreement)).await;
            }
            (Some(apart), None) => (written, apart),
            (None, Some(together)) => (joined, together),
            (None, None) => {
                self.notes.push(format!("{disagreement}, whatever the segments are: it depends on something else"));
                return Ok(None);
            }
        };
        self.stand_on(base, outcome, expectation);
        self.notes.push(format!("{disagreement}; with segments pinned they agree ({})", self.base));
        self.unsteady = true;
        Ok(None)
    }

    /// Runs without cuts differ in places. A clock does that, and so does a program whose outcome depends on how the system
    /// happens to cut its bytes: that one does always the same as the senders wrote, and always another thing with all
    /// joined. Then the segments are pinned; `None` where it does not, and nothing has changed.
    pub(super) async fn pin_segments(&mut self) -> Result<Option<Suspect>> {
        let written = over(&self.base, &self.as_written());
        let joined = Case::joined();
        if written.edits().is_empty() {
            return Ok(None);
        }
        let (Some(mut apart), Some(together)) = (self.steady(&written).await?, self.steady(&joined).await?) else {
            return Ok(None);
        };
        // A clock that had ticked in between would show now.
        let same = apart.1.learn(&self.runner.run(&written, self.bounds).await?);
        let exact = same && apart.1.volatile().is_empty() && together.1.volatile().is_empty();
        if !exact || apart.1.differences(&together.0).is_empty() {
            return Ok(None);
        }
        self.tried.clear();
        let (good, bad) = ((written, apart), (joined, together));
        let (good, bad) = if better(&bad.1.0, &good.1.0) { (bad, good) } else { (good, bad) };
        Box::pin(self.pinned(good, bad, "runs without cuts disagree")).await
    }

    /// Without cuts the program fails, and with this case it does not: from now on that is how it should be. `None` where
    /// that was chance; else what goes wrong when everything is joined, if it does.
    pub(super) async fn stand_on_case(&mut self, good: Case) -> Result<Option<Option<Suspect>>> {
        let Some((outcome, expectation)) = self.steady(&good).await? else { return Ok(None) };
        let joined = Case::joined();
        self.tried.clear();
        let exit = self.baseline.exit.map_or_else(String::new, |exit| exit.to_string());
        let what = format!("without cuts the program {exit}");
        match self.steady(&joined).await? {
            Some(bad) if !expectation.differences(&bad.0).is_empty() => {
                self.pinned((good, (outcome, expectation)), (joined, bad), &what).await.map(Some)
            }
            _ => {
                self.notes.clear();
                self.notes.push(format!("{what}; with {good} it does not: that is taken for how it should be"));
                self.stand_on(good, outcome, expectation);
                Ok(Some(None))
            }
        }
    }

    fn stand_on(&mut self, base: Case, outcome: Outcome, expectation: Expectation) {
        self.base = base;
        self.baseline = outcome;
        self.expectation = expectation;
    }

    /// Two ways to deliver the same bytes have two outcomes.
    async fn pinned(
        &mut self,
        good: (Case, (Outcome, Expectation)),
        bad: (Case, (Outcome, Expectation)),
        disagreement: &str,
    ) -> Result<Option<Suspect>> {
        let (good, (outcome, expectation)) = good;
        let (bad, (failed, _)) = bad;
        self.notes.clear();
        self.notes.push(format!("{disagreement}; what it does with {good} is taken for how it should be"));
        self.stand_on(good, outcome, expectation);
        self.unsteady = false;
        let differences = self.expectation.differences(&failed);
        let suspect = Suspect { case: bad.clone(), outcome: failed, differences };
        let shrunk = shrink(self, suspect, bad.edits().to_vec()).await?;
        self.tried.insert(shrunk.case.clone(), true);
        Ok(Some(shrunk))
    }

    /// A cut at each boundary that a sender was seen to make.
    fn as_written(&self) -> Case {
        let cuts = |way: Direction| {
            let places = self.conversation.of(way).segments.clone();
            places.into_iter().map(move |at| (way, Edit::Cut(at)))
        };
        Direction::BOTH.into_iter().flat_map(cuts).collect()
    }

    /// Whether a case has one outcome each time.
    async fn steady(&mut self, case: &Case) -> Result<Option<(Outcome, Expectation)>> {
        let first = self.runner.run(case, self.bounds).await?;
        let mut expectation = Expectation::new(&first, self.framing());
        for _ in 1..STEADY {
            let other = self.runner.run(case, self.bounds).await?;
            if !expectation.learn(&other) {
                return Ok(None);
            }
        }
        Ok(Some((first, expectation)))
    }
}

/// Which of two outcomes is as the author meant it: the one that ends well, or says more.
fn better(one: &Outcome, other: &Outcome) -> bool {
    let well = |outcome: &Outcome| (!outcome.late, outcome.exit.is_none_or(Exit::is_success));
    (well(one), one.said()) > (well(other), other.said())
}
