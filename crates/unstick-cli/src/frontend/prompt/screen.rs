//! Holds what the conversation and the terminal share: text to show above the prompt, the typed line, and its
//! recipients.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;
use unstick::service::talk::Event;

use super::recipient::{Recipients, To};
use super::tty::show;
use crate::frontend::terminal::render::coloured_prompt;
use crate::text_queue::{self, BURST, WAITING};
use crate::unpoisoned::unpoisoned;

/// How long the reader may take at the end to leave the terminal alone. It takes longer only if rustyline waits for a
/// key and nothing else, as after ^V.
const GRACE: Duration = Duration::from_millis(300);

/// How long the reader may take no text before nobody waits for the terminal any more. It takes all text at once, which
/// a slow line needs a while to carry.
const SLOW_PEER_TIMEOUT: Duration = Duration::from_secs(5);

/// State shared by the conversation, the reader of keys and the thread that wakes it.
pub(crate) struct PromptScreen {
    state: Mutex<State>,
    /// Signals that the phase, or the need to wake the reader, has changed.
    changed: Condvar,
    /// Signals that text has been taken.
    room: Notify,
    colour: bool,
}

struct State {
    /// Whole lines for the screen.
    waiting: String,
    /// Lines that found no room, because the terminal takes nothing.
    dropped: u64,
    /// When text was last taken, or none was waiting.
    taken: Instant,
    phase: Phase,
    wake: Wake,
    /// What has been typed of the next line.
    line: String,
    /// The recipients that the prompt shows for the line.
    shown: To,
    recipients: Recipients,
    /// Whether the reader must leave the terminal.
    finishing: bool,
    /// Whether the reader must begin again: the terminal may be in another mode than it assumes.
    again: bool,
    interrupted: bool,
    unsent: Vec<Bytes>,
}

/// What the reader of keys is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has not begun.
    Ahead,
    /// It carries out a line.
    Between,
    /// It has drawn the prompt, and reads keys.
    Editing,
    /// There is no reader, or none any more: text goes to the terminal at once.
    Away,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    No,
    Wanted,
    Sent,
}

/// What to draw.
pub(super) enum Draw {
    /// This text, and the prompt below it.
    Above(String),
    /// Nothing: reading ends here, for another prompt or for good.
    Leave,
}

/// The prompt for a line.
pub(super) struct Prompt {
    pub(super) plain: String,
    pub(super) coloured: String,
}

/// The state of a prompt that has ended.
pub(super) struct Ended {
    /// Whether the reader has left the terminal as it was.
    pub(super) by_itself: bool,
    /// Text that was waiting to be shown.
    pub(super) text: String,
    /// Messages that were typed, and will not be sent.
    pub(super) unsent: Vec<Bytes>,
    pub(super) interrupted: bool,
}

impl PromptScreen {
    pub(super) fn new(single: bool, colour: bool) -> Self {
        let state = State {
            waiting: String::new(),
            dropped: 0,
            taken: Instant::now(),
            phase: Phase::Ahead,
            wake: Wake::No,
            line: String::new(),
            shown: To::Nobody,
            recipients: Recipients::new(single),
            finishing: false,
            again: false,
            interrupted: false,
            unsent: Vec::new(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), room: Notify::new(), colour }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }

    // For the conversation.

    /// Remembers the present peers, and which one sent last.
    pub(crate) fn note(&self, event: &Event<'_>) {
        let mut state = self.lock();
        match event {
            Event::Open { peer, names, .. } => state.recipients.came(*peer, &names.remote),
            Event::Message { peer, .. } => state.recipients.spoke(*peer),
            Event::Close { peer, .. } => state.recipients.left(*peer),
            _ => return,
        }
        self.wake_if_needed(&mut state);
    }

    /// Shows whole lines.
    pub(crate) fn say(&self, text: &str) {
        let mut state = self.lock();
        if state.phase == Phase::Away {
            show(text);
        } else if !state.has_room() {
            state.dropped += text.lines().count() as u64;
        } else {
            if state.waiting.is_empty() {
                state.taken = Instant::now();
            }
            state.waiting.push_str(text);
            self.wake_if_needed(&mut state);
        }
    }

    /// Shows lines if there is a prompt; returns false if there is none.
    pub(super) fn say_if_live(&self, text: &str) -> bool {
        let live = self.lock().phase != Phase::Away;
        if live {
            self.say(text);
        }
        live
    }

