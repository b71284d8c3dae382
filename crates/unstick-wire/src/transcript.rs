//! Both directions of a conversation that has already taken place: segments, gaps and ends in, messages with their places out.
//!
//! Plain files, captures and recordings are all read through here, so that the same bytes give the same messages. Not here:
//! times and addresses, which the caller knows of each segment.

use crate::decoder::{Damage, Decoder};
use crate::dialogue::Dialogue;
use crate::error::DecodeError;
use crate::frame::Frame;
use crate::role::Role;
use crate::spec::Framing;

/// The two directions of one conversation that was recorded, from its segments to its messages.
///
/// ```
/// use unstick_wire::{Framing, Piece, Role, Transcript};
///
/// let mut transcript = Transcript::new(&Framing::parse("line")?);
/// transcript.segment(Role::Client, b"hel");
/// assert!(transcript.next(Role::Client).is_none());
/// transcript.segment(Role::Client, b"lo\n");
/// let Some(Piece::Message(frame)) = transcript.next(Role::Client) else { panic!() };
/// assert_eq!((frame.message, frame.offset), (&b"hello"[..], 0));
/// # Ok::<(), unstick_wire::SpecError>(())
/// ```
#[derive(Debug)]
pub struct Transcript {
    sides: [Side; 2],
}

/// What comes out of one direction.
#[derive(Debug)]
#[non_exhaustive]
pub enum Piece<'a> {
    /// A message, with its frame and its place in the stream.
    Message(Frame<'a>),
    /// Bytes that break the framing. Nothing more comes out of this direction before a gap.
    Failed(DecodeError),
}

/// Bytes of a stream that are missing in what was recorded of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Where in the stream they are missing, in bytes from its start.
    pub offset: u64,
    /// Number of missing bytes.
    pub bytes: u64,
    /// Number of bytes before them that belong to a frame whose rest is missing.
    pub unfinished: u64,
    /// Whether messages are found again behind the gap. That takes a framing with a mark at the start or the end of its
    /// frames: behind a lost length nobody can tell where the next frame begins.
    pub resumes: bool,
}

/// One direction.
#[derive(Debug)]
struct Side {
    framing: Framing,
    dialogue: Option<Dialogue>,
    decoder: Decoder,
    /// Number of bytes of the stream so far, with those that are missing.
    length: u64,
    /// Whether nothing can be decoded any more.
    stopped: bool,
    /// Number of bytes that came after that.
    undecoded: u64,
    /// Number of over-long messages that earlier decoders of this direction have passed over.
    discarded: u64,
    ended: bool,
    /// Whether its first segment tells if the conversation begins with it.
    in_doubt: bool,
}

impl Side {
    fn new(framing: Framing, dialogue: Option<Dialogue>) -> Self {
        let mut decoder = framing.decoder();
        if let Some(dialogue) = &dialogue {
            decoder.follow(dialogue);
        }
        Self {
            framing,
            dialogue,
            decoder,
            length: 0,
            stopped: false,
            undecoded: 0,
            discarded: 0,
            ended: false,
            in_doubt: false,
        }
    }

    /// Makes the decoder anew for what follows in the stream.
    fn restart(&mut self, search: bool) -> bool {
        let discarded = self.discarded + self.decoder.discarded();
        let (length, undecoded, ended) = (self.length, self.undecoded, self.ended);
        let fresh = Self::new(self.framing.clone(), self.dialogue.take());
        *self = Self { length, undecoded, discarded, ended, ..fresh };
        let resumes = self.decoder.start_at(length, search);
        self.stopped = !resumes;
        resumes
    }

    /// Whether the conversation begins with this first segment, although nobody saw how it was opened: the last phase of the framing
    /// breaks on it, and the first does not.
    fn begins_with(&self, segment: &[u8]) -> bool {
        let fits = |mut decoder: Decoder| {
            decoder.feed(segment);
            loop {
                match decoder.next_frame() {
                    Ok(Some(_)) => {}
                    Ok(None) => return true,
                    Err(_) => return false,
                }
            }
        };
        let mut last = self.framing.decoder();
        last.start_at(0, false) && !fits(last) && fits(self.framing.decoder())
    }
}

impl Transcript {
    /// Makes a transcript of a conversation in this framing. If it is a preset, each direction gets that of its side.
    pub fn new(framing: &Framing) -> Self {
        let [client, server] = [Role::Client, Role::Server].map(|role| framing.sent_by(role));
        Self::of_sides(client, server)
    }

    /// Makes a transcript of a conversation in which the client sends in one framing and the server in another.
    pub fn of_sides(client: Framing, server: Framing) -> Self {
        let (asks, answers) = client.dialogue_with(&server).unzip();
        Self { sides: [Side::new(client, asks), Side::new(server, answers)] }
    }

