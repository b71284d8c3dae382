//! The conversations of a file, from what passed in each to its messages, in the order in which it was captured.

use std::collections::BTreeMap;

use unstick::wire::{DecodeError, Frame, Framing, Piece, Preset, Role, Transcript};
use unstick::{Result, Unfinished};

use super::guesses::Guesses;
use super::place::Place;
use super::shown::{Closing, Opening, Shown};
use super::tls;
use super::trial::{self, Trial, Verdict, What};
use crate::count::Count;
use crate::options::decode::Decode;
use crate::output;
use crate::status::Status;
use unstick::recording::Sides;

/// Bytes of memory that the unfinished messages of all conversations may keep.
const MAX_UNFINISHED: usize = 64 << 20;

/// The conversations that are open and looked at.
pub struct Conversations<'a> {
    args: &'a Decode,
    /// The framing of all conversations, if one was named.
    named: Option<Sides>,
    guesses: Guesses,
    /// Nanoseconds since 1970 from which on something is shown, once that is known.
    start: Option<u64>,
    shown: &'a mut Shown,
    /// `None` for the one in which something happens at the moment.
    conversations: BTreeMap<u64, Option<Box<Conversation>>>,
    opened: u64,
    /// Bytes of memory that unfinished messages keep.
    unfinished: usize,
    messages: u64,
    /// Whether bytes broke their framing.
    failed: bool,
    /// The first error of showing something: nothing is shown after it.
    result: Result<()>,
}

/// A conversation that opens.
pub struct Opened {
    pub connection: u64,
    pub protocol: String,
    /// Whether bytes pass in it, and no messages.
    pub is_stream: bool,
    pub client: String,
    pub server: String,
    /// The presets that are likely, if no framing was named.
    pub likely: Vec<&'static str>,
    /// Whether the file shows its beginning.
    pub whole: bool,
    pub time: Option<u64>,
}

struct Conversation {
    peer: u64,
    /// How it opened, as long as nothing of it was shown.
    opening: Option<Opening>,
    /// When something last passed in it.
    time: Option<u64>,
    /// `None` where messages pass, and during a trial.
    transcript: Option<Transcript>,
    /// Which preset of the port fits, as long as that is not known. There is no transcript before it is.
    trial: Option<Trial>,
    whole: bool,
    /// Whether TLS may begin: it has not, and nobody asked for the bytes as they are.
    may_be_tls: bool,
    segments: bool,
    is_stream: bool,
    passed: [u64; 2],
    /// Over-long messages that were reported.
    discarded: [u64; 2],
    held: usize,
    failed: bool,
}

impl<'a> Conversations<'a> {
    pub fn new(args: &'a Decode, named: Option<Sides>, guesses: Guesses, shown: &'a mut Shown) -> Self {
        Self {
            args,
            named,
            guesses,
            start: None,
            shown,
            conversations: BTreeMap::new(),
            opened: 0,
            unfinished: 0,
            messages: 0,
            failed: false,
            result: Ok(()),
        }
    }

    /// Whether nothing more is shown.
    pub fn is_over(&self) -> bool {
        self.result.is_err() || self.args.count.is_some_and(|count| self.messages >= count)
    }

    /// Reports a loss that concerns the whole file.
    pub fn loss(&mut self, text: &str) -> Result<()> {
        self.shown.loss(text)
    }

    pub fn open(&mut self, opened: Opened) {
        let is_other = self.args.capture.connection.is_some_and(|number| number != opened.connection);
        if !is_other && !self.is_over() {
            self.result = self.try_open(opened);
        }
    }

    /// Bytes have passed.
    pub fn bytes(&mut self, connection: u64, from: Role, bytes: &[u8], time: Option<u64>) {
        self.with(connection, time, |all, conversation| {
            if conversation.trial.as_ref().is_some_and(|trial| !trial.includes(tls::PRESET)) && tls::begins(bytes) {
                all.end_trial(conversation, None)?;
            }
            if conversation.trial.is_some() {
                return all.try_presets(conversation, from, What::Bytes(bytes.to_vec()));
            }
            if conversation.begins_tls(from, bytes) {
                all.go_on_in_tls(conversation, from)?;
            }
            all.pass(conversation, from, bytes)
        });
    }

