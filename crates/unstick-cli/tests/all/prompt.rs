//! Tests the prompt on a terminal, with typed keys.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use crate::rig::{Terminal, port_at_end};

/// Keys as a terminal sends them.
const ENTER: &str = "\r";
const UP: &str = "\x1b[A";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_U: &str = "\x15";

/// A peer of the program on the terminal.
pub(crate) struct Peer {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Peer {
    pub(crate) fn connect(port: u16) -> Peer {
        Peer::new(TcpStream::connect(("127.0.0.1", port)).expect("somebody listens"))
    }

    pub(crate) fn new(stream: TcpStream) -> Peer {
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket has a timeout");
        stream.set_nodelay(true).expect("TCP can do without delay");
        Peer { stream: BufReader::new(stream) }
    }

    pub(crate) fn says(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("the program reads");
    }

    pub(crate) fn hears(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line arrives in time");
        line
    }

    pub(crate) fn hears_nothing_more(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("the end arrives in time");
        assert_eq!(rest.escape_ascii().to_string(), "");
    }
}

/// `unstick listen` at a prompt, and its port.
pub(crate) fn listen(arguments: &[&str]) -> (Terminal, u16) {
    let terminal = Terminal::unstick(&[&["listen", "127.0.0.1:0"], arguments].concat(), 60);
    let port = port_of(&terminal);
    (terminal, port)
}

fn port_of(terminal: &Terminal) -> u16 {
    terminal.ends_with(&["nobody>"]);
    let screen = terminal.shows("listening on tcp://");
    let line = screen.lines().find(|line| line.starts_with("listening on")).unwrap_or_default();
    port_at_end(line).expect("the port ends the line")
}

/// `unstick connect` at a prompt, and its peer.
pub(crate) fn connect(arguments: &[&str]) -> (Terminal, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("a bound socket has an address").to_string();
    let terminal = Terminal::unstick(&[&["connect", &address], arguments].concat(), 60);
    let peer = Peer::new(listener.accept().expect("the program connects").0);
    terminal.shows(&format!("connected to {address}"));
    terminal.ends_with(&[">"]);
    (terminal, peer)
}

/// Peers that have joined in this order.
pub(crate) fn join<const N: usize>(terminal: &Terminal, port: u16) -> [Peer; N] {
    std::array::from_fn(|number| {
        let peer = Peer::connect(port);
        terminal.shows(&format!("peer {} joined: 127.0.0.1:", number + 1));
        peer
    })
}

#[test]
fn a_conversation() {
    let (mut terminal, port) = listen(&[]);
    let [mut peer] = join(&terminal, port);
    terminal.ends_with(&["to 1>"]);
    peer.says("hello\n");
    terminal.ends_with(&["1> hello", "to 1>"]);
    terminal.types("hi there");
    terminal.types(ENTER);
    assert_eq!(peer.hears(), "hi there\n");
    terminal.ends_with(&["1> hello", "to 1> hi there", "to 1>"]);
    drop(peer);
    terminal.ends_with(&["nobody>"]);
    terminal.shows("peer 1 left: 127.0.0.1:");
}

#[test]
fn the_prompt_says_to_whom_and_changes_only_while_the_line_is_empty() {
    let (mut terminal, port) = listen(&[]);
    let [mut one, mut two] = join(&terminal, port);
    terminal.ends_with(&["to all>"]);
    two.says("from two\n");
    terminal.ends_with(&["2> from two", "to 2>"]);
    terminal.types("for two");
    terminal.ends_with(&["to 2> for two"]);
    one.says("from one\n");
    terminal.ends_with(&["1> from one", "to 2> for two"]);
    terminal.types(ENTER);
    assert_eq!(two.hears(), "for two\n");
    terminal.ends_with(&["to 1>"]);
    terminal.types("x");
    two.says("again\n");
    terminal.ends_with(&["2> again", "to 1> x"]);
    terminal.types(CTRL_U);
    terminal.ends_with(&["to 2>"]);
    terminal.types("@1 for one\r");
    assert_eq!(one.hears(), "for one\n");
    terminal.ends_with(&["to 2> @1 for one", "to 2>"]);
}

#[test]
fn a_choice_of_addressee_holds() {
    let (mut terminal, port) = listen(&[]);
    let [mut one, mut two] = join(&terminal, port);
    terminal.types("/to 2\r");
    terminal.ends_with(&["every line goes there now; /to last: the peer that sent last", "to 2>"]);
    one.says("me!\n");
    terminal.ends_with(&["1> me!", "to 2>"]);
    terminal.types("/to all\r");
    terminal.ends_with(&["to all>"]);
    terminal.types("both\r");
    assert_eq!((one.hears(), two.hears()), ("both\n".into(), "both\n".into()));
    terminal.types("/to last\r");
    terminal.ends_with(&["to 1>"]);
    terminal.types("/to 9\r");
    terminal.ends_with(&["error: there is no peer 9", "  hint: /peers lists the peers", "to 1>"]);
}

#[test]
fn a_line_for_a_peer_that_left_goes_to_nobody_else_and_is_not_lost() {
    let (mut terminal, port) = listen(&[]);
    let [mut one, two] = join(&terminal, port);
    terminal.types("/to 2\r");
    terminal.ends_with(&["to 2>"]);
    terminal.types("secret");
    terminal.ends_with(&["to 2> secret"]);
    drop(two);
    terminal.shows("peer 2 left");
    terminal.types(ENTER);
    terminal.ends_with(&["to 1> secret"]);
    terminal.shows("not sent: peer 2 has left, and the line would go to peer 1;");
    terminal.types("\x15harmless\r");
    assert_eq!(one.hears(), "harmless\n");
    drop(one);
    terminal.ends_with(&["nobody>"]);
    terminal.types("anybody?\r");
    terminal.ends_with(&["nobody> anybody?"]);
    let [mut three] = [Peer::connect(port)];
    terminal.shows("peer 3 joined");
    terminal.types(ENTER);
    assert_eq!(three.hears(), "anybody?\n");
}

#[test]
fn what_peers_send_is_shown_and_never_obeyed() {
    let (terminal, port) = listen(&[]);
    let [mut peer] = join(&terminal, port);
    peer.says(b"\x1b[2J\x1b]0;title\x07\x9b\xff\r\x08\xe2\x80\xae\n");
    terminal.ends_with(&[r"1> \x1b[2J\x1b]0;title\x07\x9b\xff\r\x08\u{202e}", "to 1>"]);
    let written = terminal.shows("peer 1 joined");
    assert!(written.starts_with("listening on "), "the screen was cleared: {written}");
}

#[test]
fn many_messages_come_in_order_and_leave_the_line_alone() {
    const COUNT: usize = 20_000;
    let (mut terminal, port) = listen(&[]);
    let [mut peer] = join(&terminal, port);
    terminal.ends_with(&["to 1>"]);
    let messages: String = (0..COUNT).map(|number| format!("number {number}\n")).collect();
    let mut writer = peer.stream.get_ref().try_clone().unwrap();
    let flood = std::thread::spawn(move || writer.write_all(messages.as_bytes()).unwrap());
    for letter in ["g", "o", "o", "d", " ", "l", "i", "n", "e"] {
        terminal.types(letter);
        terminal.written_up_to(letter);
    }
    flood.join().unwrap();
    terminal.ends_with(&[&format!("1> number {}", COUNT - 1), "to 1> good line"]);
    terminal.types(ENTER);
    assert_eq!(peer.hears(), "good line\n");
    let written = terminal.written_up_to(&format!("number {}", COUNT - 1));
    let numbers: Vec<usize> =
        written.split("number ").skip(1).map(|rest| rest.split('\r').next().unwrap().parse().unwrap()).collect();
    assert!(numbers.into_iter().eq(0..COUNT), "out of order, lost or doubled");
}

#[test]
fn lines_typed_among_messages_all_arrive_in_order() {
    const COUNT: usize = 300;
    let (mut terminal, port) = listen(&[]);
    let [mut peer] = join(&terminal, port);
    terminal.ends_with(&["to 1>"]);
    for number in 0..COUNT {
        peer.says(format!("from the peer {number}\n"));
        terminal.types(format!("typed {number}\r"));
    }
    for number in 0..COUNT {
        assert_eq!(peer.hears(), format!("typed {number}\n"));
    }
    let written = terminal.written_up_to(&format!("from the peer {}", COUNT - 1));
    let order: Vec<&str> =
        written.split("from the peer ").skip(1).map(|rest| rest.split('\r').next().unwrap()).collect();
    assert_eq!(order, (0..COUNT).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn no_key_is_lost_while_the_prompt_changes() {
    const COUNT: usize = 300;
    let (mut terminal, port) = listen(&[]);
    let [mut one, mut two] = join(&terminal, port);
    for number in 0..COUNT {
        let peer = if number % 2 == 0 { &mut one } else { &mut two };
        peer.says("your turn\n");
        terminal.types(format!("typed {number}\r"));
    }
    terminal.types("@all over\r");
    let mut heard = Vec::new();
    for peer in [&mut one, &mut two] {
        let lines = std::iter::from_fn(|| Some(peer.hears()).filter(|line| line != "over\n"));
        let numbers: Vec<usize> = lines.map(|line| line["typed ".len()..].trim_end().parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
        heard.extend(numbers);
    }
    heard.sort_unstable();
    heard.dedup();
    assert!(heard.into_iter().eq(0..COUNT), "every line arrives");
}

#[test]
fn stopped_and_resumed_the_line_goes_on() {
    let mut terminal = Terminal::shell(60);
    terminal.ends_with(&["$"]);
    terminal.types("$UNSTICK listen 127.0.0.1:0\r");
    let port = port_of(&terminal);
    let [mut peer] = join(&terminal, port);
    terminal.types("begun");
    terminal.ends_with(&["to 1> begun"]);
    terminal.types("\x1a"); // ^Z
    terminal.shows("Stopped");
    terminal.ends_with(&["$"]);
    peer.says("are you there?\n");
    terminal.types("fg\r");
    terminal.ends_with(&["1> are you there?", "to 1> begun"]);
    terminal.types(", ended\r");
    assert_eq!(peer.hears(), "begun, ended\n");
    terminal.ends_with(&["to 1> begun, ended", "to 1>"]);
    terminal.types(CTRL_C);
    terminal.ends_with(&["$"]);
    terminal.types("echo $?\r");
    terminal.ends_with(&["130", "$"]);
}

#[test]
fn quit_ends_the_program_and_is_no_message_that_was_not_sent() {
    let (mut terminal, port) = listen(&[]);
    let [mut peer] = join(&terminal, port);
    terminal.ends_with(&["to 1>"]);
    terminal.types("/quit\r");
    assert_eq!(terminal.code(), 0);
    assert!(!terminal.shows("/quit").contains("not sent"));
    peer.hears_nothing_more();
}

#[test]
fn ctrl_d_ends_the_input_and_the_peer_has_its_say() {
    let (mut terminal, mut peer) = connect(&[]);
    terminal.types("last words\r");
    terminal.types(CTRL_D);
    assert_eq!(peer.hears(), "last words\n");
    peer.hears_nothing_more();
    terminal.shows("input has ended; ^C ends the program");
    assert!(terminal.takes_lines());
    peer.says("answer\n");
    terminal.shows("1> answer");
    drop(peer);
    assert_eq!(terminal.code(), 0);
}

#[test]
fn a_lost_connection_does_not_lose_the_line() {
    let (mut terminal, mut peer) = connect(&[]);
    peer.says("goodbye\n");
    terminal.types("half a li");
    terminal.ends_with(&["1> goodbye", "> half a li"]);
    drop(peer);
    assert_eq!(terminal.code(), 0);
    let screen = terminal.shows("not sent: half a li");
    assert!(!screen.contains("> half"), "the prompt is gone: {screen}");
    assert!(terminal.takes_lines());
}

#[test]
fn a_line_of_many_rows_is_not_lost_either() {
    let (mut terminal, peer) = connect(&[]);
    let long = "word ".repeat(30);
    terminal.types(&long);
    terminal.types("\x01"); // to its beginning
    terminal.types("a");
    terminal.shows("> aword");
    drop(peer);
    assert_eq!(terminal.code(), 0);
    let screen = terminal.shows("not sent: aword word");
    assert_eq!(screen.matches("aword").count(), 1, "{screen}");
    assert!(screen.contains("peer 1 left"), "{screen}");
}

#[test]
fn the_terminal_is_as_it_was_after_signals() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let (mut terminal, peer) = connect(&[]);
        terminal.types("unsent");
        terminal.ends_with(&["> unsent"]);
        assert!(!terminal.takes_lines());
        terminal.signal(signal);
        assert_eq!(terminal.code(), code);
        assert!(terminal.takes_lines());
        terminal.shows("not sent: unsent");
        assert!(terminal.written_up_to("not sent").contains("\x1b[?2004l"), "bracketed paste is off");
        drop(peer);
    }
}

#[test]
fn pasted_lines_are_a_message_each_once_entered() {
    let (mut terminal, port) = listen(&[]);
    let [mut peer] = join(&terminal, port);
    terminal.ends_with(&["to 1>"]);
    terminal.types("\x1b[200~one\rtwo\r\rfour\r\x1b[201~");
    terminal.shows("four");
    peer.says("wait\n");
    terminal.shows("1> wait");
    terminal.types(ENTER);
    let heard: Vec<String> = (0..4).map(|_| peer.hears()).collect();
    assert_eq!(heard, ["one\n", "two\n", "\n", "four\n"]);
    // A terminal that does not mark a paste sends it as ordinary keys. None of them is lost.
    terminal.types("five\rsix\rseven\r");
    let heard: Vec<String> = (0..3).map(|_| peer.hears()).collect();
    assert_eq!(heard, ["five\n", "six\n", "seven\n"]);
}

#[test]
fn keys_that_are_no_text_are_dropped() {
    let (mut terminal, mut peer) = connect(&[]);
    terminal.types(b"caf\xe9 "); // as a Latin-1 terminal would
    terminal.ends_with(&["> caf", "> caf"]);
    terminal.types("é\r");
    assert_eq!(peer.hears(), "café\n");
}

#[test]
fn history_is_kept_for_the_owner_alone() {
    let (mut terminal, mut peer) = connect(&[]);
    terminal.types("remembered\r two blanks\r");
    assert_eq!((peer.hears(), peer.hears()), ("remembered\n".into(), " two blanks\n".into()));
    terminal.types("/quit\r");
    assert_eq!(terminal.code(), 0);
    let state = Arc::clone(terminal.state());
    let path = state.path().join("unstick/history");
    assert_eq!(fs::read_to_string(&path).unwrap(), "remembered\n/quit\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let mut terminal = Terminal::unstick_with(&["listen", "127.0.0.1:0"], 60, &[], &state);
    port_of(&terminal);
    terminal.types(UP);
    terminal.ends_with(&["nobody> /quit"]);
    terminal.types(UP);
    terminal.ends_with(&["nobody> remembered"]);
}

#[test]
fn a_history_that_cannot_be_kept_is_no_error() {
    let state = Arc::new(crate::rig::temporary());
    fs::write(state.path().join("unstick"), "in the way").unwrap();
    let mut terminal = Terminal::unstick_with(&["listen", "127.0.0.1:0"], 60, &[], &state);
    let port = port_of(&terminal);
    let [mut peer] = join(&terminal, port);
    terminal.types("hello\r");
    assert_eq!(peer.hears(), "hello\n");
    terminal.ends_with(&["to 1> hello", "to 1>"]);
    terminal.types(UP);
    terminal.ends_with(&["to 1> hello", "to 1> hello"]);
}

#[test]
fn an_unfinished_message_is_shown_once() {
    let (terminal, port) = listen(&[]);
    let [mut peer] = join(&terminal, port);
    peer.says("no newline");
    terminal.shows("peer 1: 10 bytes so far, and no end of a message: \"no n");
    terminal.shows("hint: --frame-in raw shows what arrives");
    peer.says(" ever\nnext\n");
    terminal.ends_with(&["1> no newline ever", "1> next", "to 1>"]);
    assert_eq!(terminal.written_up_to("next").matches("bytes so far").count(), 1);
}

#[test]
fn commands() {
    let (mut terminal, port) = listen(&[]);
    let [mut one, mut two] = join(&terminal, port);
    let directory = crate::rig::temporary();
    let path = directory.path().join("a file");
    fs::write(&path, "from a file").unwrap();
    terminal.types("/to 1\r/hex 68 69\r//slash\r@@at\r");
    assert_eq!((one.hears(), one.hears(), one.hears()), ("hi\n".into(), "/slash\n".into(), "@at\n".into()));
    terminal.types(format!("/file {}\r", path.display()));
    assert_eq!(one.hears(), "from a file\n");
    terminal.types("/peers\r");
    terminal.shows("(the next line goes here)");
    terminal.types("/close 2\r");
    two.hears_nothing_more();
    terminal.shows("peer 2 left: 127.0.0.1:");
    terminal.shows("(closed from here)");
    terminal.types("/nonsense\r");
    terminal.ends_with(&[
        "error: no command /nonsense: /help lists the commands",
        "  hint: to send this line as text, type //nonsense",
        "to 1>",
    ]);
    terminal.types("/hel\t\r");
    terminal.shows("discard the line; if empty, end the program");
    terminal.types("a\tb\r");
    assert_eq!(one.hears(), "a\tb\n");
    terminal.types("/quit\r");
    assert_eq!(terminal.code(), 0);
    one.hears_nothing_more();
}

#[test]
fn a_narrow_window_that_changes() {
    let (mut terminal, port) = listen(&[]);
    let [mut peer] = join(&terminal, port);
    terminal.ends_with(&["to 1>"]);
    terminal.resize(30);
    peer.says("a message that is longer than the window is wide\n");
    terminal.ends_with(&["1> a message that is longer th", "an the window is wide", "to 1>"]);
    terminal.types("a line that is longer than the window is wide");
    terminal.ends_with(&["to 1> a line that is longer th", "an the window is wide"]);
    peer.says("more\n");
    terminal.ends_with(&["1> more", "to 1> a line that is longer th", "an the window is wide"]);
    terminal.types(ENTER);
    assert_eq!(peer.hears(), "a line that is longer than the window is wide\n");
}

#[test]
fn dumps_and_times() {
    let (mut terminal, mut peer) = connect(&["--hex", "--time"]);
    peer.says("hello, world\x01\n");
    terminal.shows("13 bytes");
    let screen = terminal.shows("hello, w");
    let row = screen.lines().find(|row| row.contains("hello, w")).unwrap();
    assert_eq!(row.trim_start(), "0000  68 65 6c 6c 6f 2c 20 77  hello, w");
    let message = screen.lines().find(|row| row.ends_with("1> 13 bytes")).unwrap();
    let time: String = message.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(time, "00:00:00.000 0> 00 bytes");
    terminal.types("/quit\r");
    assert_eq!(terminal.code(), 0);
}

#[test]
fn without_colour_nothing_is_missing() {
    let state = Arc::new(crate::rig::temporary());
    let listen = ["listen", "127.0.0.1:0"];
    for (variables, colour) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let terminal = Terminal::unstick_with(&listen, 60, variables, &state);
        let port = port_of(&terminal);
        let [mut peer] = join(&terminal, port);
        peer.says("hello\n");
        terminal.ends_with(&["1> hello", "to 1>"]);
        let written = terminal.written_up_to("hello");
        assert_eq!(written.contains("\x1b[36m1>"), colour, "{written:?}");
    }
}

#[test]
fn a_dumb_terminal_has_lines_too() {
    let state = Arc::new(crate::rig::temporary());
    let mut terminal = Terminal::unstick_with(&["listen", "127.0.0.1:0"], 60, &[("TERM", "dumb")], &state);
    let screen = terminal.shows("listening on tcp://127.0.0.1:");
    let mut peer = Peer::connect(port_at_end(screen.lines().next().unwrap()).unwrap());
    terminal.shows("peer 1 joined");
    terminal.types("hello\n");
    assert_eq!(peer.hears(), "hello\n");
    peer.says("hi\n");
    terminal.shows("1> hi");
    terminal.types("/quit\n");
    assert_eq!(terminal.code(), 0);
    assert!(!terminal.written_up_to("hi").contains('\x1b'));
    peer.hears_nothing_more();
}

#[test]
fn a_peer_that_ends_its_side_still_hears_nothing_wrong() {
    let (mut terminal, port) = listen(&[]);
    let [peer] = join(&terminal, port);
    peer.stream.get_ref().shutdown(Shutdown::Write).unwrap();
    terminal.ends_with(&["nobody>"]);
    terminal.shows("peer 1 left");
    terminal.types(CTRL_D);
    assert_eq!(terminal.code(), 0);
    assert!(!terminal.written_up_to("left").contains("input has ended"));
}

#[test]
fn what_answers_by_itself_is_seen_without_a_prompt() {
    let mut terminal = Terminal::unstick(&["listen", "127.0.0.1:0", "--echo"], 60);
    let screen = terminal.shows("listening on tcp://127.0.0.1:");
    let port = port_at_end(screen.lines().next().unwrap()).unwrap();
    let [mut peer] = join(&terminal, port);
    peer.says("\x1b[2Jhi\n");
    assert_eq!(peer.hears(), "\x1b[2Jhi\n");
    terminal.shows("1> \\x1b[2Jhi");
    drop(peer);
    terminal.shows("peer 1 left: 127.0.0.1:");
    assert!(terminal.takes_lines());
    terminal.types(CTRL_C);
    assert_eq!(terminal.code(), 130);
}
