//! Makes findings of failing cases: one for those that fail alike, each with its smallest case, in words.

use std::collections::BTreeMap;

use unstick_wire::shake::words::{self, Failing, describe};
use unstick_wire::shake::{Case, Direction, Edit, Shrink, atoms, order};

use super::difference::Difference;
use super::evidence::Evidence;
use super::expect::Expectation;
use super::headline::Names;
use super::outcome::{Exit, Outcome};
use super::report::Finding;
use super::trial::{Suspect, Trial, over};
use unstick::Result;

/// Maximum number of runs to find a smallest case.
const SHRINKING: usize = 300;

/// Number of runs that must agree before one is taken as the expected outcome.
const STEADY: u32 = 7;

/// Number of cases, of those that fail alike, that are tried until one is proven to decide.
const PROVEN: usize = 3;

/// Number of half-close runs that must differ before the difference is reported.
const HALF_CLOSES: usize = 3;

/// What cases of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Cut,
    Join,
    /// The client ends its side before the answer.
    HalfClose,
}

type Groups = BTreeMap<(Direction, Kind), Vec<Suspect>>;

/// Groups the suspects, proves that they decide, and explains them.
pub(super) async fn find(trial: &mut Trial) -> Result<()> {
    for ((way, kind), group) in groups(trial).await? {
        let finding = proven(trial, way, kind, &group).await?;
        if trial.gone {
            return Ok(());
        }
        trial.suspects.retain(|suspect| group.iter().all(|other| other.case != suspect.case));
        let cancelled = match finding {
            Some(_) => trial.cancelled(kind, &group).await?,
            None => None,
        };
        let finding = finding.filter(|_| cancelled.is_none());
        trial.doubts.extend(cancelled);
        match finding {
            Some(finding) => trial.findings.push(finding),
            None => trial.tried.extend(group.into_iter().map(|suspect| (suspect.case, false))),
        }
    }
    trial.suspects.clear();
    // If baseline runs fail, everybody who runs the program meets this failure.
    if !trial.base.edits().is_empty() {
        trial.findings.sort_by_key(|finding| !matches!(finding.failing[0].edits(), [(_, Edit::Join(..)), ..]));
    }
    Ok(())
}

async fn groups(trial: &mut Trial) -> Result<Groups> {
    let (simple, compound): (Vec<_>, Vec<_>) =
        trial.suspects.clone().into_iter().partition(|suspect| is_simple(&suspect.case));
    let mut groups = Groups::new();
    for suspect in simple {
        groups.entry(kind(&suspect.case)).or_default().push(suspect);
    }
    for suspect in compound {
        let pieces = atoms(&suspect.case, &trial.conversation);
        // A case that holds a single edit known to fail says nothing new.
        if pieces.iter().any(|piece| trial.tried.get(&Case::from_iter([*piece])) == Some(&true)) {
            continue;
        }
        // Nor does a case that joins a part of a join that fails.
        if pieces.iter().any(|piece| groups.values().flatten().any(|other| overlaps(&other.case, piece))) {
            continue;
        }
        let known = groups
            .values()
            .flatten()
            .any(|other| !is_simple(&other.case) && other.case.edits().iter().all(|edit| pieces.contains(edit)));
        if known || trial.gone {
            continue;
        }
        let shrunk = shrink(trial, suspect, pieces).await?;
        if trial.is_half_close(&shrunk.case) {
            trial.half_close = Some(shrunk);
        } else {
            groups.entry(kind(&shrunk.case)).or_default().push(shrunk);
        }
    }
    Ok(groups)
}

fn kind(case: &Case) -> (Direction, Kind) {
    let (way, edit) = case.edits()[0];
    let early = case.edits().iter().any(|(_, edit)| matches!(edit, Edit::HalfClose));
    match edit {
        _ if early => (way, Kind::HalfClose),
        Edit::Join(..) => (way, Kind::Join),
        _ => (way, Kind::Cut),
    }
}

/// Whether a case is one cut, one join, or the end alone.
fn is_simple(case: &Case) -> bool {
    matches!(case.edits(), [(_, Edit::Cut(_) | Edit::CutEnd | Edit::HalfClose | Edit::Join(..))])
}

/// Whether both join bytes of the same stream, and some of them are the same.
fn overlaps(joined: &Case, (way, edit): &(Direction, Edit)) -> bool {
    match (joined.edits(), edit) {
        ([(other, Edit::Join(from, to))], Edit::Join(begin, end)) => {
            other == way && end.is_none_or(|end| *from < end) && to.is_none_or(|to| *begin < to)
        }
        _ => false,
    }
}

