//! The prompt: lines typed at the bottom of the terminal while what arrives is printed above them.
//!
//! One thread reads keys through rustyline, another wakes it when there is something to show. The conversation only
//! ever touches the [`PromptScreen`] between them, and never waits for the terminal.

mod command;
mod editor;
mod history;
mod keys;
mod modes;
mod output;
mod reader;
mod recipient;
mod screen;
mod tty;

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use tokio::sync::{Notify, mpsc};
use unstick::service::talk::{Command, Input};
use unstick::wire::Framing;
use unstick::{Error, Result};

use modes::Modes;
use output::PromptOutput;
use reader::Reader;
use screen::PromptScreen;
use tty::show;

use crate::frontend::terminal::render::DisplayOptions;
use crate::output::{PromptHooks, use_prompt};
use crate::sanitize;

/// Lines that the user may type ahead of a conversation that does not take them. A line beyond that is kept for later.
const LINES_AHEAD: usize = 1024;

/// Bytes that are shown of a message that was not sent: enough for a line to copy, but not megabytes of a file.
const UNSENT_SHOWN: usize = 1000;

/// Switches off what rustyline switches on: bracketed paste and synchronized output.
const USUAL_MODES: &str = "\x1b[?2004l\x1b[?2026l";

/// The terminal of the prompt, and its modes from before. A process has at most one.
static TERMINAL: OnceLock<Terminal> = OnceLock::new();

struct Terminal {
    screen: Arc<PromptScreen>,
    before: Modes,
}

/// Gives typed lines to the conversation as commands.
pub struct PromptInput {
    commands: mpsc::Receiver<Command>,
    /// Signals that the user typed `/quit` or ^C. It is separate from the commands, which may wait for a peer that does
    /// not read.
    quit: Arc<Notify>,
    screen: Arc<PromptScreen>,
    /// The reader, until the first command is asked for. Events until then are shown before the first prompt.
    reader: Option<Reader>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a prompt on standard input and output, which must be terminals. Without `listening` there is only one peer.
/// `goes_on`: the run does not end with its input. Call it within a runtime.
///
/// # Errors
///
/// If standard input cannot be used as a terminal.
pub fn start(
    look: DisplayOptions,
    listening: bool,
    framing: Option<Framing>,
    goes_on: bool,
) -> Result<(PromptInput, PromptOutput)> {
    let screen = Arc::new(PromptScreen::new(!listening, look.colour));
    let before = Modes::of_terminal().map_err(|e| Error::other(format!("the terminal: {e}")))?;
    let (sender, commands) = mpsc::channel(LINES_AHEAD);
    let quit = Arc::new(Notify::new());
    let reader = Reader::new(Arc::clone(&screen), sender, Arc::clone(&quit), framing, goes_on);
    let reader = reader.map_err(|e| Error::other(format!("the terminal: {e}")))?;
    if TERMINAL.set(Terminal { screen: Arc::clone(&screen), before }).is_err() {
        return Err(Error::other("there is a prompt already"));
    }
    use_prompt(PromptHooks { say, restore, abandon });
    let resumed = Arc::clone(&screen);
    modes::on_resumption(move || resumed.resumed())?;
    let output = PromptOutput::new(Arc::clone(&screen), look, !listening);
    Ok((PromptInput { commands, quit, screen, reader: Some(reader), thread: None }, output))
}

/// Ends the prompt, if there is one. Restores the terminal, shows waiting text, and reports what was typed but not
/// sent. Returns whether the user ended the prompt with ^C. A second call does no harm.
pub fn finish() -> bool {
    let Some(terminal) = TERMINAL.get() else { return false };
    let ended = terminal.screen.finish();
    if !ended.by_itself {
        terminal.reset();
        show("\r\n");
    }
    show(&ended.text);
    for message in ended.unsent {
        show(&not_sent(&message));
    }
    ended.interrupted
}

/// Reports a message that was typed and not sent; of a long one, the beginning.
fn not_sent(message: &[u8]) -> String {
    let beginning = &message[..message.len().min(UNSENT_SHOWN)];
    let rest = match message.len() - beginning.len() {
        0 => String::new(),
        _ => format!("... ({} bytes)", message.len()),
    };
    format!("not sent: {}{rest}\n", sanitize::line_of_bytes(beginning))
}

/// Restores the terminal, however the program ends: also from a panic hook, where nothing may be waited for.
fn restore() {
    if !std::thread::panicking() {
        finish();
    } else if let Some(terminal) = TERMINAL.get() {
        terminal.reset();
        show("\r\n");
    }
}

/// Restores the terminal's modes and nothing else: for an exit that waits for nobody.
fn abandon() {
    if let Some(terminal) = TERMINAL.get() {
        terminal.reset();
    }
}

/// Shows a notice above the prompt. Returns false if there is no prompt, and the notice must be written elsewhere.
fn say(line: &str) -> bool {
    TERMINAL.get().is_some_and(|terminal| terminal.screen.say_if_live(&format!("{line}\n")))
}

impl Terminal {
    fn reset(&self) {
        show(USUAL_MODES);
        self.before.restore();
    }
}

impl Input for PromptInput {
    async fn next(&mut self) -> Result<Option<Command>> {
        if let Some(reader) = self.reader.take() {
            let thread = reader.start().map_err(|e| Error::other(format!("no thread for the prompt: {e}")))?;
            self.thread = Some(thread);
        }
        let command = self.commands.recv().await;
        // Without a sender the thread has ended, so this join does not wait.
        if command.is_none() && self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            return Err(Error::other("the prompt has failed"));
        }
        Ok(command)
    }

    fn try_next(&mut self) -> Result<Option<Command>> {
        Ok(self.commands.try_recv().ok())
    }

    fn has_commands(&self) -> bool {
        true
    }

    fn is_in_memory(&self) -> bool {
        true
    }

    async fn quits(&mut self) {
        self.quit.notified().await;
    }

    fn take_back(&mut self, command: Command) {
        if let Command::Send { message, .. } = command {
            self.screen.not_sent(message);
        }
    }
}

impl Drop for PromptInput {
    /// Reports what was typed ahead: nobody will send it.
    fn drop(&mut self) {
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.take_back(command);
        }
    }
}