    /// Bytes have passed that the file does not have.
    pub fn gap(&mut self, connection: u64, from: Role, bytes: u64) {
        self.with(connection, None, |all, conversation| {
            all.end_trial(conversation, None)?;
            let place = Place { time: None, ..conversation.place(from) };
            let Some(transcript) = &mut conversation.transcript else { return Ok(()) };
            let gap = transcript.gap(from, bytes);
            if all.shows(conversation, from)? { all.shown.gap(&place, &gap) } else { Ok(()) }
        });
    }

    /// A message has passed, such as a datagram. `cut_short`: the file has only its beginning.
    pub fn message(&mut self, connection: u64, from: Role, message: &[u8], cut_short: bool, time: Option<u64>) {
        self.with(connection, time, |all, conversation| {
            if !all.shows(conversation, from)? {
                return Ok(());
            }
            let place = conversation.place(from);
            all.shown.message(&place, &Frame::bare(message))?;
            conversation.passed[from as usize] += 1;
            all.messages += 1;
            if cut_short { all.shown.lost(&place, 0, 1) } else { Ok(()) }
        });
    }

    /// A side has ended its direction.
    pub fn ends(&mut self, connection: u64, from: Role, time: Option<u64>) {
        self.with(connection, time, |all, conversation| {
            if conversation.trial.is_some() {
                return all.try_presets(conversation, from, What::End);
            }
            all.finish(conversation, from)
        });
    }

    /// Nothing more passes.
    pub fn close(&mut self, connection: u64, reason: &'static str, time: Option<u64>) {
        let Some(mut conversation) = self.conversations.remove(&connection).flatten() else { return };
        self.unfinished -= conversation.held;
        conversation.time = time.or(conversation.time);
        if !self.is_over() {
            self.result = self.try_close(*conversation, reason, time);
        }
    }

    /// The file has ended. `nothing` says that no conversation was looked at.
    pub fn end(self, nothing: &str) -> Result<Status> {
        self.result?;
        self.shown.flush()?;
        if self.opened == 0 {
            output::notice(nothing);
        }
        match self.args.count {
            Some(count) if self.messages >= count => Ok(Status::Done),
            _ if self.failed => Ok(Status::Framing),
            Some(count) => {
                output::problem(&format!("ended after {} of {} (--count)", self.messages, Count(count, "message")));
                Ok(Status::Check)
            }
            None => Ok(Status::Done),
        }
    }

    /// Does something with a conversation that is looked at, and bounds what unfinished messages keep.
    fn with(&mut self, number: u64, time: Option<u64>, act: impl FnOnce(&mut Self, &mut Conversation) -> Result<()>) {
        if self.is_over() {
            return;
        }
        let Some(mut conversation) = self.conversations.get_mut(&number).and_then(Option::take) else { return };
        conversation.time = time.or(conversation.time);
        let done = act(self, &mut conversation);
        let held = conversation.memory();
        self.unfinished = self.unfinished - conversation.held + held;
        conversation.held = held;
        self.result = done.and_then(|()| self.bound(&mut conversation));
        if let Some(place) = self.conversations.get_mut(&number) {
            *place = Some(conversation);
        }
    }

    /// Gives a conversation up where unfinished messages keep too much memory.
    fn bound(&mut self, conversation: &mut Conversation) -> Result<()> {
        if self.unfinished <= MAX_UNFINISHED {
            return Ok(());
        }
        if conversation.trial.is_some() {
            // What waits for its framing waits no longer. It is shown, and nothing is given up.
            self.end_trial(conversation, None)?;
            let held = conversation.memory();
            self.unfinished = self.unfinished - conversation.held + held;
            conversation.held = held;
            return self.bound(conversation);
        }
        let Some(transcript) = &mut conversation.transcript else { return Ok(()) };
        transcript.abandon();
        self.unfinished -= std::mem::take(&mut conversation.held);
        let (peer, most) = (conversation.peer, MAX_UNFINISHED >> 20);
        self.shown.loss(&format!(
            "peer {peer}: decoded no further, because the unfinished messages of all connections are over {most} MiB"
        ))
    }