/// Makes the finding of a group of cases that fail alike, if one of them is proven to decide.
async fn proven(trial: &mut Trial, way: Direction, kind: Kind, group: &[Suspect]) -> Result<Option<Finding>> {
    let mut group = group.to_vec();
    group.sort_by_key(|suspect| (suspect.case.edits().len(), size(&suspect.case), suspect.case.clone()));
    for at in 0..group.len().min(PROVEN) {
        if trial.gone {
            return Ok(None);
        }
        if let Some((suspect, evidence)) = trial.prove(group[at].clone()).await? {
            group.drain(..at);
            group[0] = suspect;
            return Ok(finding(trial, way, kind, group, Some(evidence)));
        }
    }
    Ok(None)
}

/// Makes the finding about a client that half-closes right after its last byte.
pub(super) fn half_close(trial: &Trial, suspect: Suspect) -> Option<Finding> {
    finding(trial, Direction::ClientToServer, Kind::HalfClose, vec![suspect], None)
}

/// Leaves out the edits that do not matter.
async fn shrink(trial: &mut Trial, suspect: Suspect, pieces: Vec<(Direction, Edit)>) -> Result<Suspect> {
    let mut shrink = Shrink::new(pieces);
    let mut smallest = suspect;
    for _ in 0..SHRINKING {
        let Some(case) = shrink.next() else { break };
        if case.edits().is_empty() {
            // This is a run without cuts. If its outcome differs now, this case is not the cause.
            shrink.told(false);
            continue;
        }
        let outcome = match trial.try_case(&case).await {
            Err(error) if error.is_unreachable() => {
                trial.note_gone(&error, vec![case]);
                return Ok(smallest);
            }
            outcome => outcome?,
        };
        let differences = trial.differences(&outcome).await?;
        shrink.told(!differences.is_empty());
        if !differences.is_empty() {
            smallest = Suspect::new(case, outcome, differences);
        }
    }
    let shrunk = shrink.smallest();
    if !shrunk.edits().is_empty() {
        smallest.case = shrunk;
    }
    Ok(smallest)
}

fn finding(
    trial: &Trial,
    way: Direction,
    kind: Kind,
    group: Vec<Suspect>,
    evidence: Option<Evidence>,
) -> Option<Finding> {
    let names = Names::of(&trial.runner.subject);
    let (pattern, cause) = match kind {
        Kind::HalfClose => (
            format!("fails when {} ends right after its last byte, before the answer has come.", names.stream(way)),
            "the end of one side is taken for the end of the connection: answer what has come, then close".to_owned(),
        ),
        Kind::Cut | Kind::Join => explained(trial, way, names, &group),
    };
    let cause = unread(trial, kind, &group).map_or(cause, str::to_owned);
    let failing = group.iter().map(|suspect| suspect.case.clone()).collect();
    let first = group.into_iter().next()?;
    Some(Finding {
        names,
        base: trial.base.clone(),
        smallest: over(&trial.base, &first.case),
        differences: first.differences,
        pattern,
        cause,
        evidence,
        unsteady: trial.unsteady || trial.expectation.is_volatile(),
        misfits: trial.expectation.misfits(&first.outcome, &trial.baseline),
        baseline: trial.baseline.clone(),
        outcome: first.outcome,
        failing,
    })
}

/// Returns the cause if the bytes after a message in the same read are lost, or answered late.
fn unread(trial: &Trial, kind: Kind, group: &[Suspect]) -> Option<&'static str> {
    let first = group.first()?;
    if first.differences.contains(&Difference::Withheld) {
        return Some(words::WITHHELD);
    }
    let misfit = trial.expectation.misfits(&first.outcome, &trial.baseline).of(Direction::ServerToClient)?;
    let answer = &trial.baseline.exchanges.get(misfit.connection)?.of(Direction::ServerToClient).recording.bytes;
    let goes_on = !answer.is_empty() && misfit.place.before == answer.len();
    (kind == Kind::Cut && goes_on && trial.first_cut(group).is_some()).then_some(words::DROPPED)
}

