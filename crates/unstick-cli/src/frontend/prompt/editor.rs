//! rustyline, told to let text in above the line and to leave off when another prompt is due.
//!
//! rustyline reads a line with one fixed prompt, and can be asked to print above it, but not to stop. Both come from the
//! one place that it calls whenever it draws: the prompt's highlighter. What waits to be shown is put in front of the
//! prompt there, which keeps its order whatever the reason for drawing is; and where reading has to end, it is unwound
//! from there, as a panic would, but without one: every resource of rustyline's is released as it is on every error.
//! That is done only where rustyline has been woken to print: it has cleared the rows of the line then, and holds no
//! key that it has read and not handled.

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

/// Makes rustyline draw, and shows nothing itself: a line up and the line end that rustyline insists on.
const WAKE: &str = "\x1b[A\n";

/// Ends what the unwinding has cut short: a synchronized drawing.
const CUT_SHORT: &str = "\x1b[?2026l";

/// What came of reading.
pub(super) enum Read {
    Line(String),
    /// Reading was left for another prompt, or for good.
    Left,
    /// ^C on an empty line.
    Interrupted,
    /// ^D on an empty line, or the terminal is gone.
    Ended,
}

/// The payload that reading is left with.
struct Leave;

/// An editor of lines with a history.
pub(super) struct LineEditor {
    editor: Editor<Assistant, MemHistory>,
    screen: Arc<PromptScreen>,
    earlier: Arc<Earlier>,
    /// Lines that are remembered.
    most: usize,
}

impl LineEditor {
    /// An editor on standard input and output, and who wakes it.
    ///
    /// # Errors
    ///
    /// Where these are no terminals, or one that cannot be edited on.
    pub(super) fn new(
        screen: &Arc<PromptScreen>,
        history: usize,
    ) -> rustyline::Result<(Self, impl ExternalPrinter + Send + 'static)> {
        // Forced, because only then is the highlighter asked; whether there is colour is decided elsewhere.
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

    /// Adds a line to the history; false where it has no place there.
    pub(super) fn remember(&mut self, line: &str) -> bool {
        let remembered = self.editor.add_history_entry(line).unwrap_or(false);
        if remembered {
            self.earlier.add(line, self.most);
        }
        remembered
    }

    /// Reads a line that begins with what is kept of an earlier one.
    pub(super) fn read(&mut self, prompt: &Prompt, kept: &str) -> Read {
        let prompt = (prompt.plain.as_str(), prompt.coloured.as_str());
        let editor = &mut self.editor;
        let read = catch_unwind(AssertUnwindSafe(|| editor.readline_with_initial(&prompt, (kept, ""))));
        self.screen.pause();
        match read {
            Ok(Ok(line)) => Read::Line(line),
            Ok(Err(ReadlineError::Interrupted)) => Read::Interrupted,
            // A key that is no UTF-8: it is dropped, and the line goes on.
            Ok(Err(ReadlineError::Io(error))) if error.kind() == io::ErrorKind::InvalidData => Read::Left,
            Ok(Err(_)) => Read::Ended,
            Err(payload) if payload.is::<Leave>() => {
                // By this thread, as all drawing: what is drawn next comes behind it.
                text_queue::draw(&(CUT_SHORT.to_owned() + &self.screen.take_text()));
                Read::Left
            }
            Err(payload) => resume_unwind(payload),
        }
    }
}

/// Makes rustyline draw whenever there is something to show, until nobody reads any more. This waits for rustyline.
pub(super) fn keep_awake(screen: &PromptScreen, mut printer: impl ExternalPrinter) {
    while screen.wait_to_wake() {
        if printer.print(WAKE.to_owned()).is_err() {
            return;
        }
    }
}

/// What rustyline asks while a line is typed.
struct Assistant {
    screen: Arc<PromptScreen>,
    /// A key is the reason for the next drawing.
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

    /// Asked after every key, and only then. True makes rustyline draw, always: this is how a drawing that has
    /// another reason is known.
    fn highlight_char(&self, _line: &str, _pos: usize, _kind: CmdKind) -> bool {
        self.keyed.set(true);
        true
    }
}

impl Hinter for Assistant {
    type Hint = String;

    /// Hints nothing, but hears of every change of the line.
    fn hint(&self, line: &str, _pos: usize, _context: &Context<'_>) -> Option<String> {
        self.screen.typed(line);
        None
    }
}

/// Completion is a key's own matter (`keys`).
impl Completer for Assistant {
    type Candidate = Pair;
}

impl Validator for Assistant {}
impl Helper for Assistant {}
