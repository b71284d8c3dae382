//! The code that `lab` shows as wrong and as right, run on sockets. The wrong code fails as `lab` says.

use std::collections::VecDeque;
use std::io::{Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use super::code;
use crate::rig::{Process, python_code};

/// The result of the receiving code.
type Messages = Vec<Vec<u8>>;

/// Bytes of what arrives, in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `play.py` with one of the files that are shown.
fn python(scene: &str, kind: &str, how: &str, rest: &[String]) -> Process {
    let file = format!("{}/src/verb/lab/code/{scene}/{kind}.py", env!("CARGO_MANIFEST_DIR"));
    let arguments: Vec<&str> = [&file, how].into_iter().chain(rest.iter().map(String::as_str)).collect();
    python_code(include_str!("play.py"), &arguments)
}

/// The result of the Python code for these parts: messages, or nothing if it fails.
fn python_receives(scene: &str, kind: &str, how: &str, parts: &[&[u8]]) -> Option<Messages> {
    let parts: Vec<String> = parts.iter().map(|part| hex(part)).collect();
    let text = python(scene, kind, how, &parts).rest();
    let line = text.strip_suffix('\n').unwrap_or_else(|| panic!("{scene} {kind} printed {text:?}"));
    if line.contains("Error: ") || line.starts_with("error: ") {
        return None;
    }
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    Some(line.split('|').map(bytes).collect())
}

/// A receiver whose sender sends the next part when nothing is left to read, and ends after the last.
struct Scripted {
    near: TcpStream,
    far: TcpStream,
    parts: VecDeque<Vec<u8>>,
}

impl Scripted {
    fn new(parts: &[&[u8]]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        Self { near, far, parts: parts.iter().map(|part| part.to_vec()).collect() }
    }

    fn queued(&self) -> usize {
        rustix::io::ioctl_fionread(&self.far).unwrap() as usize
    }
}

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.queued() == 0
            && let Some(part) = self.parts.pop_front()
        {
            self.near.write_all(&part)?;
            while self.queued() < part.len() {
                self.far.peek(&mut [0])?;
                thread::yield_now();
            }
            if self.parts.is_empty() {
                self.near.shutdown(Shutdown::Write)?;
            }
        }
        self.far.read(buffer)
    }
}

/// The result of the Rust code, or nothing if it fails or panics.
fn outcome(receive: impl FnOnce() -> Result<Messages>) -> Option<Messages> {
    catch_unwind(AssertUnwindSafe(receive)).ok()?.ok()
}

type Streamed = fn(&mut Scripted) -> Result<Messages>;

/// Checks that the code in both languages returns this for these parts.
#[track_caller]
fn streamed(scene: &str, kind: &str, rust: Streamed, parts: &[&[u8]], expected: Option<&[&[u8]]>) {
    let expected = expected.map(|messages| messages.iter().map(|message| message.to_vec()).collect::<Messages>());
    let found = outcome(|| rust(&mut Scripted::new(parts)));
    assert_eq!(found, expected, "Rust, {scene} {kind}, {parts:?}");
    assert_eq!(python_receives(scene, kind, "stream", parts), expected, "Python, {scene} {kind}, {parts:?}");
}

#[test]
fn three_reads_are_not_three_messages_and_lines_are() {
    streamed(
        "nagle",
        "wrong",
        code::nagle_wrong::receive,
        &[b"Hello", b"Worldagain"],
        Some(&[b"Hello", b"Worldagain", b""]),
    );
    let parts: &[&[u8]] = &[b"Hello\n", b"World\nagain\n"];
    let right = code::nagle_right::receive;
    streamed("nagle", "right", right, parts, Some(&[b"Hello", b"World", b"again"]));
    streamed("nagle", "right", right, &[b"Hello\nWor"], None);
}

#[test]
fn one_read_is_not_one_message_and_five_bytes_are() {
    let parts: &[&[u8]] = &[b"HelloWorld"];
    streamed("slow_reader", "wrong", code::slow_reader_wrong::receive, parts, Some(parts));
    for parts in [parts, &[b"Hel", b"loWor", b"ld"]] {
        streamed("slow_reader", "right", code::slow_reader_right::receive, parts, Some(&[b"Hello", b"World"]));
    }
    streamed("slow_reader", "right", code::slow_reader_right::receive, &[b"HelloWor"], None);
}

