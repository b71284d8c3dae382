//! The one module that prints: notices and errors on standard error, and the exit of the process.

#![allow(clippy::exit)]

use std::io::{BufWriter, IsTerminal, StdoutLock, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::builder::StyledStr;
use colorchoice::ColorChoice;
use unstick::Error;
use unstick::limits::FINAL_FLUSH_TIMEOUT;
use unstick::service::talk::PeerId;

use crate::advice;
use crate::complaints;
use crate::sanitize;
use crate::status::Status;
use crate::style::{self, RED};
use crate::text_queue::{self, To};

/// Whether a stream gets colour. `--color` decides, then NO_COLOR and CLICOLOR_FORCE, then whether the terminal has
/// colours.
pub fn colour_on(stream: &impl IsTerminal) -> bool {
    match ColorChoice::global() {
        ColorChoice::Always | ColorChoice::AlwaysAnsi => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if anstyle_query::no_color() => false,
        // A value of 0 must force nothing, as its name says. anstyle-query ignores the value.
        ColorChoice::Auto if std::env::var_os("CLICOLOR_FORCE").is_some_and(|set| !set.is_empty() && set != "0") => {
            true
        }
        ColorChoice::Auto => stream.is_terminal() && anstyle_query::term_supports_color(),
    }
}

/// Applies `--color` to everything that is printed from now on.
pub fn set_colour(choice: ColorChoice) {
    choice.write_global();
}

/// Whether notices are suppressed (`--quiet`).
static QUIET: AtomicBool = AtomicBool::new(false);

/// Prints only errors and requested output from now on.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether notices are suppressed.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Hooks of a prompt, for everything that is printed while the prompt controls the terminal.
pub struct PromptHooks {
    /// Shows a line above the prompt; returns false if there is no prompt any more.
    pub say: fn(&str) -> bool,
    /// Ends the prompt, and restores the terminal.
    pub restore: fn(),
    /// Restores the terminal's modes, without waiting for anything.
    pub abandon: fn(),
}

/// The prompt; a process has at most one.
static PROMPT: OnceLock<PromptHooks> = OnceLock::new();

/// Shows lines above this prompt from now on, and ends the prompt when the process exits.
pub fn use_prompt(hooks: PromptHooks) {
    let _ = PROMPT.set(hooks);
}

fn restore_terminal() {
    if let Some(prompt) = PROMPT.get() {
        (prompt.restore)();
    }
}

/// Writes a line to standard error, above the prompt if there is one. A closed standard error cannot be reported
/// anywhere.
fn line(text: &str) {
    if std::io::stderr().is_terminal() && PROMPT.get().is_some_and(|prompt| (prompt.say)(text)) {
        return;
    }
    text_queue::say(To::Errors, format!("{text}\n"));
}

/// Prints a line without a prefix: output that goes to standard error because standard output is taken.
pub fn plain(text: &str) {
    line(&sanitize::lines(text));
}

/// Prints a notice: worth knowing, but not a message.
pub fn notice(text: &str) {
    if is_quiet() {
        return;
    }
    line(&format!("unstick: {}", sanitize::lines(text)));
}

/// Reports a loss that is not a failure; it is printed with `--quiet` too.
pub fn loss(text: &str) {
    line(&format!("unstick: {}", sanitize::lines(text)));
}

/// Reports a problem.
pub fn problem(text: &str) {
    let text = sanitize::lines(text);
    line(&style::styled(colour_on(&std::io::stderr()), &format!("unstick: {text}"), RED));
}

/// Prints an error, with its hint on a separate line.
pub fn error(error: &Error) {
    error_of("", error);
}

/// Prints an error of one peer among many.
pub fn error_of_peer(peer: PeerId, error: &Error) {
    error_of(&format!("peer {peer}: "), error);
}

/// Prints an error after a prefix that names where it occurred, such as `peer 1, the server: `.
pub fn error_of(whose: &str, error: &Error) {
    let what = format!("{whose}{}", sanitize::line(&error.to_string()));
    if !should_print(&what) {
        return;
    }
    problem(&what);
    if let Some(unfinished) = error.unfinished() {
        line(&format!("  {}", sanitize::lost_message(unfinished)));
    }
    if let Some(hint) = advice::hint(error) {
        line(&format!("  hint: {}", sanitize::line(&hint)));
    }
}

/// Whether this complaint is printed. Otherwise it is counted, and the number is printed later.
pub fn should_print(complaint: &str) -> bool {
    complaints::should_print(complaint, problem)
}

/// Returns the system's reason as a part of a sentence: without its number, in lower case.
pub fn reason(error: &std::io::Error) -> String {
    unstick::internal::plain(error)
}

/// Prints a whole text to standard output. A reader that has gone is not an error.
pub fn print(text: &str) -> Status {
    put(text).map_or_else(|error| unprinted(&error), |()| Status::Done)
}

/// Prints a part of the output. An error means that nobody needs the rest, see [`unprinted`].
pub fn put(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// Prints a part of the output, for a verb whose own errors say the rest.
///
/// # Errors
///
/// If standard output cannot be written, or nobody reads it any more.
pub fn put_all(text: &str) -> unstick::Result<()> {
    put(text).map_err(unwritten_text)
}

/// Returns standard output for a verb that writes much: gathered, and written when it is flushed or full.
pub fn gathered() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(GATHERED, std::io::stdout().lock())
}

/// Bytes that one write of [`gathered`] takes.
const GATHERED: usize = 64 << 10;

/// Prints help as clap has styled it, with colour if standard output gets colour.
pub fn styled(text: &StyledStr) -> Status {
    print(&coloured(text, &std::io::stdout()))
}

/// Prints help to standard error, as the answer to missing arguments.
pub fn guide(text: &StyledStr) {
    line(coloured(text, &std::io::stderr()).trim_end());
}

fn coloured(text: &StyledStr, stream: &impl IsTerminal) -> String {
    if colour_on(stream) { text.ansi().to_string() } else { text.to_string() }
}

/// Returns the exit status for text that could not be printed.
pub fn unprinted(error: &std::io::Error) -> Status {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Status::Done;
    }
    problem(&format!("standard output: {}", reason(error)));
    Status::Failed
}

