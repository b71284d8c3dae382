//! Tests the prompt with a peer that reads nothing: lines that are typed after waiting messages.

use std::fs;
use std::net::{TcpListener, TcpStream};

use crate::prompt::{Peer, join, listen};
use crate::rig::Terminal;

/// The key that drops the line, as a terminal sends it.
const CTRL_C: &str = "\x03";

/// `/file` with more bytes than two sockets and a queue hold while the peer reads nothing.
fn long_file() -> (tempfile::TempDir, String) {
    let directory = crate::rig::temporary();
    let path = directory.path().join("long");
    fs::write(&path, vec![b'x'; 15 << 20]).expect("a file can be written");
    let typed = format!("/file {}\r", path.display());
    (directory, typed)
}

/// `unstick connect` at a prompt, and a peer that reads nothing and has little room.
fn connect_to_a_deaf_peer() -> (Terminal, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4096).expect("a socket takes the option");
    let address = listener.local_addr().expect("a bound socket has an address").to_string();
    let terminal = Terminal::unstick(&["connect", &address], 60);
    let deaf = listener.accept().expect("the program connects").0;
    terminal.ends_with(&[">"]);
    (terminal, deaf)
}

#[test]
fn quit_does_not_wait_behind_a_message_that_the_peer_does_not_read() {
    let (_directory, file) = long_file();
    let (mut terminal, _deaf) = connect_to_a_deaf_peer();
    // The third one waits at the prompt: with it, the program would read more bytes ahead than it may.
    terminal.types(format!("{file}{file}{file}behind them\r/quit\r"));
    assert_eq!(terminal.code(), 0);
    let written = terminal.written_up_to("not sent: behind them");
    // The first is being written. Timing decides whether the second waits in the queue or at the prompt.
    let named = written.matches("xxx... (15728640 bytes)").count();
    assert!((1..=2).contains(&named), "a message that waited at the prompt is named, but not shown whole: {named}");
}

#[test]
fn quit_does_not_wait_behind_more_lines_than_are_kept() {
    let (_directory, file) = long_file();
    let (mut terminal, _deaf) = connect_to_a_deaf_peer();
    terminal.types(format!("{file}{file}"));
    // The program reads this many lines ahead, and as many wait; it refuses the next. The test types on only after the prompt has
    // been drawn again: between two lines the terminal itself would take the keys, and ^C would be a signal.
    let pastes = 2 * unstick::limits::COMMANDS_AHEAD / 64 + 1;
    let is_refused = (0..pastes).any(|number| {
        let last = format!("last of {number}");
        terminal.types("\x1b[200~".to_owned() + &"y\n".repeat(63) + &last + "\x1b[201~");
        terminal.shows(&last);
        terminal.types("\r");
        is_refused_at(&terminal, &last)
    });
    assert!(is_refused, "{pastes} pastes of 64 lines were taken");
    terminal.types(CTRL_C.to_owned() + "/quit\r");
    assert_eq!(terminal.code(), 0);
}

/// Whether the program has refused the lines that were just typed, and shows them at the prompt again. Otherwise the prompt is
/// empty.
fn is_refused_at(terminal: &Terminal, last: &str) -> bool {
    loop {
        let is_refused = terminal.has_written("not sent: too many lines wait already");
        match terminal.rows().last() {
            Some(row) if is_refused && row.ends_with(last) => return true,
            Some(row) if row == ">" => return false,
            _ => terminal.may_change(),
        }
    }
}

#[test]
fn close_does_not_wait_behind_a_message_that_the_peer_does_not_read() {
    let (_directory, file) = long_file();
    let (mut terminal, port) = listen(&[]);
    let [deaf] = join(&terminal, port);
    rustix::net::sockopt::set_socket_recv_buffer_size(deaf.stream.get_ref(), 4096).unwrap();
    terminal.ends_with(&["to 1>"]);
    terminal.types(format!("{file}{file}{file}/close 1\r"));
    terminal.shows("peer 1 left: 127.0.0.1:");
    let mut good = Peer::connect(port);
    terminal.ends_with(&["to 2>"]);
    terminal.types("hello\r");
    assert_eq!(good.hears(), "hello\n");
    terminal.types("/quit\r");
    assert_eq!(terminal.code(), 0);
}
