//! Excuses a server whose answers the last message cancels, as LDAP's unbind does. It then sends less if that
//! message comes in the same read as earlier ones.

use std::sync::Arc;

use unstick_wire::shake::{Case, Direction, Edit};

use super::conversation::Bounds;
use super::findings::Kind;
use super::hold::Hold;
use super::note::Note;
use super::outcome::{Ending, Outcome};
use super::trial::{Suspect, Trial};
use unstick::Result;

use Direction::{ClientToServer, ServerToClient};

/// How many times the server must answer in full what comes before the last message.
const ALONE: usize = 3;

/// Where the last message begins, and the two answers: the whole one and its part.
struct Last<'a> {
    begins: u64,
    whole: &'a [u8],
    part: &'a [u8],
}

impl Trial {
    /// Returns why these suspects prove nothing, if the server only leaves out what it would have sent before the last
    /// message arrived. Three things must hold: it closes when that message arrives; without that message, it answers
    /// everything before it in full; no cut inside that part changes anything.
    pub(super) async fn cancelled(&mut self, kind: Kind, group: &[Suspect]) -> Result<Option<Note>> {
        let Some(Last { begins, whole, part }) = self.last_message(kind, group) else { return Ok(None) };
        let (whole, said) = (whole.to_vec(), part.len());
        let Some(last) = (self.conversation.client.bytes.len() as u64).checked_sub(1) else { return Ok(None) };
        let where_it_is = if self.is_answered_alone(begins, &whole).await? {
            format!("bytes {begins} to {last} come in the same read as what is before them")
        } else if begins < last && self.is_answered_alone(last, &whole).await? {
            // Several messages follow the cut, and nothing shows where the last one begins. Without its last byte, it is not complete.
            "its last message comes in the same read as what is before it".to_owned()
        } else {
            return Ok(None);
        };
        let who = super::headline::Names::of(&self.runner.subject).other;
        Ok(Some(Note::from(format!(
            "the {who} sends {said} instead of {} bytes where {where_it_is}, and closes: a message that ends the \
             conversation may cancel answers that are under way, and so may a fault; leave that message out, and what is \
             before it is tried",
            whole.len(),
        ))))
    }

    /// Whether the server answers in full each time that only this many bytes are sent, and keeps the connection open.
    async fn is_answered_alone(&self, bytes: u64, whole: &[u8]) -> Result<bool> {
        for _ in 0..ALONE {
            let alone = self.alone(bytes, whole).await?;
            let answer = alone.exchanges.first().map(|one| one.of(ServerToClient));
            if answer.is_none_or(|side| side.recording.bytes != whole || side.ending != Ending::Open) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Finds the last message, which may end the conversation; `None` if it cannot be that.
    fn last_message<'a>(&'a self, kind: Kind, group: &'a [Suspect]) -> Option<Last<'a>> {
        let suspect = group.first().filter(|_| self.is_scripted())?;
        let answer = |outcome: &'a Outcome| match &outcome.exchanges[..] {
            [only] if outcome.timing.ended_before => Some(&only.of(ServerToClient).recording.bytes[..]),
            _ => None,
        };
        let (without, with) = (answer(&self.baseline)?, answer(&suspect.outcome)?);
        let (begins, whole, part) = match kind {
            Kind::Cut => (self.first_cut(group)?, with, without),
            Kind::Join => (self.last_boundary(group)?, without, with),
            Kind::HalfClose => return None,
        };
        (part.len() < whole.len() && whole.starts_with(part)).then_some(Last { begins, whole, part })
    }

    /// The first of the cuts that fail, if earlier cuts were tried and none of them fails.
    pub(super) fn first_cut(&self, group: &[Suspect]) -> Option<u64> {
        let cut = |case: &Case| match case.edits() {
            [(ClientToServer, Edit::Cut(at))] => Some(*at),
            _ => None,
        };
        let first = group.iter().map(|suspect| cut(&suspect.case)).min()??;
        let earlier = self.tried.iter().any(|(case, failed)| !failed && cut(case).is_some_and(|at| at < first));
        earlier.then_some(first)
    }

    /// The last boundary between two segments, if each of these suspects joins across it.
    fn last_boundary(&self, group: &[Suspect]) -> Option<u64> {
        let pinned =
            self.base.of(ClientToServer).filter_map(|edit| if let Edit::Cut(at) = edit { Some(at) } else { None });
        let last = self.conversation.client.segments.iter().copied().chain(pinned).max()?;
        let joins = |suspect: &Suspect| match suspect.case.edits() {
            [(ClientToServer, Edit::Join(from, to))] => *from < last && to.is_none_or(|to| last < to),
            _ => false,
        };
        group.iter().all(joins).then_some(last)
    }

    /// Runs what comes before the last message, and waits for the server's answer.
    async fn alone(&self, begins: u64, whole: &[u8]) -> Result<Outcome> {
        let mut left = begins as usize;
        let mut writes = self.runner.subject.writes().to_vec();
        for write in &mut writes {
            write.truncate(left);
            left -= write.len();
        }
        let hold = Hold { expected: whole.len(), answer: self.bounds.hold.answer, unknown: false, ..self.bounds.hold };
        let bounds = Bounds { ends: false, expected: whole.len(), hold, ..self.bounds };
        Arc::new(self.runner.telling(writes)).run(&Case::uncut(), bounds).await
    }
}