/// Says when cuts or joins fail, and what most likely causes it.
fn explained(trial: &Trial, way: Direction, names: Names, group: &[Suspect]) -> (String, String) {
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
    let tried: Vec<u64> = trial.tried.keys().filter_map(cuts).collect();
    let joins: Vec<_> = group.iter().filter_map(|suspect| join(&suspect.case)).collect();
    // Pinned cuts are boundaries that the sender made, just like those that were seen.
    let mut recording = trial.conversation.of(way).clone();
    recording
        .segments
        .extend(trial.base.of(way).filter_map(|edit| if let Edit::Cut(at) = edit { Some(at) } else { None }));
    let failing_words = Failing {
        stream: names.stream(way),
        recording: &recording,
        cuts: &failing,
        tried: &tried,
        joins: &joins,
        joins_tried: trial.tried.keys().filter_map(join).count(),
        cuts_fail: trial.tried.iter().any(|(case, failed)| *failed && cuts(case).is_some()),
    };
    let together = failing.is_empty() && joins.is_empty();
    let edits = group.first().map_or(&[][..], |suspect| suspect.case.edits());
    match (together, edits) {
        (true, [(_, Edit::CutEnd)]) => (
            format!("fails when the end of {} comes after its last byte was read", names.stream(way)),
            "the end of the stream is expected in the same read as the last bytes".into(),
        ),
        (true, edits) => {
            let pattern = match edits.len() {
                2.. => format!("fails when {} cuts and joins come together; none of them fails alone", edits.len()),
                _ => "fails with this case".into(),
            };
            (pattern, "a message that arrives in more than two parts is put together wrongly".into())
        }
        _ => (describe(&failing_words), words::cause(&failing_words).into()),
    }
}

/// Orders cuts before joins, early before late, short before long.
fn size(case: &Case) -> (bool, u64) {
    match case.edits().first() {
        Some((_, Edit::Cut(at))) => (false, *at),
        Some((_, Edit::Join(from, to))) => (true, to.map_or(u64::MAX, |to| to - from)),
        _ => (true, u64::MAX),
    }
}

