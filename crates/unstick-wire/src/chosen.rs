//! Framings that are chosen from the first bytes of a stream, because nobody can name them before.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crate::custom::{Custom, CustomFraming, FoundFrame};
use crate::limits::LONGEST_TIME;
use crate::phase::{ChoosePhases, Chooser, Phase};
use crate::spec::Framing;

/// Chooses the framing of streams while their first bytes arrive. A decoder keeps those bytes until there is a framing, and
/// then decodes them from the first one on.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use unstick_wire::{ChooseFraming, Framing};
///
/// /// Text in lines; everything else behind a length.
/// #[derive(Debug)]
/// struct ByFirstByte;
///
/// impl ChooseFraming for ByFirstByte {
///     fn open(&self) -> u64 {
///         0
///     }
///
///     fn choose(&self, _stream: u64, arrived: &[u8], _seen: usize, _last: bool) -> Option<Framing> {
///         Framing::parse(if arrived[0] >= b' ' { "line" } else { "u32be" }).ok()
///     }
///
///     fn known(&self) -> Option<Framing> {
///         None
///     }
/// }
///
/// let framing = Framing::chosen("text or length", Duration::from_secs(2), Arc::new(ByFirstByte));
/// let mut decoder = framing.decoder();
/// decoder.feed(b"\0\0\0\x02hi");
/// assert_eq!(decoder.next()?, Some(&b"hi"[..]));
/// # Ok::<(), unstick_wire::DecodeError>(())
/// ```
pub trait ChooseFraming: Debug + Send + Sync + 'static {
    /// Returns a number for a stream of which the first bytes have arrived.
    fn open(&self) -> u64;

    /// Looks at all that has arrived in a stream: more than the `seen` bytes of the last call, unless `last`. What is new is one
    /// segment, or more. `None` waits for more, so bound what you wait for. `last`: nothing more has come for the patience that was
    /// given to [`Framing::chosen`], or the stream has ended; what has arrived is an unfinished message if there is no framing then.
    /// A framing that is chosen itself counts as none.
    fn choose(&self, stream: u64, arrived: &[u8], seen: usize, last: bool) -> Option<Framing>;

    /// Returns the framing in which messages are sent; `None`, an error for who sends, while it is not known.
    fn known(&self) -> Option<Framing>;
}

impl Framing {
    /// Makes a framing that is chosen from the first bytes of each stream. If nothing more has come for `patience`, the choice is made
    /// from what there is, provided that the caller tells the decoder the time (see [`Decoder::tick`](crate::Decoder::tick)). `name` is
    /// shown to users; framings with the same name are equal.
    pub fn chosen(name: &str, patience: Duration, chooser: Arc<dyn ChooseFraming>) -> Self {
        let chooser = Chooser { patience: patience.min(LONGEST_TIME), chooser: Arc::new(InPhases(chooser)) };
        let phase = Phase { chooser: Some(chooser), ..Phase::of(Custom::new(NotChosen).into()) };
        Self::of_phases(name, [phase].into())
    }
}

/// A chooser, whose framings are taken for their phases.
#[derive(Debug)]
struct InPhases(Arc<dyn ChooseFraming>);

impl ChoosePhases for InPhases {
    fn open(&self) -> u64 {
        self.0.open()
    }

    fn choose(&self, stream: u64, arrived: &[u8], seen: usize, last: bool) -> Option<Arc<[Phase]>> {
        self.0.choose(stream, arrived, seen, last).filter(is_settled).map(|framing| framing.phases)
    }

    fn known(&self) -> Option<Arc<[Phase]>> {
        self.0.known().filter(is_settled).map(|framing| framing.phases)
    }
}

/// Whether a choice is one: a framing that is chosen itself is none.
fn is_settled(framing: &Framing) -> bool {
    !framing.is_chosen()
}

/// What stands in a phase before the choice: it finds no frame and makes none.
#[derive(Debug, Clone)]
struct NotChosen;

impl CustomFraming for NotChosen {
    fn decode(&mut self, _: &[u8]) -> Result<Option<FoundFrame>, String> {
        Ok(None)
    }

