//! Makes the report when all is done or the run stopped early: the verdict, what was delivered, and the doubts.

use unstick_wire::shake::Tally;

use super::conversation::Subject;
use super::headline::Names;
use super::note::Note;
use super::outcome::{Ending, Outcome};
use super::report::{Report, Verdict};
use super::trial::{End, Trial};
use crate::limits;
use unstick::Advice;

use unstick_wire::shake::Direction::{ClientToServer, ServerToClient};

impl Trial {
    /// Makes the report from everything that is known now.
    pub(super) fn report(mut self, end: End) -> Report {
        let tally = self.tallies.values().fold(Tally::default(), |sum, one| sum.plus(*one)).with_untried(self.untried);
        self.doubt_the_end(&end);
        if self.findings.is_empty() {
            self.doubt_the_baseline();
            self.doubt_the_delivery(tally);
        }
        if self.skipped > 0 {
            let why = "enough cases had failed, or they had taken too much time";
            self.doubts.push(format!("{} planned cases were not tried: {why}", self.skipped).into());
        }
        let verdict = match self.findings.is_empty() {
            false => Verdict::Broken,
            true if self.doubts.is_empty() && !self.unsteady && !self.gone => Verdict::Same,
            true => Verdict::Inconclusive,
        };
        let half_close = self.half_close.take().and_then(|suspect| super::findings::half_close(&self, suspect));
        self.doubts.append(&mut self.notes);
        self.doubts.extend(self.runner.failed_handshakes().map(Note::from));
        Report {
            verdict,
            findings: self.findings,
            half_close,
            cases: self.done,
            tally,
            notes: self.doubts,
            unrepeated: self.unrepeated,
            results: self.tried.into_iter().collect(),
            conversation: self.conversation,
            names: Names::of(&self.runner.subject),
            took: self.begun.elapsed(),
        }
    }

    /// Notes that the run ended early: differences found by then are not certain.
    fn doubt_the_end(&mut self, end: &End) {
        let (why, advice) = match end {
            End::Done => return,
            End::Failed(why) => (&*format!("it ended early: {},", why.text), why.advice.clone()),
            End::Stopped => ("it was interrupted", None),
            End::OutOfTime => ("the time was over", Some(Advice::AllowMoreTimeOrFewerCases)),
        };
        let open: Vec<_> = self.suspects.iter().map(|suspect| suspect.case.to_string()).collect();
        let doubt = match (self.planned, open.as_slice()) {
            (0, _) => format!("{why} during the runs without cuts"),
            (planned, []) => format!("{why} after {} of {} cases", self.done, planned.max(self.done)),
            (planned, open) => format!(
                "{why} after {} of {} cases; {} differed and were not tried again: {}{}",
                self.done,
                planned.max(self.done),
                open.len(),
                open[..open.len().min(4)].join(", "),
                if open.len() > 4 { ", ..." } else { "" },
            ),
        };
        self.doubts.insert(0, Note { text: doubt, advice });
    }

    /// Notes that the baseline had no answer that a cut could change.
    fn doubt_the_baseline(&mut self) {
        let baseline = &self.baseline;
        if baseline.exchanges.is_empty() || baseline.answered() > 0 {
            return;
        }
        let said = baseline.client_said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let said = match said {
            "" => String::new(),
            said => format!("; it said: {}", super::excerpt::head(said.as_bytes(), 120)),
        };
        let exit = baseline.exit.filter(|exit| !exit.is_success());
        let doubt = match &self.shake.subject {
            // A service may panic on bytes that it does not accept.
            Subject::Service { .. } => return,
            Subject::Pipes { .. } => match exit {
                Some(exit) => format!(
                    "the program {exit} without an answer{said}: check its command, and the messages that it is sent"
                )
                .into(),
                None => "the program printed nothing, so nothing was compared: send it what it answers to, and let it \
                         print what it understood"
                    .into(),
            },
            Subject::Server { .. } => unanswered(baseline),
            Subject::Client { .. } => {
                "the server said nothing, so nothing was compared: have the client ask for an answer".into()
            }
        };
        self.doubts.push(doubt);
    }

    /// Notes the cuts that were not delivered: they show nothing.
    fn doubt_the_delivery(&mut self, tally: Tally) {
        if tally.unproven > 0 {
            let note = match cfg!(target_os = "linux") {
                true => "cuts could not be proven: the receiver is not on this host, or not in this network namespace",
                false => {
                    "cuts could not be proven: of the systems that unstick runs on, only Linux tells what a receiver has read"
                }
            };
            self.doubts.push(format!("{} {note}", tally.unproven).into());
        }
        if tally.unread > 0 {
            let within = match self.bounds.first_read {
                limits::CUT_PATIENCE => "a second".to_owned(),
                longer => format!("{:.0} s", longer.as_secs_f64().ceil()),
            };
            let note = "cuts were not delivered: the receiver did not read what was before them within";
            self.doubts.push(format!("{} {note} {within}", tally.unread).into());
        }
        let possible = tally.planned.saturating_sub(tally.impossible + tally.untried);
        let half_close_only = self.shake.cases.iter().any(|case| case.ends_early(ClientToServer));
        if self.done > 0 && tally.planned == 0 && !half_close_only {
            self.doubts.push("nothing was cut: one byte is one segment; send more".into());
        } else if tally.gone > 0 && tally.delivered * 2 < possible {
            let who = if matches!(self.shake.subject, Subject::Pipes { .. }) { "program" } else { "receiver" };
            let only = format!("only {} of {possible} cuts and joins were delivered", tally.delivered);
            let why = format!("the {who} had ended before the others; have it read all that is sent");
            self.doubts.push(format!("{only}: {why}").into());
        }
    }
}

/// Says what may help against a server that does not answer.
fn unanswered(baseline: &Outcome) -> Note {
    let (what, advice) = match baseline.exchanges.first().map(|exchange| exchange.of(ServerToClient).ending) {
        Some(Ending::Open) | None => (
            "the server did not answer, so nothing was compared: are the bytes sent a whole request?",
            Advice::FramingOrLongerRuns,
        ),
        _ => (
            "the server closed without an answer, so nothing was compared: does it accept the bytes sent?",
            Advice::AllowLongerRuns,
        ),
    };
    Note::from(what).with_advice(advice)
}

impl Outcome {
    /// Whether the server ended before unstick did.
    pub(super) fn has_ended_early(&self) -> bool {
        self.timing.ended_before
    }
}