    /// Returns what to wait for before showing more, if anything. A terminal that takes nothing slows nobody down.
    pub(crate) fn room(screen: &Arc<Self>) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        screen.lock().patience()?;
        let screen = Arc::clone(screen);
        Some(Box::pin(async move {
            loop {
                let taken = screen.room.notified();
                let Some(left) = screen.lock().patience() else { return };
                let _ = tokio::time::timeout(left, taken).await;
            }
        }))
    }

    /// Notes that the program continues after a stop.
    pub(super) fn resumed(&self) {
        let mut state = self.lock();
        state.again = true;
        self.wake_if_needed(&mut state);
    }

    /// Keeps a message that was typed and that nobody takes any more.
    pub(super) fn not_sent(&self, message: Bytes) {
        self.lock().unsent.push(message);
    }

    /// Ends the reading of keys, if that is possible within [`GRACE`].
    pub(super) fn finish(&self) -> Ended {
        let mut state = self.lock();
        state.finishing = true;
        self.wake_if_needed(&mut state);
        let busy = |state: &mut State| matches!(state.phase, Phase::Between | Phase::Editing);
        let waited = self.changed.wait_timeout_while(state, GRACE, busy);
        let (mut state, timeout) = unpoisoned(waited);
        state.phase = Phase::Away;
        self.changed.notify_all();
        let mut unsent = mem::take(&mut state.unsent);
        let line = mem::take(&mut state.line);
        if !line.is_empty() {
            unsent.push(line.into());
        }
        let text = self.take(&mut state);
        Ended { by_itself: !timeout.timed_out(), text, unsent, interrupted: state.interrupted }
    }

    // For the reader of keys.

    /// Returns the prompt for the next line, which begins with `line`; `None` if there is no next line.
    pub(super) fn begin(&self, line: &str) -> Option<Prompt> {
        let mut state = self.lock();
        line.clone_into(&mut state.line);
        if state.finishing || state.phase == Phase::Away {
            return None;
        }
        state.phase = Phase::Between;
        state.again = false;
        state.shown = state.recipients.next();
        let plain = state.recipients.prompt(state.shown);
        let coloured = coloured_prompt(self.colour, &plain, state.shown.target());
        Some(Prompt { plain, coloured })
    }

    /// Returns what to draw. Reading ends only after a wake-up: then no unread keys can get lost.
    pub(super) fn draw(&self, woken: bool) -> Draw {
        let mut state = self.lock();
        if state.phase != Phase::Away {
            state.phase = Phase::Editing;
        }
        state.wake = Wake::No;
        if woken && state.must_leave() {
            return Draw::Leave;
        }
        let text = self.take(&mut state);
        self.wake_if_needed(&mut state);
        Draw::Above(text)
    }

    /// Notes that the line has changed.
    pub(super) fn typed(&self, line: &str) {
        let mut state = self.lock();
        line.clone_into(&mut state.line);
        self.wake_if_needed(&mut state);
    }

    /// Returns the typed text.
    pub(super) fn line(&self) -> String {
        self.lock().line.clone()
    }

    /// Notes that reading has ended, with a line or for another reason. Nothing is drawn until it begins again.
    pub(super) fn pause(&self) {
        self.lock().phase = Phase::Between;
    }

    /// Takes the waiting text.
    pub(super) fn take_text(&self) -> String {
        self.take(&mut self.lock())
    }

    pub(super) fn interrupt(&self) {
        self.lock().interrupted = true;
    }

    /// Notes that nobody reads keys: text goes to the terminal at once from now on.
    pub(super) fn away(&self) {
        let mut state = self.lock();
        state.phase = Phase::Away;
        show(&self.take(&mut state));
        self.changed.notify_all();
    }

    /// Runs `look` on the recipients, and on those that the prompt shows.
    pub(super) fn recipients<T>(&self, look: impl FnOnce(&mut Recipients, To) -> T) -> T {
        let state = &mut *self.lock();
        look(&mut state.recipients, state.shown)
    }

    // For the thread that wakes the reader.

    /// Waits until the reader of keys must be woken; returns false once there is none.
    pub(super) fn wait_to_wake(&self) -> bool {
        let mut state = self.lock();
        loop {
            match (state.phase, state.wake) {
                (Phase::Away, _) => return false,
                (Phase::Editing, Wake::Wanted) => {
                    state.wake = Wake::Sent;
                    return true;
                }
                _ => state = unpoisoned(self.changed.wait(state)),
            }
        }
    }

    fn take(&self, state: &mut State) -> String {
        self.room.notify_waiters();
        state.taken = Instant::now();
        let mut text = mem::take(&mut state.waiting);
        match mem::take(&mut state.dropped) {
            0 => {}
            count => text.push_str(&text_queue::dropped(count, "the terminal")),
        }
        text
    }

    fn wake_if_needed(&self, state: &mut State) {
        let needed = !state.waiting.is_empty() || state.must_leave();
        // Before the first drawing there is no need: the drawing shows everything.
        if needed && state.phase == Phase::Editing && state.wake == Wake::No {
            state.wake = Wake::Wanted;
            self.changed.notify_all();
        }
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.waiting.len() <= WAITING || (self.patience().is_some() && self.waiting.len() <= WAITING + BURST)
    }

    /// Returns how long to wait for room, if there is a reason to wait.
    fn patience(&self) -> Option<Duration> {
        let left = SLOW_PEER_TIMEOUT.saturating_sub(self.taken.elapsed());
        (self.waiting.len() > WAITING && !left.is_zero()).then_some(left)
    }

    /// Whether the line goes to other recipients than the prompt shows.
    fn is_stale(&self) -> bool {
        let next = self.recipients.next();
        next != self.shown && self.recipients.prompt(next) != self.recipients.prompt(self.shown)
    }

    /// Whether reading must end: for good, or for another prompt while the line is empty.
    fn must_leave(&self) -> bool {
        self.finishing || self.again || (self.line.is_empty() && self.is_stale())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unstick::endpoint::PeerAddrs;

    fn open(screen: &PromptScreen, peer: u64) {
        let names = PeerAddrs::new("127.0.0.1:5", "127.0.0.1:6");
        screen.note(&Event::Open { peer, names: &names, datagram: false, request: None });
    }

    fn woken(screen: &PromptScreen) -> Option<String> {
        match screen.draw(true) {
            Draw::Above(text) => Some(text),
            Draw::Leave => None,
        }
    }

    #[test]
    fn text_waits_for_the_next_drawing_in_its_order() {
        let screen = PromptScreen::new(false, false);
        screen.say("one\n");
        assert_eq!(screen.begin("").unwrap().plain, "nobody> ");
        screen.say("two\n");
        assert_eq!(woken(&screen).as_deref(), Some("one\ntwo\n"));
        assert_eq!(woken(&screen).as_deref(), Some(""));
    }

    #[test]
    fn the_prompt_changes_only_while_the_line_is_empty() {
        let screen = PromptScreen::new(false, false);
        screen.begin("").unwrap();
        assert!(woken(&screen).is_some());
        screen.typed("h");
        open(&screen, 1);
        assert!(woken(&screen).is_some(), "a line is being typed");
        screen.typed("");
        assert!(matches!(screen.draw(false), Draw::Above(_)), "keys may be waiting");
        assert!(woken(&screen).is_none(), "now the prompt can change");
        assert_eq!(screen.begin("").unwrap().plain, "to 1> ");
        assert!(woken(&screen).is_some());
    }

    #[test]
    fn a_single_peer_needs_no_other_prompt() {
        let screen = PromptScreen::new(true, false);
        assert_eq!(screen.begin("").unwrap().plain, "> ");
        assert!(woken(&screen).is_some());
        open(&screen, 1);
        assert!(woken(&screen).is_some());
    }

    #[test]
    fn the_end_wakes_the_reader_and_tells_what_was_not_sent() {
        let screen = Arc::new(PromptScreen::new(false, false));
        screen.begin("").unwrap();
        assert!(matches!(screen.draw(false), Draw::Above(_)));
        screen.typed("half a li");
        screen.not_sent("typed ahead".into());
        let reader = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            assert!(reader.wait_to_wake());
            assert!(matches!(reader.draw(true), Draw::Leave));
            assert!(reader.begin(&reader.line()).is_none());
            reader.away();
            assert!(!reader.wait_to_wake());
        });
        let ended = screen.finish();
        reader.join().unwrap();
        assert!(ended.by_itself && !ended.interrupted);
        assert_eq!(ended.unsent, ["typed ahead", "half a li"]);
        assert_eq!(screen.finish().unsent, [""; 0]);
    }

    #[test]
    fn a_reader_that_does_not_leave_is_not_waited_for() {
        let screen = PromptScreen::new(false, false);
        screen.begin("").unwrap();
        assert!(matches!(screen.draw(false), Draw::Above(_)));
        screen.say("last words\n");
        let ended = screen.finish();
        assert!(!ended.by_itself);
        assert_eq!(ended.text, "last words\n");
    }

    #[test]
    fn a_full_screen_asks_for_patience() {
        let screen = Arc::new(PromptScreen::new(false, false));
        assert!(PromptScreen::room(&screen).is_none());
        screen.say(&"x".repeat(WAITING + 1));
        let room = PromptScreen::room(&screen).expect("the screen is full");
        screen.take_text();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(room);
    }
}