    fn try_open(&mut self, opened: Opened) -> Result<()> {
        self.opened += 1;
        let Opened { connection: peer, protocol, is_stream, client, server, likely, whole, time } = opened;
        if let (None, Some(from), Some(time)) = (self.start, &self.args.capture.from, time) {
            self.start = Some(from.since(time)?);
        }
        let mut conversation = Conversation {
            peer,
            time,
            transcript: None,
            trial: None,
            whole,
            may_be_tls: true,
            segments: false,
            is_stream,
            opening: Some(Opening {
                peer,
                protocol,
                client,
                server: server.clone(),
                framing: None,
                guessed: false,
                whole,
                time,
            }),
            passed: [0; 2],
            discarded: [0; 2],
            held: 0,
            failed: false,
        };
        match &self.named {
            _ if !is_stream => {}
            Some(framing) => conversation.decode_in(framing),
            None if likely.is_empty() && !self.guesses.waits_for(&server) => self.guess(&mut conversation)?,
            None => conversation.trial = Some(Trial::new(&likely, whole)?),
        }
        if !self.is_early(&conversation) && conversation.trial.is_none() {
            self.show_opening(&mut conversation)?;
        }
        self.conversations.insert(peer, Some(Box::new(conversation)));
        Ok(())
    }

    /// Tries the presets of the port on what passes.
    fn try_presets(&mut self, conversation: &mut Conversation, from: Role, what: What) -> Result<()> {
        let time = conversation.time;
        match conversation.trial.as_mut().map(|trial| trial.take(from, what, time)) {
            None | Some(Verdict::Open) => Ok(()),
            Some(Verdict::Fits(preset)) => self.end_trial(conversation, Some(preset)),
            Some(Verdict::Nothing) if self.waits(conversation)? => Ok(()),
            Some(Verdict::Nothing) => self.end_trial(conversation, None),
        }
    }

    /// Hands on what has passed, for a guess. Returns whether the conversation waits for more.
    fn waits(&mut self, conversation: &mut Conversation) -> Result<bool> {
        let (Some(trial), Some(opening)) = (&mut conversation.trial, &conversation.opening) else { return Ok(false) };
        let is_full = trial.is_full();
        if trial.is_new() {
            self.guesses.open(&opening.server, conversation.peer, conversation.whole);
        }
        let more = self.guesses.watch(&opening.server, conversation.peer, trial.news())?;
        Ok(more && !is_full)
    }

    /// Decodes what has passed during the trial: in this preset, or as segments.
    fn end_trial(&mut self, conversation: &mut Conversation, preset: Option<&'static str>) -> Result<()> {
        if preset.is_none() {
            self.waits(conversation)?;
        }
        let Some(trial) = conversation.trial.take() else { return Ok(()) };
        match preset {
            Some(preset) => conversation.decode_in(&Sides::parse(preset)?),
            None => self.guess(conversation)?,
        }
        let now = conversation.time;
        for passed in trial.into_passed() {
            conversation.time = passed.time;
            match passed.what {
                What::Bytes(bytes) => self.pass(conversation, passed.from, &bytes)?,
                What::End => self.finish(conversation, passed.from)?,
            }
            if self.is_over() {
                break;
            }
        }
        conversation.time = now;
        Ok(())
    }

    /// Decodes in the framing that is certain for this server. If none is, the segments are shown as they come.
    fn guess(&mut self, conversation: &mut Conversation) -> Result<()> {
        let Some(opening) = &mut conversation.opening else { return conversation.cut_into_segments() };
        match self.guesses.of(self.args, &opening.server)? {
            Some(framing) => {
                opening.guessed = true;
                conversation.decode_in(&Sides::both(&framing));
                Ok(())
            }
            None => conversation.cut_into_segments(),
        }
    }