    /// Says that what was recorded of this direction begins in the middle of the conversation, or that nobody knows. The first frame is then
    /// taken to begin with the first segment, and to be one of the last phase; or of the first phase, if only that fits the first segment.
    /// Only before the first segment.
    pub fn begins_in_the_middle(&mut self, from: Role) {
        let side = self.side(from);
        side.restart(false);
        side.in_doubt = side.length == 0;
    }

    /// Adds a segment that this side has sent. Take its messages before the next one.
    pub fn segment(&mut self, from: Role, bytes: &[u8]) {
        let side = self.side(from);
        if std::mem::take(&mut side.in_doubt) && side.begins_with(bytes) {
            *side = Side::new(side.framing.clone(), side.dialogue.take());
        }
        side.length += bytes.len() as u64;
        if side.stopped {
            side.undecoded += bytes.len() as u64;
        } else {
            side.decoder.feed(bytes);
        }
    }

    /// Says that bytes are missing in this direction. Take the messages before it first.
    pub fn gap(&mut self, from: Role, bytes: u64) -> Gap {
        let side = self.side(from);
        let (offset, unfinished) = (side.length, side.decoder.pending().len() as u64);
        side.length = side.length.saturating_add(bytes);
        let resumes = side.restart(true);
        Gap { offset, bytes, unfinished, resumes }
    }

    /// Goes on in another framing, in both directions. What has arrived of unfinished frames is dropped. A direction in which
    /// bytes have passed is in the last phase of the framing.
    pub fn switch_to(&mut self, framing: &Framing) {
        let before = std::mem::replace(self, Self::new(framing));
        for (side, old) in self.sides.iter_mut().zip(before.sides) {
            side.discarded = old.discarded + old.decoder.discarded();
            (side.length, side.undecoded, side.ended) = (old.length, old.undecoded, old.ended);
            if side.length > 0 {
                side.decoder.start_at(side.length, false);
            }
            if side.ended {
                side.decoder.finish();
            }
        }
    }

    /// Says that this side has ended its direction: what has arrived may be a last message.
    pub fn finish(&mut self, from: Role) {
        let side = self.side(from);
        side.ended = true;
        side.decoder.finish();
    }

    /// Says that the direction broke off: it was reset, or the recording ends before it. Take its messages first.
    ///
    /// # Errors
    ///
    /// If a frame is under way, which is then lost.
    pub fn finish_truncated(&mut self, from: Role) -> Result<(), DecodeError> {
        let side = self.side(from);
        if side.stopped || side.ended { Ok(()) } else { side.decoder.finish_truncated() }
    }

    /// Returns the next thing that is known of what this side has sent; `None` until more comes.
    pub fn next(&mut self, from: Role) -> Option<Piece<'_>> {
        let side = self.side(from);
        if side.stopped {
            return None;
        }
        match side.decoder.next_frame() {
            Ok(frame) => frame.map(Piece::Message),
            Err(error) => {
                side.stopped = true;
                Some(Piece::Failed(error))
            }
        }
    }

    /// Takes what was passed over as damaged in this direction, as [`Decoder::take_damage`] does.
    pub fn take_damage(&mut self, from: Role, now: bool) -> Option<Damage> {
        self.side(from).decoder.take_damage(now)
    }

    /// Number of messages of this side that were passed over because they were too long (`oversize=discard`).
    pub fn discarded(&self, from: Role) -> u64 {
        let side = &self.sides[from as usize];
        side.discarded + side.decoder.discarded()
    }

    /// Number of bytes of this side that came when nothing could be decoded any more.
    pub fn undecoded(&self, from: Role) -> u64 {
        self.sides[from as usize].undecoded
    }

    /// Number of bytes that this side has sent, with those that are missing.
    pub fn length(&self, from: Role) -> u64 {
        self.sides[from as usize].length
    }

    /// Whether nothing more can be decoded of what this side sends.
    pub fn is_stopped(&self, from: Role) -> bool {
        self.sides[from as usize].stopped
    }

    /// What has arrived of the frame of this side that is not complete, or that broke the framing just now.
    pub fn pending(&self, from: Role) -> &[u8] {
        self.sides[from as usize].decoder.pending()
    }

    /// Number of bytes of memory that the unfinished frames keep.
    pub fn held(&self) -> usize {
        self.sides.iter().map(|side| side.decoder.held()).sum()
    }

    /// Drops the unfinished frames of both sides, and frees their memory. Nothing more is decoded.
    pub fn abandon(&mut self) {
        for side in &mut self.sides {
            side.decoder.discard_pending();
            side.stopped = true;
        }
    }

    fn side(&mut self, from: Role) -> &mut Side {
        &mut self.sides[from as usize]
    }
}