#[test]
fn one_read_is_not_one_send_and_a_newline_ends_it() {
    let parts: &[&[u8]] = &[b"Hel", b"lo, W", b"orld\n"];
    streamed("split", "wrong", code::split_wrong::receive, parts, Some(&[b"Hel"]));
    streamed("split", "right", code::split_right::receive, parts, Some(&[b"Hello, World"]));
    streamed("split", "right", code::split_right::receive, &[b"Hello, W"], None);
}

#[test]
fn a_small_buffer_is_read_again_until_the_end() {
    let parts: &[&[u8]] = &[b"Longer than 8 bytes by far."];
    streamed("small_buffer", "wrong", code::small_buffer_wrong::receive, parts, Some(&[b"Longer t"]));
    streamed("small_buffer", "right", code::small_buffer_right::receive, parts, Some(parts));
}

#[test]
fn a_length_is_read_exactly_or_not_at_all() {
    for parts in [&[&b"\0\0\0\x05Hello"[..]][..], &[b"\0\0", b"\0\x05Hello"], &[b"\0\0\0\x05", b"He", b"llo"]] {
        let right = code::length_right::receive;
        streamed("length", "right", right, parts, Some(&[b"Hello"]));
        let wrong: Option<&[&[u8]]> = if parts[0].len() == 4 { Some(&[b"He"]) } else { None };
        streamed("length", "wrong", code::length_wrong::receive, parts, wrong);
    }
    let right = code::length_right::receive;
    let two: &[&[u8]] = &[b"\0\0\0\x05Hello\0\0", b"\0\x05World"];
    streamed("length", "right", right, two, Some(&[b"Hello", b"World"]));
    for cut in [&b"\0\0"[..], b"\0\0\0\x05Hel", b"\0\0\0\x05"] {
        streamed("length", "right", right, &[cut], None);
    }
}

#[test]
fn a_file_that_is_cut_is_noticed_by_the_right_code_alone() {
    use code::{file_right, file_wrong};
    let cut: &[&[u8]] = &[b"Hello, "];
    streamed("file", "wrong", file_wrong::receive, cut, Some(cut));
    streamed("file", "right", file_right::receive, &[b"\0\0\0\0\0\0\0\x0bHello, "], None);
    streamed("file", "right", file_right::receive, &[b"\0\0\0\0\0\0\0"], None);
    for parts in [&[&b"\0\0\0\0\0\0\0\x0bHello, file"[..]][..], &[b"\0\0\0\0\0", b"\0\0\x0bHel", b"lo, file"]] {
        streamed("file", "right", file_right::receive, parts, Some(&[b"Hello, file"]));
    }
}

// ---- lengths ----

#[test]
fn lengths_that_do_not_fit_are_refused_by_the_right_code_alone() {
    use code::{range_right, range_wrong};
    assert_eq!(range_wrong::write_length((1 << 32) + 5), [0, 0, 0, 5]);
    assert_eq!(range_wrong::read_length([0x80, 0, 0, 0]), 0xffff_ffff_8000_0000);
    assert_eq!(range_right::write_length(5), Some([0, 0, 0, 5]));
    assert_eq!((range_right::write_length((1 << 32) + 5), range_right::write_length(1 << 30)), (None, None));
    assert_eq!((range_right::read_length([0x80, 0, 0, 0]), range_right::read_length([0, 0, 1, 0])), (None, Some(256)));
    let said = |kind| {
        let mut python = python("range", kind, "lengths", &[]);
        python.feed("write 5\nwrite 2147483648\nread 80000000\nread 00000100\n");
        python.end_input();
        python.rest()
    };
    let wrong = said("wrong");
    let lines: Vec<&str> = wrong.lines().collect();
    assert!(
        lines[1].starts_with("error: ") && [lines[0], lines[2], lines[3]] == ["00000005", "-2147483648", "256"],
        "{wrong}"
    );
    let too_many = "ValueError: 2147483648 bytes are too many\n";
    assert_eq!(said("right"), format!("00000005\n{too_many}{too_many}256\n"));
}

// ---- datagrams ----

/// A socket for which these datagrams wait.
fn waiting(parts: &[&[u8]]) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    parts.iter().for_each(|part| assert_eq!(sender.send_to(part, socket.local_addr().unwrap()).unwrap(), part.len()));
    socket
}

