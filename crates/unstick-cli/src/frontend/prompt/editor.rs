//! rustyline, extended in two ways: text can appear above the line, and reading can stop when another prompt is due.
//!
//! rustyline reads a line with one fixed prompt. It can be asked to print above the line, but not to stop. Both
//! extensions use the one place that rustyline calls whenever it draws: the prompt's highlighter. That puts waiting
//! text in front of the prompt, which keeps the order of the text whatever the reason for drawing is. When reading has
//! to end, the highlighter unwinds the stack, as a panic does, but without a panic. This releases every resource of
//! rustyline's, as on every error. It does so only after a wake-up of rustyline to print: rustyline has cleared the
//! rows of the line then, and holds no key that it has read and not handled.

use std::borrow::Cow;
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{
    ColorMode, ConditionalEventHandler, Config, Context, Editor, EventHandler, ExternalPrinter, Helper, KeyCode,
    KeyEvent, Modifiers,
};

use super::keys::{Complete, DropLine, Earlier, Find};
use super::screen::{Draw, Prompt, PromptScreen};
use crate::text_queue;

#[cfg(panic = "abort")]
compile_error!("the prompt ends reading by unwinding: see the head of this file");

/// Makes rustyline draw, and shows nothing itself: one line up, and the line end that rustyline requires.
const WAKE: &str = "\x1b[A\n";

/// Ends a synchronized drawing that the unwinding has cut short.
const CUT_SHORT: &str = "\x1b[?2026l";

/// The result of reading.
pub(super) enum Read {
    Line(String),
    /// Reading stopped, for another prompt or for good.
    Left,
    /// ^C on an empty line.
    Interrupted,
    /// ^D on an empty line, or the terminal is gone.
    Ended,
}

/// The payload of the unwinding that stops reading.
struct Leave;

/// An editor of lines with a history.
pub(super) struct LineEditor {
    editor: Editor<Assistant, MemHistory>,
    screen: Arc<PromptScreen>,
    earlier: Arc<Earlier>,
    /// Maximum number of lines in the history.
    most: usize,
}

impl LineEditor {
    /// Makes an editor on standard input and output, and the printer that wakes it.
    ///
    /// # Errors
    ///
    /// If these are not terminals, or the terminal cannot edit lines.
    pub(super) fn new(
        screen: &Arc<PromptScreen>,
        history: usize,
    ) -> rustyline::Result<(Self, impl ExternalPrinter + Send + 'static)> {
        // Colour is forced on, because rustyline asks the highlighter only then. Whether text has colour is decided
        // elsewhere.
        let config = Config::builder()
            .color_mode(ColorMode::Forced)
            .max_history_size(history)?
            .history_ignore_space(true)
            .history_ignore_dups(true)?
            .build();
        let lines = MemHistory::with_config(&config);
        let mut editor = Editor::with_history(config, lines)?;
        editor.set_helper(Some(Assistant { screen: Arc::clone(screen), keyed: Cell::new(false) }));
        let earlier = Arc::new(Earlier::default());
        let complete = Complete { screen: Arc::clone(screen), files: FilenameCompleter::new() };
        let find = Find::new(Arc::clone(screen), Arc::clone(&earlier));
        let mut bind = |key, handler: Box<dyn ConditionalEventHandler>| {
            editor.bind_sequence(key, EventHandler::Conditional(handler))
        };
        bind(KeyEvent(KeyCode::Tab, Modifiers::NONE), Box::new(complete));
        bind(KeyEvent::ctrl('R'), Box::new(find));
        bind(KeyEvent::ctrl('C'), Box::new(DropLine(Arc::clone(screen))));
        let printer = editor.create_external_printer()?;
        Ok((Self { editor, screen: Arc::clone(screen), earlier, most: history }, printer))
    }

    /// Adds a line to the history; returns false if the history does not take it.
    pub(super) fn remember(&mut self, line: &str) -> bool {
        let remembered = self.editor.add_history_entry(line).unwrap_or(false);
        if remembered {
            self.earlier.add(line, self.most);
        }
        remembered
    }

    /// Reads a line that begins with the text kept of an earlier one.
    pub(super) fn read(&mut self, prompt: &Prompt, kept: &str) -> Read {
        let prompt = (prompt.plain.as_str(), prompt.coloured.as_str());
        let editor = &mut self.editor;
        let read = catch_unwind(AssertUnwindSafe(|| editor.readline_with_initial(&prompt, (kept, ""))));
        self.screen.pause();
        match read {
            Ok(Ok(line)) => Read::Line(line),
            Ok(Err(ReadlineError::Interrupted)) => Read::Interrupted,
            // A key that is not UTF-8 is dropped, and the line goes on.
            Ok(Err(ReadlineError::Io(error))) if error.kind() == io::ErrorKind::InvalidData => Read::Left,
            Ok(Err(_)) => Read::Ended,
            Err(payload) if payload.is::<Leave>() => {
                // This thread writes it, as it does all drawing, so that later drawings come after it.
                text_queue::draw(&(CUT_SHORT.to_owned() + &self.screen.take_text()));
                Read::Left
            }
            Err(payload) => resume_unwind(payload),
        }
    }
}

/// Makes rustyline draw whenever there is something to show, until nobody reads any more. It waits for rustyline.
pub(super) fn keep_awake(screen: &PromptScreen, mut printer: impl ExternalPrinter) {
    while screen.wait_to_wake() {
        if printer.print(WAKE.to_owned()).is_err() {
            return;
        }
    }
}

/// The callbacks of rustyline while a line is typed.
struct Assistant {
    screen: Arc<PromptScreen>,
    /// Whether a key is the reason for the next drawing.
    keyed: Cell<bool>,
}

impl Highlighter for Assistant {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        match self.screen.draw(!self.keyed.take()) {
            Draw::Above(text) if text.is_empty() => Cow::Borrowed(prompt),
            Draw::Above(text) => Cow::Owned(text + prompt),
            Draw::Leave => resume_unwind(Box::new(Leave)),
        }
    }

    /// rustyline calls this after every key, and at no other time. True always makes rustyline draw. So a drawing
    /// without this call before it has another reason than a key.
    fn highlight_char(&self, _line: &str, _pos: usize, _kind: CmdKind) -> bool {
        self.keyed.set(true);
        true
    }
}

impl Hinter for Assistant {
    type Hint = String;

    /// Gives no hints, but learns of every change of the line.
    fn hint(&self, line: &str, _pos: usize, _context: &Context<'_>) -> Option<String> {
        self.screen.typed(line);
        None
    }
}

/// A key handler does completion (`keys`).
impl Completer for Assistant {
    type Candidate = Pair;
}

impl Validator for Assistant {}
impl Helper for Assistant {}