    fn encode(&self, _: &[u8], _: &mut Vec<u8>) -> Result<(), String> {
        Err("the framing is not known yet".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Instant;

    /// Lines, as soon as there are two; when it has to choose, raw. It notes what it sees.
    #[derive(Debug, Default)]
    struct TwoLines {
        opened: AtomicU64,
        seen: Mutex<Vec<(u64, Vec<u8>, bool)>>,
        known: Mutex<Option<Framing>>,
    }

    impl ChooseFraming for TwoLines {
        fn open(&self) -> u64 {
            self.opened.fetch_add(1, Ordering::Relaxed)
        }

        fn choose(&self, stream: u64, arrived: &[u8], seen: usize, last: bool) -> Option<Framing> {
            self.seen.lock().unwrap().push((stream, arrived[seen..].to_vec(), last));
            let ends = arrived.iter().filter(|byte| **byte == b'\n').count();
            let spec = if ends >= 2 { "line" } else { "raw" };
            let chosen = (ends >= 2 || last).then(|| Framing::parse(spec).unwrap());
            *self.known.lock().unwrap() = chosen.clone();
            chosen
        }

        fn known(&self) -> Option<Framing> {
            self.known.lock().unwrap().clone()
        }
    }

    const PATIENCE: Duration = Duration::from_secs(2);

    fn framing() -> (Arc<TwoLines>, Framing) {
        let chooser = Arc::new(TwoLines::default());
        (Arc::clone(&chooser), Framing::chosen("two lines", PATIENCE, chooser))
    }

    #[test]
    fn nothing_is_lost_before_the_choice_and_each_stream_has_its_own() {
        let (chooser, framing) = framing();
        let (mut one, mut other) = (framing.decoder(), framing.decoder());
        one.feed(b"a\nb");
        assert_eq!(one.next().unwrap(), None);
        assert_eq!(one.next().unwrap(), None, "nothing new is nothing to look at");
        other.feed(b"x\n");
        assert_eq!(other.next().unwrap(), None);
        one.feed(b"c\nd");
        assert_eq!(one.next().unwrap(), Some(&b"a"[..]));
        assert_eq!(one.next_frame().unwrap().unwrap().offset, 2);
        assert_eq!(one.next().unwrap(), None);
        one.finish();
        assert_eq!(one.next_bytes().unwrap().as_deref(), Some(&b"d"[..]));
        let seen: Vec<_> = chooser.seen.lock().unwrap().iter().map(|(of, bytes, _)| (*of, bytes.clone())).collect();
        assert_eq!(seen, [(0, b"a\nb".to_vec()), (1, b"x\n".to_vec()), (0, b"c\nd".to_vec())]);
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // A test may: it starts the time that it passes in.
    fn at_the_end_and_after_a_silence_the_choice_is_made() {
        let (_, framing) = framing();
        let mut decoder = framing.decoder();
        decoder.feed(b"abc");
        assert_eq!(decoder.next().unwrap(), None);
        decoder.finish();
        assert_eq!(decoder.next().unwrap(), Some(&b"abc"[..]));
        let (mut decoder, now) = (framing.decoder(), Instant::now());
        decoder.feed(b"abc");
        assert_eq!(decoder.next().unwrap(), None);
        decoder.tick(now).unwrap();
        assert_eq!(decoder.deadline(), Some(now + PATIENCE));
        decoder.tick(now + PATIENCE / 2).unwrap();
        assert_eq!(decoder.next().unwrap(), None);
        decoder.tick(now + PATIENCE).unwrap();
        assert_eq!(decoder.next().unwrap(), Some(&b"abc"[..]));
        assert_eq!(decoder.deadline(), None);
    }

    /// Chooses a framing that is chosen itself.
    #[derive(Debug)]
    struct Circle;

    impl ChooseFraming for Circle {
        fn open(&self) -> u64 {
            0
        }

        fn choose(&self, _: u64, _: &[u8], _: usize, _: bool) -> Option<Framing> {
            self.known()
        }

        fn known(&self) -> Option<Framing> {
            Some(Framing::chosen("circle", PATIENCE, Arc::new(Circle)))
        }
    }

    #[test]
    fn a_choice_that_is_no_choice_ends() {
        let framing = Framing::chosen("circle", PATIENCE, Arc::new(Circle));
        assert!(framing.encoder().unwrap().encode(b"hi", &mut Vec::new()).is_err());
        let mut decoder = framing.decoder();
        decoder.feed(b"hi");
        assert_eq!(decoder.next().unwrap(), None);
        decoder.finish();
        assert!(decoder.next().unwrap_err().is_incomplete());
    }

    #[test]
    fn what_is_sent_needs_a_framing() {
        let (chooser, framing) = framing();
        let mut encoder = framing.encoder().unwrap();
        let mut out = Vec::new();
        let error = encoder.encode(b"hi", &mut out).unwrap_err();
        assert_eq!(error.to_string(), "the framing is not known yet");
        assert_eq!(error.hint(), Some("it is chosen from what the peer sends; name the framing to send first"));
        let mut decoder = framing.decoder();
        decoder.feed(b"a\nb\n");
        assert_eq!(decoder.next().unwrap(), Some(&b"a"[..]));
        drop(chooser);
        encoder.encode(b"hi", &mut out).unwrap();
        assert_eq!(out, b"hi\n");
    }
}
