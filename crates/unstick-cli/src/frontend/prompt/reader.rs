//! Runs the thread that reads lines and carries them out.

use std::borrow::Cow;
use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use rustyline::completion::unescape;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, error::TrySendError};
use unstick::service::talk::{Command, PeerId, Recipient};
use unstick::wire::Framing;

use super::command::{COMMANDS, PromptCommand, Wrong, parse};
use super::editor::{LineEditor, Read, keep_awake};
use super::history::{self, HistoryFile};
use super::recipient::{Choice, Recipients, To};
use super::screen::{Prompt, PromptScreen};
use crate::options::payload;
use crate::status::Status;
use crate::{sanitize, signals};

/// Most bytes of a file that `/file` reads, to limit memory. The framing's own limit is checked when the message is
/// sent.
const LARGEST_FILE: u64 = 1 << 30;

/// Reads lines and carries them out.
pub(super) struct Reader {
    screen: Arc<PromptScreen>,
    lines: Lines,
    commands: mpsc::Sender<Command>,
    quit: Arc<Notify>,
    history: HistoryFile,
    /// The framing of sent messages.
    framing: Option<Framing>,
    /// Whether the run does not end with its input.
    goes_on: bool,
    /// Whether the user was told how a choice of recipient ends.
    explained: bool,
}

/// The source of lines.
enum Lines {
    Edited(Box<LineEditor>),
    /// Lines as the terminal delivers them: it cannot edit lines.
    Plain,
}

/// The result of a line.
enum Step {
    /// The line was carried out.
    Done,
    /// The line makes no sense.
    Wrong,
    /// Nobody takes the line now; it is not lost.
    Kept,
    /// The line ends the run.
    Quit,
}

/// Tells the screen that nobody reads keys when the thread ends, for whatever reason.
struct AwayAtEnd(Arc<PromptScreen>);

impl Drop for AwayAtEnd {
    fn drop(&mut self) {
        self.0.away();
    }
}

impl Reader {
    /// Creates a reader of standard input, and the thread that wakes it.
    pub(super) fn new(
        screen: Arc<PromptScreen>,
        commands: mpsc::Sender<Command>,
        quit: Arc<Notify>,
        framing: Option<Framing>,
        goes_on: bool,
    ) -> io::Result<Self> {
        let history = HistoryFile::of_user();
        let lines = match LineEditor::new(&screen, history::LINES) {
            Ok((mut editor, printer)) => {
                for line in history.load() {
                    editor.remember(&line);
                }
                let screen = Arc::clone(&screen);
                thread::Builder::new().name("waker".into()).spawn(move || keep_awake(&screen, printer))?;
                Lines::Edited(Box::new(editor))
            }
            // rustyline does not support this terminal, such as TERM=dumb.
            Err(_) => {
                screen.away();
                Lines::Plain
            }
        };
        Ok(Self { screen, lines, commands, quit, history, framing, goes_on, explained: false })
    }

    /// Starts the thread.
    pub(super) fn start(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("prompt".into()).spawn(move || self.run())
    }

    fn run(mut self) {
        let _away = AwayAtEnd(Arc::clone(&self.screen));
        let mut kept = String::new();
        while let Some(read) = self.read(&kept) {
            match read {
                Read::Line(line) => match self.take(&line) {
                    Some(rest) => kept = rest,
                    None => return,
                },
                Read::Left => kept = self.screen.line(),
                Read::Interrupted if !self.screen.line().is_empty() => kept.clear(),
                Read::Interrupted => {
                    self.screen.interrupt();
                    // The conversation may be waiting for a peer that does not read.
                    signals::insist(Status::Interrupted);
                    self.quit();
                    return;
                }
                Read::Ended => {
                    // With no peer left, and nothing else that would end it, the run is over.
                    let alone = self.screen.recipients(|recipients, _| recipients.all().next().is_none());
                    if self.goes_on || !alone {
                        self.screen.say("input has ended; ^C ends the program\n");
                    }
                    return;
                }
            }
        }
    }