    fn pass(&mut self, conversation: &mut Conversation, from: Role, bytes: &[u8]) -> Result<()> {
        let place = conversation.place(from);
        if let Some(transcript) = &mut conversation.transcript {
            if !place.segments && self.args.framed.shows(from) {
                self.shown.segment(&place, transcript.length(from), bytes.len());
            }
            transcript.segment(from, bytes);
        }
        self.messages_of(conversation, from)
    }

    fn finish(&mut self, conversation: &mut Conversation, from: Role) -> Result<()> {
        if let Some(transcript) = &mut conversation.transcript {
            transcript.finish(from);
        }
        self.messages_of(conversation, from)
    }

    /// Whether what passes in a conversation now was before `--from`.
    fn is_early(&self, conversation: &Conversation) -> bool {
        self.start.zip(conversation.time).is_some_and(|(start, time)| time < start)
    }

    /// Whether what passes in this direction of a conversation now is shown. Its opening is then shown before it.
    fn shows(&mut self, conversation: &mut Conversation, from: Role) -> Result<bool> {
        let shows = self.args.framed.shows(from) && !self.is_early(conversation);
        if shows {
            self.show_opening(conversation)?;
        }
        Ok(shows)
    }

    fn show_opening(&mut self, conversation: &mut Conversation) -> Result<()> {
        conversation.opening.take().map_or(Ok(()), |opening| self.shown.open(&opening))
    }

    /// Shows the messages of one direction that are complete.
    fn messages_of(&mut self, conversation: &mut Conversation, from: Role) -> Result<()> {
        let shows = self.shows(conversation, from)?;
        while let Some(piece) = conversation.transcript.as_mut().and_then(|transcript| transcript.next(from)) {
            match piece {
                Piece::Message(frame) if shows => {
                    let Conversation { peer, time, segments, is_stream, .. } = *conversation;
                    self.shown.message(&Place { peer: Some(peer), from, time, segments, is_stream }, &frame)?;
                    conversation.passed[from as usize] += 1;
                    self.messages += 1;
                    if self.args.count == Some(self.messages) {
                        return Ok(());
                    }
                }
                Piece::Failed(error) if self.args.framed.shows(from) => self.fail(conversation, from, error)?,
                _ => {}
            }
        }
        self.losses_of(conversation, from, false)
    }

    /// Shows what breaks the framing of a direction, also before `--from`: nothing more is decoded in it.
    fn fail(&mut self, conversation: &mut Conversation, from: Role, error: DecodeError) -> Result<()> {
        self.show_opening(conversation)?;
        let place = conversation.place(from);
        let pending = conversation.transcript.as_ref().map_or(&[][..], |transcript| transcript.pending(from));
        let unfinished = Unfinished::new(pending).filter(|_| error.is_incomplete());
        (self.failed, conversation.failed) = (true, true);
        self.shown.failed(&place, &(error.offset(), error.into(), unfinished))
    }

    /// TLS begins: both directions go on in its records.
    fn go_on_in_tls(&mut self, conversation: &mut Conversation, from: Role) -> Result<()> {
        self.show_opening(conversation)?;
        for role in [Role::Client, Role::Server] {
            let place = conversation.place(role);
            if let Some(transcript) = &mut conversation.transcript
                && let Err(error) = transcript.finish_truncated(role)
                && self.args.framed.shows(role)
            {
                let bytes = Count(transcript.pending(role).len() as u64, "byte");
                self.shown.loss(&format!("{}: {bytes} of an unfinished message", place.named(error.offset())))?;
            }
        }
        let Some(transcript) = &mut conversation.transcript else { return Ok(()) };
        let offset = transcript.length(from);
        transcript.switch_to(&Framing::parse(tls::PRESET)?);
        (conversation.may_be_tls, conversation.segments) = (false, false);
        self.shown.tls(&conversation.place(from), offset)
    }