impl Trial {
    /// Pins the segments, because baseline runs disagree: once as the senders wrote them, once joined. If the runs of
    /// each way agree with themselves but not with those of the other, the outcome depends on segmentation.
    pub(super) async fn pin(&mut self) -> Result<Option<Suspect>> {
        let how = self.disagreement.as_ref().map(|how| format!(" ({how})")).unwrap_or_default();
        let disagreement = &format!("runs without cuts disagree: the outcome is not the same each time{how}");
        let written = self.as_written();
        let joined = Case::joined();
        let [apart, together] = self.steady(&written, &joined).await?;
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
                let advice = "make the server answer the same each time, or leave out answers about its load";
                self.doubts.push(
                    format!("{disagreement}, whatever the segments are: it depends on something else; {advice}").into(),
                );
                return Ok(None);
            }
        };
        let mut expectation = expectation;
        expectation.accept(&self.expectation);
        self.stand_on(base, outcome, expectation);
        self.doubts.push(format!("{disagreement}; with segments pinned they agree ({})", self.base).into());
        Ok(None)
    }

    /// Pins the segments if baseline runs differ in places. A clock causes that, and so does a program whose outcome
    /// depends on how the system happens to cut its bytes. Such a program always has one outcome with the segments as
    /// written, and always another with all joined. `None` if it does not, and nothing has changed.
    pub(super) async fn pin_segments(&mut self) -> Result<Option<Suspect>> {
        let written = over(&self.base, &self.as_written());
        let joined = Case::joined();
        if written.edits().is_empty() {
            return Ok(None);
        }
        let [Some(mut apart), Some(together)] = self.steady(&written, &joined).await? else {
            return Ok(None);
        };
        // A clock that ticked in between shows now.
        let same = apart.1.learn(&self.runner.run(&written, self.bounds).await?);
        let exact = same && !apart.1.is_volatile() && !together.1.is_volatile();
        if !exact || apart.1.differences(&together.0).is_empty() {
            return Ok(None);
        }
        self.tried.clear();
        let (good, bad) = ((written, apart), (joined, together));
        let (good, bad) = if better(&bad.1.0, &good.1.0) { (bad, good) } else { (good, bad) };
        Box::pin(self.pinned(good, bad, "runs without cuts disagree")).await
    }

    /// Takes this case as the baseline: without cuts the program fails or does not answer, and with this case it does.
    /// `None` if that was chance; else what goes wrong when everything is joined, if it does.
    pub(super) async fn stand_on_case(&mut self, good: Case) -> Result<Option<Option<Suspect>>> {
        let joined = Case::joined();
        let [Some((outcome, expectation)), bad] = self.steady(&good, &joined).await? else { return Ok(None) };
        self.tried.clear();
        let what = match self.baseline.exit {
            Some(exit) if !exit.is_success() => format!("without cuts the program {exit}"),
            _ => format!("without cuts the {} does not answer", Names::of(&self.runner.subject).other),
        };
        match bad {
            Some(bad) if !expectation.differences(&bad.0).is_empty() => {
                self.pinned((good, (outcome, expectation)), (joined, bad), &what).await.map(Some)
            }
            _ => {
                self.notes.clear();
                self.notes.push(format!("{what}, unlike with {good}: this report takes the latter as correct").into());
                self.stand_on(good, outcome, expectation);
                Ok(Some(None))
            }
        }
    }

    fn stand_on(&mut self, base: Case, outcome: Outcome, expectation: Expectation) {
        self.base = base;
        self.unrepeated.clear();
        self.baseline = outcome;
        self.expectation = expectation;
    }

    /// Takes one of two ways to deliver the same bytes as the baseline: they have two outcomes.
    async fn pinned(
        &mut self,
        good: (Case, (Outcome, Expectation)),
        bad: (Case, (Outcome, Expectation)),
        disagreement: &str,
    ) -> Result<Option<Suspect>> {
        let (good, (outcome, expectation)) = good;
        let (bad, (failed, _)) = bad;
        self.notes.clear();
        self.doubts.clear();
        self.notes.push(format!("{disagreement}; this report takes the outcome with {good} as correct").into());
        self.stand_on(good, outcome, expectation);
        self.unsteady = false;
        let differences = self.expectation.differences(&failed);
        let suspect = Suspect::new(bad.clone(), failed, differences);
        let shrunk = shrink(self, suspect, bad.edits().to_vec()).await?;
        self.tried.insert(shrunk.case.clone(), true);
        Ok(Some(shrunk))
    }

    /// The case with a cut at each boundary that a sender was seen to make.
    fn as_written(&self) -> Case {
        let cuts = |way: Direction| {
            let places = self.conversation.of(way).segments.clone();
            places.into_iter().map(move |at| (way, Edit::Cut(at)))
        };
        Direction::BOTH.into_iter().flat_map(cuts).collect()
    }

    /// The outcome of each of two cases, if it is the same each time. The runs are made in random order, so that
    /// nothing else that changes meanwhile makes the difference.
    async fn steady(&mut self, one: &Case, other: &Case) -> Result<[Option<(Outcome, Expectation)>; 2]> {
        let mut known: [Option<(Outcome, Expectation)>; 2] = [None, None];
        let mut steady = [true, true];
        for second in order(self.shake.seed, STEADY) {
            let at = usize::from(second);
            if !steady[at] {
                continue;
            }
            let outcome = self.runner.run(if second { other } else { one }, self.bounds).await?;
            match &mut known[at] {
                Some((_, expectation)) => steady[at] = expectation.learn_alike(&outcome),
                none => *none = Some((outcome.clone(), self.expecting(&outcome))),
            }
        }
        let [one, other] = known;
        Ok([one.filter(|_| steady[0]), other.filter(|_| steady[1])])
    }

    /// Tries half-close again: a client that ends its side before the answer. A difference there is no finding.
    pub(super) async fn try_half_close(&mut self) -> Result<()> {
        let Some(suspect) = self.half_close.take() else { return Ok(()) };
        for _ in 1..HALF_CLOSES {
            if self.gone {
                return Ok(());
            }
            let again = match self.try_case(&suspect.case).await {
                Err(error) if error.is_unreachable() => {
                    self.note_gone(&error, vec![suspect.case.clone()]);
                    return Ok(());
                }
                again => again?,
            };
            if self.differences(&again).await?.is_empty() {
                self.notes.push(format!("{} differed, but not each time", suspect.case).into());
                return Ok(());
            }
        }
        self.half_close = Some(suspect);
        Ok(())
    }
}

/// Whether the first of two outcomes is more likely what the author meant: the one that ends well, or has more bytes.
fn better(one: &Outcome, other: &Outcome) -> bool {
    let well = |outcome: &Outcome| (!outcome.late, outcome.exit.is_none_or(Exit::is_success));
    (well(one), one.said()) > (well(other), other.said())
}