    fn read(&mut self, kept: &str) -> Option<Read> {
        match &mut self.lines {
            Lines::Edited(editor) => {
                let prompt: Prompt = self.screen.begin(kept)?;
                Some(editor.read(&prompt, kept))
            }
            Lines::Plain => {
                let mut line = String::new();
                Some(match io::stdin().lock().read_line(&mut line) {
                    Ok(0) | Err(_) => Read::Ended,
                    Ok(_) => Read::Line(line.strip_suffix('\n').unwrap_or(&line).to_owned()),
                })
            }
        }
    }

    /// Carries out the typed or pasted text, line by line. Returns the part of it to keep, or `None` if it ends the
    /// run.
    fn take(&mut self, line: &str) -> Option<String> {
        if let Lines::Edited(editor) = &mut self.lines
            && editor.remember(line)
        {
            self.history.add(line);
        }
        let several = line.contains('\n');
        let mut rest = if several { line.strip_suffix('\n').unwrap_or(line) } else { line };
        loop {
            let (first, more) = match rest.split_once('\n') {
                Some((first, more)) => (first, Some(more)),
                None => (rest, None),
            };
            match self.carry_out(first) {
                Step::Quit => return None,
                Step::Kept => return Some(rest.to_owned()),
                Step::Wrong if several => return Some(rest.to_owned()),
                Step::Done | Step::Wrong => match more {
                    Some(more) => rest = more,
                    None => return Some(String::new()),
                },
            }
        }
    }

    fn carry_out(&mut self, line: &str) -> Step {
        let typed = match parse(line) {
            Ok(typed) => typed,
            Err(wrong) => return self.wrong(&wrong),
        };
        match typed {
            PromptCommand::Say { to: None, text } => self.send(text.into()),
            PromptCommand::Say { to: Some(choice), text } => self.send_to(choice, text.into()),
            PromptCommand::Bytes(bytes) => self.send(bytes.into()),
            PromptCommand::File(path) => match read_file(&path) {
                Ok(content) => self.send(payload::without_line_end(content.into(), self.framing.as_ref())),
                Err(wrong) => self.wrong(&wrong),
            },
            PromptCommand::To(choice) => self.choose(choice),
            PromptCommand::Peers => self.reply(&self.screen.recipients(|recipients, _| peers(recipients))),
            PromptCommand::Close(peer) => self.close(peer),
            PromptCommand::CloseWith(peer, closing) => {
                match self.screen.recipients(|recipients, _| recipients.is_here(peer)) {
                    true => self.command(Command::CloseWith(peer, closing)),
                    false => self.wrong(&no_such_peer(peer)),
                }
            }
            PromptCommand::Help => self.reply(&help()),
            PromptCommand::Quit => self.quit(),
        }
    }

    /// Sends to the recipient that the prompt showed.
    fn send(&self, message: Bytes) -> Step {
        let edited = matches!(self.lines, Lines::Edited(_));
        let to = self.screen.recipients(|recipients, shown| {
            // Without a prompt, the user meant the present recipient.
            let meant = if edited { shown } else { recipients.next() };
            recipient(recipients, meant)
        });
        match to {
            Ok(to) => self.command(Command::Send { to, message }),
            Err(why) => self.kept(&why),
        }
    }

    /// Sends to the recipient that the line itself names.
    fn send_to(&self, choice: Choice, message: Bytes) -> Step {
        let (to, reached) = self.screen.recipients(|recipients, _| {
            let to = match choice {
                Choice::Peer(peer) => To::One(peer),
                Choice::All => To::All,
                Choice::Latest => recipients.next_latest(),
            };
            (to, recipients.reaches(to))
        });
        match to.target() {
            Some(to) if reached => self.command(Command::Send { to, message }),
            _ => self.kept(&match to {
                To::One(peer) => format!("there is no peer {peer} (/peers lists the peers)"),
                _ => "no peer is connected".to_owned(),
            }),
        }
    }

    /// Gives a command to the conversation.
    fn command(&self, command: Command) -> Step {
        match self.commands.try_send(command) {
            Ok(()) => Step::Done,
            Err(TrySendError::Full(_)) => self.kept("too many lines wait already"),
            // The conversation is over, which is reported at the end.
            Err(TrySendError::Closed(_)) => Step::Kept,
        }
    }