    /// Reports what was passed over in one direction.
    fn losses_of(&mut self, conversation: &mut Conversation, from: Role, now: bool) -> Result<()> {
        let Some(transcript) = &mut conversation.transcript else { return Ok(()) };
        let damage = transcript.take_damage(from, now);
        let discarded = transcript.discarded(from);
        let reported = std::mem::replace(&mut conversation.discarded[from as usize], discarded);
        if damage.is_none() && discarded == reported || !self.shows(conversation, from)? {
            return Ok(());
        }
        let place = conversation.place(from);
        if let Some(damage) = damage {
            self.shown.damaged(&place, &damage)?;
        }
        if discarded > reported { self.shown.lost(&place, discarded - reported, 0) } else { Ok(()) }
    }

    /// Shows what is left of a conversation, and its end.
    fn try_close(&mut self, mut conversation: Conversation, reason: &'static str, time: Option<u64>) -> Result<()> {
        if self.is_early(&conversation) && conversation.opening.is_some() {
            return Ok(()); // All of it was before `--from`.
        }
        self.end_trial(&mut conversation, None)?;
        self.show_opening(&mut conversation)?;
        for from in [Role::Client, Role::Server] {
            let place = Place { time, ..conversation.place(from) };
            if let Some(transcript) = &mut conversation.transcript
                && let Err(error) = transcript.finish_truncated(from)
                && self.args.framed.shows(from)
            {
                let unfinished = Unfinished::new(transcript.pending(from));
                let offset = error.offset();
                // That a file ends in the middle is nobody's mistake.
                if reason == "reset" {
                    (self.failed, conversation.failed) = (true, true);
                    self.shown.failed(&place, &(offset, error.into(), unfinished))?;
                } else {
                    let bytes = Count(unfinished.map_or(0, |unfinished| unfinished.length), "byte");
                    self.shown.loss(&format!("{}: {bytes} of an unfinished message", place.named(offset)))?;
                }
            }
            self.losses_of(&mut conversation, from, true)?;
        }
        let reason = if conversation.failed { "framing" } else { reason };
        let Conversation { peer, passed, segments, transcript, .. } = conversation;
        let of =
            |role| transcript.as_ref().filter(|_| self.args.framed.shows(role)).map_or(0, |all| all.undecoded(role));
        let undecoded = of(Role::Client) + of(Role::Server);
        self.shown.close(&Closing { peer, reason, passed, undecoded, segments, time })
    }
}

impl Conversation {
    /// Decodes from the beginning on in this framing.
    fn decode_in(&mut self, framing: &Sides) {
        self.may_be_tls = ![tls::PRESET, "raw"].contains(&framing.client.as_str());
        if let Some(opening) = &mut self.opening {
            opening.framing = Some(framing.name());
        }
        self.transcript = Some(trial::transcript(framing, self.whole));
    }

    /// No framing is known: its segments are shown as they come.
    fn cut_into_segments(&mut self) -> Result<()> {
        self.segments = true;
        self.transcript = Some(trial::transcript(&Sides::parse("raw")?, self.whole));
        Ok(())
    }

    /// Bytes of memory that its unfinished messages take.
    fn memory(&self) -> usize {
        self.transcript.as_ref().map_or(0, Transcript::held) + self.trial.as_ref().map_or(0, Trial::held)
    }

    /// What passes in this direction now.
    fn place(&self, from: Role) -> Place {
        Place { peer: Some(self.peer), from, time: self.time, segments: self.segments, is_stream: self.is_stream }
    }

    /// Whether TLS begins with this segment: between two messages of the client.
    fn begins_tls(&self, from: Role, segment: &[u8]) -> bool {
        let between = |transcript: &Transcript| transcript.is_stopped(from) || transcript.pending(from).is_empty();
        from == Role::Client && self.may_be_tls && tls::begins(segment) && self.transcript.as_ref().is_some_and(between)
    }
}

/// The presets that are mostly found on this port.
pub fn of_port(port: u16) -> Vec<&'static str> {
    Preset::all().filter(|preset| preset.port == port && port > 0).map(|preset| preset.name).collect()
}