#[track_caller]
fn received(
    scene: &str,
    kind: &str,
    rust: fn(&UdpSocket) -> Result<Messages>,
    parts: &[&[u8]],
    expected: Option<&[u8]>,
) {
    let expected = expected.map(|message| vec![message.to_vec()]);
    assert_eq!(outcome(|| rust(&waiting(parts))), expected, "Rust, {scene} {kind}");
    assert_eq!(python_receives(scene, kind, "datagrams", parts), expected, "Python, {scene} {kind}");
}

#[test]
fn a_datagram_is_read_at_once_or_lost() {
    let parts: &[&[u8]] = &[b"\0\0\0\x05Hello", b"\0\0\0\x05World"];
    received("datagrams", "wrong", code::datagrams_wrong::receive, parts, Some(b"\0\0\0\x05W"));
    received("datagrams", "right", code::datagrams_right::receive, &[b"Hello", b"World"], Some(b"Hello"));
}

#[test]
fn a_cut_datagram_is_noticed_by_the_right_code_alone() {
    let parts: &[&[u8]] = &[b"Longer than 8 bytes by far.", b"Next"];
    received("cut_short", "wrong", code::cut_short_wrong::receive, parts, Some(b"Longer t"));
    received("cut_short", "right", code::cut_short_right::receive, parts, None);
    received("cut_short", "right", code::cut_short_right::receive, &[b"8 bytes."], Some(b"8 bytes."));
}

// ---- loss and time ----

/// Messages to send: each is sent once the sender knows that the one before has arrived, or all are lost.
const SENT: [&[u8]; 3] = [b"one", b"two", b"three"];

/// Receives, and loses the first message with each number and the answer to the second one. Ends with the answer to the last
/// number.
fn lossy(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut buffer = [0; 100];
    for number in 0..SENT.len() as u32 {
        for times in 0..3 {
            let (count, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..4], number.to_be_bytes());
            if times == 1 {
                messages.push(buffer[4..count].to_vec());
            }
            if times == 2 {
                socket.send_to(&buffer[..4], from).unwrap();
            }
        }
    }
    messages
}

fn bound() -> (UdpSocket, String) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // If the code under test does not send what it should, the test fails, and does not hang.
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    (socket, port)
}

fn connected(port: &str) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect((Ipv4Addr::LOCALHOST, port.parse().unwrap())).unwrap();
    socket
}

#[test]
fn what_is_lost_is_sent_again_by_the_right_code_alone() {
    let arguments = |port: &str| [vec![port.to_owned()], SENT.map(hex).to_vec()].concat();
    // Nobody reads: the wrong code does not notice.
    let (_unread, port) = bound();
    code::loss_wrong::send(&connected(&port), &SENT).unwrap();
    assert_eq!(python("loss", "wrong", "send", &arguments(&port)).rest(), "sent\n");
    let (socket, port) = bound();
    let receiver = thread::spawn(move || [lossy(&socket), lossy(&socket)]);
    code::loss_right::send(&connected(&port), &SENT).unwrap();
    assert_eq!(python("loss", "right", "send", &arguments(&port)).rest(), "sent\n");
    let expected = SENT.map(<[u8]>::to_vec).to_vec();
    assert_eq!(receiver.join().unwrap(), [expected.clone(), expected]);
}

#[test]
fn only_an_answer_tells_how_long_a_message_took() {
    let python = |kind, port: &str, seconds: &str| {
        python("compare", kind, "measure", &[port.to_owned(), seconds.to_owned()]).rest()
    };
    // Nobody answers, but the wrong code measures a time anyway.
    let (_unread, port) = bound();
    let unanswered = connected(&port);
    unanswered.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    assert!(!code::compare_wrong::measure(&unanswered).unwrap().is_zero());
    assert!(code::compare_right::measure(&unanswered).is_err());
    assert_eq!(python("wrong", &port, "0.01"), "measured\n");
    assert_eq!(python("right", &port, "0.01"), "TimeoutError: timed out\n");
    let (socket, port) = bound();
    let answers = thread::spawn(move || {
        for _ in 0..2 {
            let mut buffer = [0; 64];
            let (count, from) = socket.recv_from(&mut buffer).unwrap();
            socket.send_to(&buffer[..count], from).unwrap();
        }
    });
    assert!(!code::compare_right::measure(&connected(&port)).unwrap().is_zero());
    assert_eq!(python("right", &port, "20"), "measured\n");
    answers.join().unwrap();
}