    /// Ends the run after what was typed before has been taken, or at once if that waits for a peer that does not read.
    fn quit(&self) -> Step {
        // The line was carried out, so it is not reported as typed and not sent.
        self.screen.typed("");
        self.quit.notify_one();
        // An error means that the run has ended.
        let _ = self.commands.blocking_send(Command::Quit);
        Step::Quit
    }

    fn choose(&mut self, choice: Choice) -> Step {
        let known = self.screen.recipients(|recipients, _| match choice {
            Choice::Peer(peer) if !recipients.is_here(peer) => Err(peer),
            _ => {
                recipients.choose(choice);
                Ok(())
            }
        });
        if let Err(peer) = known {
            return self.wrong(&no_such_peer(peer));
        }
        if choice != Choice::Latest && !std::mem::replace(&mut self.explained, true) {
            return self.reply("every line goes there now; /to last: the peer that sent last\n");
        }
        Step::Done
    }

    fn close(&self, peer: Option<PeerId>) -> Step {
        let peer = self.screen.recipients(|recipients, _| {
            let mut all = recipients.all();
            match (peer, all.next(), all.next()) {
                (Some(peer), ..) if recipients.is_here(peer) => Ok(peer),
                (Some(peer), ..) => Err(no_such_peer(peer)),
                (None, Some((only, _)), None) => Ok(only),
                (None, None, _) => Err(Wrong::new("no peer is connected", "/quit ends the program")),
                (None, ..) => Err(Wrong::new("/close needs a peer", "type /close 2; /peers lists the peers")),
            }
        });
        match peer {
            Ok(peer) => self.command(Command::Close(peer)),
            Err(wrong) => self.wrong(&wrong),
        }
    }

    fn reply(&self, text: &str) -> Step {
        self.screen.say(text);
        Step::Done
    }

    fn wrong(&self, wrong: &Wrong) -> Step {
        self.screen.say(&format!("error: {}\n  hint: {}\n", sanitize::line(&wrong.what), sanitize::line(&wrong.hint)));
        Step::Wrong
    }

    fn kept(&self, why: &str) -> Step {
        let how = match self.lines {
            Lines::Edited(_) => "press Enter to try again, ^C to discard it",
            Lines::Plain => "type it again",
        };
        self.screen.say(&format!("not sent: {why}; {how}\n"));
        Step::Kept
    }
}

/// Returns the recipient of a line that was typed for `shown`, or why it reaches nobody.
fn recipient(recipients: &Recipients, shown: To) -> Result<Recipient, String> {
    let now = recipients.next();
    match (shown, now) {
        (shown, _) if recipients.reaches(shown) => shown.target().ok_or_else(String::new),
        (_, To::Nobody) => Err("no peer is connected".to_owned()),
        // The line was typed for whichever peer connects, and one has connected.
        (To::Nobody, To::One(peer)) => Ok(Recipient::Peer(peer)),
        (To::Nobody, _) => Err("several peers have joined, and the line would go to all of them".to_owned()),
        (gone, now) => Err(format!("{gone} has left, and the line would go to {now}")),
    }
}

fn no_such_peer(peer: PeerId) -> Wrong {
    Wrong::new(format!("there is no peer {peer}"), "/peers lists the peers")
}

fn peers(recipients: &Recipients) -> String {
    let next = recipients.next();
    let mut text = String::new();
    for (peer, name) in recipients.all() {
        let here = if next == To::One(peer) { " (the next line goes here)" } else { "" };
        text += &format!("peer {peer}: {}{here}\n", sanitize::line(name));
    }
    match next {
        To::Nobody => "no peer is connected\n".to_owned(),
        To::All => text + "the next line goes to every peer\n",
        To::One(_) => text,
    }
}