/// Makes a panic exit the process with status 1 and a sentence, with the terminal restored. Without this, a listener
/// whose task or thread has panicked would accept connections and serve nobody.
pub fn end_on_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore_terminal();
        usual(panic);
        // Not through `problem`: what panicked may hold the lock of standard error's line.
        let _ = std::io::stderr().write_all(b"unstick: the program failed: this is a bug in unstick\n");
        std::process::exit(Status::Failed as i32);
    }));
}

/// Exits the process with a status. The terminal is restored, and queued text is written if somebody reads it.
pub fn exit(status: Status) -> ! {
    complaints::flush(problem);
    restore_terminal();
    text_queue::flush(text_queue::SLOW_PEER_TIMEOUT);
    std::process::exit(status as i32)
}

/// Exits the process now, whatever its threads wait for. Only text that is queued already gets a moment to be written.
pub fn exit_at_once(status: Status) -> ! {
    unstick::kill_processes();
    if let Some(prompt) = PROMPT.get() {
        (prompt.abandon)();
    }
    text_queue::flush(FINAL_FLUSH_TIMEOUT);
    // Skips the handlers of a usual exit, which may wait for a lock or a reader.
    signal_hook::low_level::exit(status as i32)
}

/// Returns the error for a failed write to standard output: [`Error::is_closed`] if its reader has gone.
pub fn unwritten(error: Error) -> Error {
    match error.io_kind() {
        Some(std::io::ErrorKind::BrokenPipe) => Error::output_closed(),
        _ => error.of("standard output"),
    }
}

/// The same for an error of the system.
pub fn unwritten_text(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Error::output_closed(),
        _ => Error::other(format!("standard output: {}", reason(&error))),
    }
}

/// Returns the error for a failed read of standard input, worded so that no peer is blamed.
pub fn unread(error: Error) -> Error {
    if error.is_framing() { Error::other(format!("standard input: {error}")) } else { error.of("standard input") }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Set in the process that [`a_panic_in_a_thread_ends_the_process`] starts.
    const PANICS: &str = "UNSTICK_TEST_PANICS";

    /// The test starts itself again, and panics there.
    #[test]
    fn a_panic_in_a_thread_ends_the_process() {
        if std::env::var_os(PANICS).is_some() {
            end_on_panic();
            let _ = std::thread::spawn(|| panic!("on purpose")).join();
            unreachable!("a thread has panicked, and the process goes on");
        }
        let this = std::env::current_exe().expect("a test is a program");
        let mut command = Command::new(this);
        command
            .args(["--exact", "--nocapture", "output::tests::a_panic_in_a_thread_ends_the_process"])
            .env(PANICS, "1");
        let ended = command.output().expect("it starts");
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(Status::Failed as i32), "{errors}");
        assert!(errors.contains("on purpose"), "{errors}");
        assert!(errors.ends_with("unstick: the program failed: this is a bug in unstick\n"), "{errors}");
    }
}
