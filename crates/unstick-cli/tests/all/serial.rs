//! Serial lines: two pseudo-terminals that socat joins, the program at one of them and something else at the other.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use rustix::termios::tcgetattr;

use crate::rig::{Process, unstick, unstick_listen};

/// Two ends of one line, and what joins them.
fn line() -> (Process, String, String) {
    let mut socat = Process::start(Command::new("socat").args(["-d", "-d", "pty,rawer", "pty,rawer"]));
    let mut end = || {
        let said = socat.error_line_with("PTY is ");
        said.split_whitespace().last().expect("a path").to_owned()
    };
    let (one, other) = (end(), end());
    socat.error_line_with("starting data transfer loop");
    (socat, one, other)
}

fn device(path: &str) -> File {
    let mut options = File::options();
    options.read(true).write(true).custom_flags(rustix::fs::OFlags::NOCTTY.bits() as i32);
    options.open(path).expect("the line is there")
}

fn take(device: &mut File, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    device.read_exact(&mut bytes).expect("the bytes come");
    bytes
}

#[test]
fn two_programs_talk_on_a_line() {
    let (socat, one, other) = line();
    let mut near = unstick(&["connect", &format!("serial:{one}?baud=19200"), "-f", "line"]);
    let mut far = unstick(&["listen", &format!("serial:{other}?baud=19200"), "-f", "line"]);
    near.feed("question\n");
    assert_eq!(far.line(), "question");
    far.feed("answer\n");
    assert_eq!(near.line(), "answer");
    // A line has no end: it is over by silence for one, by a hang-up for the other.
    near.end_input();
    assert_eq!((near.rest(), near.code()), (String::new(), 0));
    drop(socat);
    assert_eq!((far.rest(), far.code()), (String::new(), 0), "{}", far.errors());
}

#[test]
fn a_question_is_answered() {
    let (_socat, one, other) = line();
    let _device = unstick(&["listen", &format!("serial:{other}"), "-f", "u16be", "--reply", "pong"]);
    let mut asking = unstick(&["ask", &format!("u16be+serial:{one}"), "ping"]);
    assert_eq!((asking.rest(), asking.code()), ("pong\n".to_owned(), 0));
}

#[test]
fn a_pipe_moves_every_byte_at_the_speed_that_was_asked_for() {
    let (_socat, one, other) = line();
    let every: Vec<u8> = (0..=255).collect();
    let mut pipe = unstick(&["connect", &format!("serial:{one}?baud=57600,stop=2"), "--linger", "200ms"]);
    let mut device = device(&other);
    pipe.feed(&every);
    assert_eq!(take(&mut device, 256), every);
    let speed = tcgetattr(self::device(&one)).expect("a terminal").output_speed();
    assert_eq!(speed, 57_600);
    device.write_all(&every).expect("the line takes bytes");
    pipe.end_input();
    assert_eq!((pipe.rest_bytes(), pipe.code()), (every, 0));
}

#[test]
fn a_line_is_either_side_of_a_bridge() {
    let (_socat, one, other) = line();
    let (_bridge, port) =
        unstick_listen(&["127.0.0.1:0", "--once", "--to", &format!("serial:{one}"), "--linger", "500ms"]);
    let mut client = unstick(&["connect", &format!("127.0.0.1:{port}"), "-f", "line"]);
    let mut device = device(&other);
    client.feed("question\n");
    assert_eq!(take(&mut device, 9), b"question\n");
    device.write_all(b"answer\n").expect("the line takes bytes");
    assert_eq!(client.line(), "answer");
    // The half-close of the client, then silence on the line, end the bridge.
    client.end_input();
    assert_eq!((client.rest(), client.code()), (String::new(), 0));

    let (_socat, one, other) = line();
    let (mut server, port) = unstick_listen(&["127.0.0.1:0", "--echo", "-f", "u16be"]);
    let mut bridge =
        unstick(&["connect", &format!("line+serial:{one}"), "--to", &format!("u16be+tcp://127.0.0.1:{port}")]);
    let mut device = self::device(&other);
    device.write_all(b"echo\n").expect("the line takes bytes");
    assert_eq!(take(&mut device, 5), b"echo\n");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!((server.code(), bridge.code()), (143, 0), "{}", bridge.errors());
}

#[test]
fn a_line_that_another_program_has_is_refused() {
    let (_socat, one, other) = line();
    let mut first = unstick(&["connect", &format!("serial:{one}"), "-f", "line"]);
    // Once it has said something, it has the line.
    first.feed("here\n");
    assert_eq!(take(&mut device(&other), 5), b"here\n");
    let mut second = unstick(&["connect", &format!("serial:{one}"), "-f", "line"]);
    let errors = second.errors();
    assert_eq!(second.code(), 3, "{errors}");
    assert!(errors.contains(&format!("{one} is in use by another program")), "{errors}");
    assert!(errors.contains(&format!("fuser -v {one}")), "{errors}");
}