fn help() -> String {
    let texts = [
        ("text", "send text to the peer that the prompt names"),
        ("@2 text", "send text to peer 2 only; @all text: to all"),
        ("//text @@text", "send a text that begins with / or @"),
    ];
    let keys = [
        ("^R", "search the lines typed before"),
        ("^D", "end the input, wait for the peer to end"),
        ("^C", "discard the line; if empty, end the program"),
    ];
    let plain = |(written, does): (&str, &'static str)| (written.to_owned(), does);
    let commands = COMMANDS.iter().map(|command| (command.written.to_owned(), command.does));
    let lines = texts.map(plain).into_iter().chain(commands).chain(keys.map(plain));
    lines.map(|(written, does)| format!("{written:<15} {does}\n")).collect()
}

/// Reads a file's content.
fn read_file(written: &str) -> Result<Vec<u8>, Wrong> {
    let path = path_of(written);
    let wrong = |why: &str| Wrong::new(format!("{}: {why}", path.display()), "/file PATH sends a file as one message");
    let described = |error: io::Error| {
        let text = error.to_string();
        wrong(text.split(" (os error").next().unwrap_or(&text))
    };
    let metadata = fs::metadata(&path).map_err(described)?;
    if !metadata.is_file() {
        return Err(wrong("not a file"));
    }
    if metadata.len() > LARGEST_FILE {
        return Err(wrong("larger than 1 GiB"));
    }
    fs::read(&path).map_err(described)
}

/// Returns a path as the user typed, completed or pasted it: with `~/`, quotes or backslashes, unless a file has
/// exactly that name.
fn path_of(written: &str) -> PathBuf {
    if Path::new(written).exists() {
        return written.into();
    }
    let quoted = ['"', '\''].iter().find_map(|quote| written.strip_prefix(*quote)?.strip_suffix(*quote));
    let path = quoted.map_or_else(|| unescape(written, Some('\\')), Cow::Borrowed);
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.into_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_says_that_a_close_takes_a_code() {
        let help = help();
        assert!(help.contains("/close 2        close peer 2; WebSocket: /close 2 4000 bye\n"), "{help}");
    }

    fn recipients(peers: &[PeerId]) -> Recipients {
        let mut recipients = Recipients::new(false);
        for peer in peers {
            recipients.came(*peer, "127.0.0.1:5");
        }
        recipients
    }

    #[test]
    fn a_line_goes_where_the_prompt_said_or_nowhere() {
        let three = recipients(&[1, 2, 3]);
        assert_eq!(recipient(&three, To::One(2)), Ok(Recipient::Peer(2)));
        assert_eq!(recipient(&three, To::All), Ok(Recipient::All));
        assert_eq!(recipient(&three, To::One(4)).unwrap_err(), "peer 4 has left, and the line would go to all");
        assert_eq!(
            recipient(&three, To::Nobody).unwrap_err(),
            "several peers have joined, and the line would go to all of them"
        );
        assert_eq!(recipient(&recipients(&[1]), To::Nobody), Ok(Recipient::Peer(1)));
        assert_eq!(
            recipient(&recipients(&[1]), To::One(2)).unwrap_err(),
            "peer 2 has left, and the line would go to peer 1"
        );
        assert_eq!(recipient(&recipients(&[]), To::All).unwrap_err(), "no peer is connected");
    }

    #[test]
    fn who_is_here() {
        assert_eq!(peers(&recipients(&[])), "no peer is connected\n");
        assert_eq!(peers(&recipients(&[3])), "peer 3: 127.0.0.1:5 (the next line goes here)\n");
        let two = "peer 1: 127.0.0.1:5\npeer 2: 127.0.0.1:5\nthe next line goes to every peer\n";
        assert_eq!(peers(&recipients(&[1, 2])), two);
    }

    #[test]
    fn help_is_narrow() {
        assert!(help().lines().all(|line| line.len() <= 60), "{}", help());
    }

    #[test]
    fn files_are_read_whole_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("two words.txt");
        fs::write(&path, b"one\ntwo\n").unwrap();
        let path = path.to_str().unwrap();
        for written in [path.to_owned(), format!("\"{path}\""), path.replace(' ', "\\ ")] {
            assert_eq!(read_file(&written).unwrap(), b"one\ntwo\n", "{written}");
        }
        let what = |path: &str| read_file(path).unwrap_err().what;
        assert_eq!(what("/nowhere/x"), "/nowhere/x: No such file or directory");
        assert_eq!(what("/dev/zero"), "/dev/zero: not a file");
        assert!(what(directory.path().to_str().unwrap()).ends_with(": not a file"));
    }
}
