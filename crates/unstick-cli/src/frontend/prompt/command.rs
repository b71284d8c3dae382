//! Parses a typed line.

use unstick::endpoint::Closing;
use unstick::service::talk::PeerId;
use unstick::wire::quantity::parse_number;

use super::recipient::Choice;

/// A parsed line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PromptCommand {
    /// Sends a message. If the line names no recipient, it goes to the one that the prompt shows.
    Say { to: Option<Choice>, text: String },
    /// Sends bytes as one message.
    Bytes(Vec<u8>),
    /// Sends a file's content as one message.
    File(String),
    /// Sets the recipient of the following lines.
    To(Choice),
    /// Lists the peers.
    Peers,
    /// Closes the conversation with a peer, or with the only one.
    Close(Option<PeerId>),
    /// The same for a WebSocket peer, with a code and a reason.
    CloseWith(PeerId, Closing),
    /// Shows the commands.
    Help,
    /// Ends the run.
    Quit,
}

/// The error of a line that means nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) hint: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// A command and its syntax, for completion and help.
pub(super) struct CommandHelp {
    pub(super) name: &'static str,
    pub(super) written: &'static str,
    pub(super) does: &'static str,
}

/// Every command, in the order of the help.
pub(super) const COMMANDS: [CommandHelp; 7] = [
    CommandHelp { name: "to", written: "/to 2", does: "send to peer 2 (or all, last) from now on" },
    CommandHelp { name: "peers", written: "/peers", does: "list the peers" },
    CommandHelp { name: "hex", written: "/hex 00 0a ff", does: "send these bytes as one message" },
    CommandHelp { name: "file", written: "/file PATH", does: "send the content of a file as one message" },
    CommandHelp { name: "close", written: "/close 2", does: "close peer 2; WebSocket: /close 2 4000 bye" },
    CommandHelp { name: "help", written: "/help", does: "list the commands" },
    CommandHelp { name: "quit", written: "/quit", does: "end the program, as ^C does" },
];

