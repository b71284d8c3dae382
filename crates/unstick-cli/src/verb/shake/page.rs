//! `shake --html`: findings as a timeline. Each has the run that is as expected, and the run of its smallest case.

use unstick::wire::shake::{Case, Delivery, Edit, Recording, Segmenter, Step};
use unstick_shake::{Direction, Finding, Outcome, Report, Verdict};

use crate::timeline::{At, Connection, Timeline};

/// The findings of a report as a page.
pub fn of(report: &Report) -> Timeline {
    let verdict = match report.verdict {
        Verdict::Same => "same everywhere",
        Verdict::Broken => "broken",
        _ => "cannot tell",
    };
    let mut page = Timeline::new(&format!("unstick shake: {verdict}"));
    let mut number = 0;
    for (at, finding) in (1..).zip(report.findings.iter().chain(&report.half_close)) {
        add(&mut page, &mut number, finding, (&finding.baseline, &finding.base), &format!("finding {at}, as expected"));
        let case = format!("finding {at}, {}", finding.smallest);
        add(&mut page, &mut number, finding, (&finding.outcome, &finding.smallest), &case);
    }
    page
}

/// Adds the connections of a run.
fn add(page: &mut Timeline, number: &mut u64, finding: &Finding, (outcome, case): (&Outcome, &Case), name: &str) {
    for (which, exchange) in outcome.exchanges.iter().enumerate() {
        *number += 1;
        let expected = finding.baseline.exchanges.get(which);
        let (client, server, protocol) = (name.to_owned(), "server".to_owned(), "tcp".to_owned());
        page.open(Connection { number: *number, client, server, protocol, framing: None });
        for way in [Direction::ClientToServer, Direction::ServerToClient] {
            let side = exchange.of(way);
            let at = |offset: u64| At { connection: *number, from: way.sender(), time: None, offset };
            for (start, end) in delivered(&side.recording, case, way) {
                page.segment(at(start), (end - start) as usize);
            }
            messages(page, &side.recording, &at);
            for edit in case.of(way) {
                if let Edit::Cut(offset) = edit {
                    page.mark(at(offset), &format!("{edit}: what is before it is read first"));
                }
            }
            if expected.is_none_or(|expected| expected.of(way) != side) {
                let what = format!("{}: {} {}", finding.headline(), way.short(), side.ending);
                page.mark(at(side.recording.bytes.len() as u64), &what);
            }
        }
    }
}

/// The frames, if a framing is known, else what the sender began a segment with.
fn messages(page: &mut Timeline, recording: &Recording, at: &impl Fn(u64) -> At) {
    let slice = |start: u64, end: u64| recording.bytes.get(start as usize..end as usize).unwrap_or_default();
    for frame in &recording.frames {
        let header = (frame.body - frame.start) as usize;
        let bytes = slice(frame.start, frame.end);
        page.framed(at(frame.start), bytes, header, bytes.len().saturating_sub(header));
    }
    if recording.frames.is_empty() {
        for (start, end) in segments(recording) {
            let bytes = slice(start, end);
            page.framed(at(start), bytes, 0, bytes.len());
        }
    }
}

/// The segments as their sender began them.
fn segments(recording: &Recording) -> Vec<(u64, u64)> {
    let length = recording.bytes.len() as u64;
    let starts = std::iter::once(0).chain(recording.segments.iter().copied().filter(|start| *start < length));
    let ends = recording.segments.iter().copied().filter(|start| *start < length).chain([length]);
    starts.zip(ends).filter(|(start, end)| start < end).collect()
}

/// The segments in which a case passes them on.
fn delivered(recording: &Recording, case: &Case, way: Direction) -> Vec<(u64, u64)> {
    let mut segmenter = Segmenter::new(case, way);
    let mut passed = Vec::new();
    let mut sent = segments(recording).into_iter();
    loop {
        match segmenter.step() {
            Step::Write(bytes) => {
                let length = bytes.len();
                let start = segmenter.sent();
                passed.push((start, start + length as u64));
                segmenter.wrote(length);
            }
            Step::Drain => segmenter.drained(Delivery::Read),
            Step::Input | Step::Hold => match sent.next() {
                Some((start, end)) => segmenter.push(&recording.bytes[start as usize..end as usize]),
                None => segmenter.end(),
            },
            _ => return passed,
        }
    }
}