/// Parses a line.
pub(super) fn parse(line: &str) -> Result<PromptCommand, Wrong> {
    let say = |to, text: &str| Ok(PromptCommand::Say { to, text: text.to_owned() });
    if line.starts_with("//") || line.starts_with("@@") {
        return say(None, &line[1..]);
    }
    if let Some(rest) = line.strip_prefix('@') {
        let (whom, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let to = whom_of(whom).ok_or_else(|| {
            let hint =
                format!("@2 text goes to peer 2, @all text to every peer; to send this line as text, type @{line}");
            Wrong::new(format!("there is no peer @{whom}"), hint)
        })?;
        return match text {
            "" if !rest.ends_with(' ') => Err(Wrong::new(
                format!("there is no text to send to {whom}"),
                format!("/to {whom} sends every line from now on to {whom}"),
            )),
            text => say(Some(to), text),
        };
    }
    match line.strip_prefix('/') {
        Some(command) => parse_command(command),
        None => say(None, line),
    }
}

/// Parses the argument of `/close`: `2` or `2 4000 a reason`. `None` if it does not begin with a number.
fn closing(argument: &str) -> Option<Result<PromptCommand, Wrong>> {
    let mut words = argument.splitn(3, char::is_whitespace);
    let peer = words.next().and_then(parse_number)?;
    let Some(code) = words.next() else { return Some(Ok(PromptCommand::Close(Some(peer)))) };
    let reason = words.next().unwrap_or_default().trim();
    let Some(code) = parse_number::<u16>(code) else {
        return Some(Err(Wrong::new(
            format!("/close {argument}: the code is not a number"),
            "type /close 2 4000 goodbye",
        )));
    };
    let closing = Closing::new(code, reason).map(|closing| PromptCommand::CloseWith(peer, closing));
    Some(closing.map_err(|error| Wrong::new(error.to_string(), error.hint().unwrap_or_default().to_owned())))
}

fn parse_command(command: &str) -> Result<PromptCommand, Wrong> {
    let (name, argument) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let argument = argument.trim();
    match name {
        "to" => whom_of(argument).map(PromptCommand::To).ok_or_else(|| {
            Wrong::new("/to needs a peer", "type /to 2, /to all, or /to last for the peer that sent last")
        }),
        "hex" => bytes(argument).map(PromptCommand::Bytes),
        "file" if argument.is_empty() => Err(Wrong::new("/file needs a path", "type /file notes.txt")),
        "file" => Ok(PromptCommand::File(argument.to_owned())),
        "close" if argument.is_empty() => Ok(PromptCommand::Close(None)),
        "close" => match closing(argument) {
            Some(closing) => closing,
            None => {
                Err(Wrong::new(format!("/close {argument}: that is not a peer's number"), "/peers lists the numbers"))
            }
        },
        "peers" | "help" | "quit" if !argument.is_empty() => {
            Err(Wrong::new(format!("/{name} takes no argument"), escaped_hint(command)))
        }
        "peers" => Ok(PromptCommand::Peers),
        "help" | "?" => Ok(PromptCommand::Help),
        "quit" => Ok(PromptCommand::Quit),
        _ => Err(Wrong::new(format!("no command /{name}: /help lists the commands"), escaped_hint(command))),
    }
}

fn escaped_hint(command: &str) -> String {
    format!("to send this line as text, type //{command}")
}

fn whom_of(text: &str) -> Option<Choice> {
    match text {
        "all" => Some(Choice::All),
        "last" => Some(Choice::Latest),
        number => parse_number(number).map(Choice::Peer),
    }
}

/// Parses bytes in hexadecimal, as `--send-hex` does.
fn bytes(text: &str) -> Result<Vec<u8>, Wrong> {
    let wrong = |what: String| Wrong::new(what, "type /hex 00 0a ff");
    let bytes = crate::hex::parse_hex(text).map_err(|why| wrong(format!("/hex: {why}")))?;
    if bytes.is_empty() { Err(wrong("/hex needs bytes".to_owned())) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(to: Option<Choice>, text: &str) -> Result<PromptCommand, Wrong> {
        Ok(PromptCommand::Say { to, text: text.to_owned() })
    }

    fn wrong(line: &str) -> String {
        let Err(wrong) = parse(line) else { panic!("{line} means something") };
        format!("{}; {}", wrong.what, wrong.hint)
    }

    #[test]
    fn text_is_a_message_verbatim() {
        for text in ["", "hello", " leading", "trailing ", "a/b @2", "\ttab", "grüße"] {
            assert_eq!(parse(text), say(None, text));
        }
    }

    #[test]
    fn a_text_may_begin_like_a_command() {
        assert_eq!(parse("//etc"), say(None, "/etc"));
        assert_eq!(parse("///"), say(None, "//"));
        assert_eq!(parse("@@bob hi"), say(None, "@bob hi"));
    }

    #[test]
    fn one_line_may_go_elsewhere() {
        assert_eq!(parse("@2 hi there"), say(Some(Choice::Peer(2)), "hi there"));
        assert_eq!(parse("@all  x"), say(Some(Choice::All), " x"));
        assert_eq!(parse("@last x"), say(Some(Choice::Latest), "x"));
        assert_eq!(parse("@2 /hex 00"), say(Some(Choice::Peer(2)), "/hex 00"));
        assert_eq!(parse("@2 "), say(Some(Choice::Peer(2)), ""));
        assert_eq!(wrong("@2"), "there is no text to send to 2; /to 2 sends every line from now on to 2");
        assert!(wrong("@bob hi").starts_with("there is no peer @bob; ") && wrong("@bob hi").ends_with("type @@bob hi"));
        assert!(wrong("@-1 hi").starts_with("there is no peer @-1"));
    }

    #[test]
    fn commands() {
        assert_eq!(parse("/to 2"), Ok(PromptCommand::To(Choice::Peer(2))));
        assert_eq!(parse("/to all "), Ok(PromptCommand::To(Choice::All)));
        assert_eq!(parse("/to last"), Ok(PromptCommand::To(Choice::Latest)));
        assert_eq!(parse("/peers"), Ok(PromptCommand::Peers));
        assert_eq!(parse("/file a b.txt"), Ok(PromptCommand::File("a b.txt".into())));
        assert_eq!(parse("/close"), Ok(PromptCommand::Close(None)));
        assert_eq!(parse("/close 2"), Ok(PromptCommand::Close(Some(2))));
        assert_eq!(parse("/help"), Ok(PromptCommand::Help));
        assert_eq!(parse("/quit"), Ok(PromptCommand::Quit));
    }

    #[test]
    fn wrong_commands_say_what_is_right() {
        assert_eq!(wrong("/to"), "/to needs a peer; type /to 2, /to all, or /to last for the peer that sent last");
        assert_eq!(wrong("/to bob"), wrong("/to"));
        assert_eq!(wrong("/file"), "/file needs a path; type /file notes.txt");
        assert_eq!(wrong("/close bob"), "/close bob: that is not a peer's number; /peers lists the numbers");
        let hint = "to send this line as text, type //etc/passwd is a file";
        assert_eq!(wrong("/etc/passwd is a file"), format!("no command /etc/passwd: /help lists the commands; {hint}"));
        assert_eq!(wrong("/quit now"), "/quit takes no argument; to send this line as text, type //quit now");
        assert_eq!(wrong("/"), "no command /: /help lists the commands; to send this line as text, type //");
    }

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(parse("/hex 0x00 0x0A 0xFF"), Ok(PromptCommand::Bytes(vec![0, 10, 255])));
        assert_eq!(wrong("/hex"), "/hex needs bytes; type /hex 00 0a ff");
        assert_eq!(wrong("/hex zz"), "/hex: zz is not hexadecimal; type /hex 00 0a ff");
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        for command in COMMANDS {
            assert!(command.written.starts_with(&format!("/{}", command.name)));
            assert!(parse(command.written).is_ok(), "{}", command.written);
        }
    }
}
