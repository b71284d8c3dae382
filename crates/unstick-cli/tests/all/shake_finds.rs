//! Tests that `shake` finds broken programs, says exactly where they break, and accuses nothing else. Its targets are published
//! packages, and small programs as beginners write them, which are beside this file.
//!
//! Not here: programs that are not broken, and servers that behave oddly.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::rig::{Process, node_packages, port_at_end, program, python_itself, python_of, python_of_packages};

#[test]
fn a_client_that_reads_the_length_with_recv_1024() {
    let (_server, to) = started(python("length_server.py").arg("0"));
    let shaken = Shaken::of_client(&["--to", &to], "length_client.py");
    let joined = shaken.finding("s2c:join@0..");
    assert!(text(&joined["headline"]).starts_with("the program exits 1"), "{joined:#}");
    let pattern = "fails when the first 4 bytes of server→client arrive together with what follows.";
    assert_eq!(joined["pattern"], pattern, "{joined:#}");
    // Part of the length is not a length either. After the length, the client reads in a loop, as it should.
    let cut = shaken.finding("s2c:cut@1");
    assert_eq!(cuts(cut, "s2c"), [1, 2, 3], "{cut:#}");
    assert!(text(&cut["cause"]).contains("exactly n bytes"), "{cut:#}");
    shaken.accuses_in(2);
}

#[test]
fn a_client_that_takes_two_receives_for_two_messages() {
    let (_server, to) = started(python("two_sends_server.py").arg("0"));
    let shaken = Shaken::of_client(&["--to", &to, "--output"], "two_receives_client.py");
    let cut = shaken.finding("s2c:cut@1");
    assert_eq!(cut["headline"], "the program prints something else", "{cut:#}");
    assert_eq!(cuts(cut, "s2c"), [1, 2, 3, 4, 6, 7, 8, 9], "a cut between the messages is harmless: {cut:#}");
    let joined = shaken.finding("s2c:join@0..");
    assert_eq!(joined["headline"], "the program prints something else", "{joined:#}");
    shaken.accuses_in(2);
}

#[test]
fn what_depends_on_chance_is_not_taken_for_a_clock() {
    // Every other client gets both messages at once. Runs without cuts differ, as those of a clock do.
    let (_server, to) = started(python("two_sends_server.py").args(["0", "2"]));
    let shaken = Shaken::of_client(&["--to", &to, "--output"], "two_receives_client.py");
    let cut = shaken.finding("s2c:cut@1,s2c:cut@5");
    assert_eq!(cuts(cut, "s2c"), [1, 2, 3, 4, 6, 7, 8, 9], "{cut:#}");
    let joined = shaken.finding("s2c:join@0..");
    let pattern = "fails when the first 5 bytes of server→client arrive together with what follows.";
    assert_eq!(joined["pattern"], pattern, "{joined:#}");
    shaken.accuses_in(2);
}

#[test]
fn a_server_that_reads_the_length_with_one_recv_4() {
    // It ends when it breaks, so `shake` starts it for each case, on a port that is free then.
    let start = format!("exec {} {{port}}", shell_words(&python("recv_four_server.py")));
    let shaken = Shaken::of_server(&["-f", "u32be", "--to", "127.0.0.1:0", "--start", &start, "--send", "hello"]);
    let cut = shaken.finding("c2s:cut@1");
    assert_eq!(cuts(cut, "c2s"), [1, 2, 3], "{cut:#}");
    let pattern = "fails whenever the 4-byte header at offset 0 is cut after byte 1, 2 or 3; passes everywhere else.";
    assert_eq!(cut["pattern"], pattern);
    assert!(text(&cut["outcome"]["server_said"]).contains("struct.error"), "{cut:#}");
    shaken.accuses_in(1);
}

#[test]
fn a_server_that_drops_what_follows_the_first_message() {
    let (_server, to) = started(&mut python("first_line_server.py"));
    let sends = ["--send", "one", "--send", "two", "--send", "three"];
    let shaken = Shaken::of_server(&[&["-f", "line", "--to", &to], &sends[..]].concat());
    let joined = shaken.finding("c2s:join@0..8");
    let all = ["c2s:join@0..8", "c2s:join@4..14", "c2s:join@0..14", "c2s:join@0..end"];
    assert_eq!(failing(joined), all, "any join of two messages, and no cut: {joined:#}");
    assert!(text(&joined["cause"]).contains("what follows is dropped"), "{joined:#}");
    shaken.accuses_in(1);
}

#[test]
fn a_server_that_decodes_text_read_by_read() {
    let (_server, to) = started(&mut node("text_server.js"));
    let shaken = Shaken::of_server(&["--to", &to, "--send", "naïve café, 5 €"]);
    let cut = shaken.finding("c2s:cut@3");
    assert_eq!(cuts(cut, "c2s"), [3, 11, 17, 18], "inside ï, é and €: {cut:#}");
    assert!(text(&cut["pattern"]).contains("inside a character"), "{cut:#}");
    assert!(text(&cut["cause"]).contains("text is decoded read by read"), "{cut:#}");
    shaken.accuses_in(1);
}

#[test]
fn a_server_that_looks_for_a_line_end_read_by_read() {
    let (_server, to) = started(&mut python("line_end_server.py"));
    let headers = hex(b"Host: example.org\r\nAccept: text/plain\r\n\r\n");
    let shaken = Shaken::of_server(&["--to", &to, "--send-hex", &headers]);
    let cut = shaken.finding("c2s:cut@18");
    assert_eq!(cuts(cut, "c2s"), [18, 40], "the last line end is trimmed away, but waited for until the end: {cut:#}");
    assert!(text(&cut["pattern"]).contains("between CR and LF"), "{cut:#}");
    shaken.accuses_in(1);
}

#[test]
fn the_parser_of_mqtt_packet_6_6_0() {
    let (_server, to) = started(node("mqtt_server.js").env("NODE_PATH", node_packages()));
    let connect = hex(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06sensor");
    let mut publish = b"\x32\xa5\x01\x00\x0broom/window\x00\x07".to_vec();
    publish.extend([b't'; 150]);
    let shaken =
        Shaken::of_server(&["--to", &to, "--send-hex", &connect, "--send-hex", &hex(&publish), "--send-hex", "e000"]);
    let cut = shaken.finding("c2s:cut@22");
    assert_eq!(failing(cut), ["c2s:cut@22"], "between the two bytes of the remaining length: {cut:#}");
    shaken.accuses_in(1);
}

#[test]
fn the_server_of_pymodbus_2_1_0() {
    let (_server, to) = started(Command::new(python_of_packages()).arg(subject("modbus_server.py")));
    let shaken = Shaken::of_server(&["--to", &to, "--send-hex", "000100000006010300000002"]);
    let cut = shaken.finding("c2s:cut@1");
    // After a cut inside the header of seven bytes, it answers a request that it has not read. After a later cut, it forgets what
    // it has read.
    assert_eq!(cuts(cut, "c2s"), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], "{cut:#}");
    shaken.accuses_in(1);
}

/// <https://github.com/pymodbus-dev/pymodbus/issues/1922>
#[test]
fn the_server_of_pymodbus_3_5_4() {
    let (_server, to) = started(Command::new(python_of("pymodbus==3.5.4")).arg(subject("modbus_3_5_server.py")));
    let shaken = Shaken::of_server(&["--to", &to, "--send-hex", "000100000006010300000002"]);
    let cut = shaken.finding("c2s:cut@1");
    assert_eq!(cuts(cut, "c2s"), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], "every cut resets the frame: {cut:#}");
    shaken.accuses_in(1);
}

/// It answers two requests in one write only if they are cut. The finding must say so, not the reverse.
#[test]
fn the_server_of_pymodbus_3_6_3() {
    let (_server, to) = started(Command::new(python_of("pymodbus==3.6.3")).arg(subject("modbus_3_5_server.py")));
    let requests = ["000100000006010300000002", "000200000006010300020002"];
    let shaken = Shaken::of_server(&["--to", &to, "--send-hex", &requests.concat()]);
    let joined = shaken.finding("c2s:join@0..end");
    assert_eq!(joined["headline"], "no answer, only with c2s:cut@12 there is one", "{joined:#}");
    let pattern = "fails when the first 12 bytes of client→server arrive together with what follows.";
    assert_eq!(joined["pattern"], pattern, "{joined:#}");
    let notes = shaken.report["notes"].to_string();
    assert!(
        notes.contains("without cuts the server does not answer; this report takes the outcome with c2s:cut@12"),
        "{notes}"
    );
    shaken.accuses_in(1);
    // It answers both requests in two writes, unless they are joined.
    let shaken = Shaken::of_server(&["--to", &to, "--send-hex", requests[0], "--send-hex", requests[1]]);
    assert_eq!(shaken.finding("c2s:join@0..24")["headline"], "no answer");
    shaken.accuses_in(1);
}

/// <https://github.com/websockets/ws/issues/1493>
#[test]
fn the_close_frame_of_ws_6_1_2() {
    let (_server, to) = started(node("ws_server.js").env("NODE_PATH", node_packages()));
    let upgrade = hex(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    let (hello, close) = (hex(b"\x81\x85\0\0\0\0hello"), hex(b"\x88\x82\0\0\0\0\x03\xe8"));
    let shaken = Shaken::of_server(&["--to", &to, "--send-hex", &upgrade, "--send-hex", &hello, "--send-hex", &close]);
    let head = upgrade.len() as u64 / 2 + 11 + 2;
    let cut = shaken.finding(&format!("c2s:cut@{head}"));
    let behind: Vec<u64> = (head..head + 6).collect();
    assert_eq!(cuts(cut, "c2s"), behind, "anywhere after the head of the Close frame: {cut:#}");
    shaken.accuses_in(1);
}

#[test]
fn the_frames_of_thrift_0_9_1() {
    let (_server, to) = started(node("thrift_server.js").env("NODE_PATH", node_packages()));
    let ping = hex(b"\0\0\0\x11\x80\x01\0\x01\0\0\0\x04ping\0\0\0\x07\0");
    let shaken = Shaken::of_server(&["--to", &to, "--send-hex", &ping, "--send-hex", &ping]);
    let cut = shaken.finding("c2s:cut@1");
    assert_eq!(cuts(cut, "c2s"), [1, 2, 3, 22, 23, 24], "inside the length of a frame: {cut:#}");
    shaken.accuses_in(1);
}

/// <https://github.com/mcollina/split2/issues/6>
#[test]
fn the_lines_of_split2_1_0_0() {
    let arguments = ["--stdio", "-f", "line", "--send", "naïve", "--send", "café"];
    let program =
        format!("NODE_PATH='{}' node '{}'", node_packages().display(), subject("split2_program.js").display());
    let shaken = Shaken::new(&arguments, &["sh".to_owned(), "-c".to_owned(), format!("exec env {program}")]);
    let cut = shaken.finding("c2s:cut@3");
    assert_eq!(cuts(cut, "c2s"), [3, 11], "inside ï and é: {cut:#}");
    shaken.accuses_in(1);
}

/// <https://github.com/tomas/needle/issues/374>
#[test]
fn the_text_of_needle_3_0_0() {
    let (_server, to) = started(&mut python("text_page.py"));
    let program = format!("NODE_PATH='{}' node '{}'", node_packages().display(), subject("needle_client.js").display());
    let client = ["sh".to_owned(), "-c".to_owned(), format!("exec env {program} {{address}}")];
    // Node starts slowly, so only a few places are tried.
    let page = shaken_at(&["s2c:cut@20", "s2c:cut@141", "s2c:cut@142", "s2c:cut@143", "s2c:cut@156", "s2c:cut@157"]);
    let shaken = Shaken::new(&[&["--to", &*to, "--output"], &page[..]].concat(), &client);
    let cut = shaken.finding("s2c:cut@142");
    assert_eq!(cuts(cut, "s2c"), [142, 156, 157], "inside ï and €: {cut:#}");
    shaken.accuses_in(1);
}

/// The options that try only these cases.
fn shaken_at<'a>(cases: &[&'a str]) -> Vec<&'a str> {
    cases.iter().flat_map(|case| ["--case", case]).collect()
}

#[test]
fn a_program_on_pipes_that_takes_each_read_for_a_message() {
    let requests = [r#"{"id": 1, "text": "hello"}"#, r#"{"id": 2, "text": "world"}"#];
    let sends = ["--stdio", "-f", "line", "--send", requests[0], "--send", requests[1]];
    let shaken = Shaken::new(&sends, &words(&python("requests_program.py")));
    let cut = shaken.finding("c2s:cut@1");
    let inside: Vec<u64> = (1..54).filter(|at| *at != 27).collect();
    assert_eq!(cuts(cut, "c2s"), inside, "{cut:#}");
    assert!(text(&cut["cause"]).contains("one message"), "{cut:#}");
    assert!(text(&cut["outcome"]["program_said"]).contains("JSONDecodeError"), "{cut:#}");
    let joined = shaken.finding("c2s:join@0..");
    assert!(text(&joined["outcome"]["program_said"]).contains("Extra data"), "{joined:#}");
    shaken.accuses_in(2);
}

#[test]
fn a_report_says_all_of_it_in_80_columns() {
    let (_server, to) = started(&mut python("first_line_server.py"));
    let shake = ["shake", "--to", &to, "-f", "line", "--send", "one", "--send", "two", "--send", "three"];
    let output = program().args(shake).output().expect("the program starts");
    let told = String::from_utf8(output.stdout).expect("a report is text");
    let (verdict, finding) = told.split_once("\n\n").expect("the verdict is a separate paragraph");
    assert_eq!(verdict.lines().next(), Some("BROKEN: 1 finding"));
    let expected = r#"
1. the answer differs from byte 17 on: 22 bytes, not 32
   fails whenever segments of client→server are joined; no cut fails.

   smallest case  c2s:join@0..8
   client→server  ["one\ntwo\n"] "three\n"

   what the server answers:
   without cuts   "done: one\ndone: two\ndone: three\n"
   in this case   "done: one\ndone: three\n"
                                     ^ differs from byte 17: 22 bytes, not 32

   likely cause   a read takes more than was meant for it, and what follows is
                  dropped (one `recv` is taken for one message, or for a
                  header): keep the rest for the next message
   run it again   unstick shake --to ADDRESS -f line --send one --send two --send three --case c2s:join@0..8
"#;
    assert_eq!(finding.replace(&to, "ADDRESS"), expected.trim_start());
}

/// The result of `unstick shake --json`.
struct Shaken {
    report: Value,
}

impl Shaken {
    /// Tries a program that must turn out to be broken, every cut delivered.
    fn new(arguments: &[&str], command: &[String]) -> Shaken {
        let mut shake = program();
        shake.args(["shake", "--json"]).args(arguments).arg("--").args(command);
        let output = shake.output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {said}"));
        assert_eq!((output.status.code(), text(&report["verdict"])), (Some(6), "broken"), "{report:#}");
        let number = |key: &str| report[key].as_u64().expect("a number of the report");
        // Cases that did not run, because enough had failed, count as planned too.
        let tried = number("delivered") + number("impossible");
        assert_eq!(tried + number("untried"), number("planned"), "{report:#}");
        Shaken { report }
    }

    /// Tries a server, unstick being the client.
    fn of_server(arguments: &[&str]) -> Shaken {
        Shaken::new(arguments, &[])
    }

    /// Tries a script that is told where to connect to.
    fn of_client(arguments: &[&str], script: &str) -> Shaken {
        Shaken::new(arguments, &words(python(script).args(["{host}", "{port}"])))
    }

    /// The one finding whose smallest case begins with this text.
    fn finding(&self, case: &str) -> &Value {
        let findings = self.report["findings"].as_array().expect("a report has findings");
        let fits = |finding: &&Value| finding["case"].as_str().is_some_and(|text| text.starts_with(case));
        findings.iter().find(fits).unwrap_or_else(|| panic!("no finding {case}: {:#}", self.report))
    }

    /// Checks the number of findings, and that the command of each repeats it.
    fn accuses_in(&self, findings: usize) {
        let found = self.report["findings"].as_array().expect("a report has findings");
        assert_eq!(found.len(), findings, "{:#}", self.report);
        for finding in found {
            let again = text(&finding["again"]).strip_prefix("unstick ").expect("it is our command");
            let line = format!("'{}' {again}", env!("CARGO_BIN_EXE_unstick"));
            let output = Command::new("sh").args(["-c", &line]).output().expect("there is a shell");
            let told = String::from_utf8(output.stdout).expect("a report is text");
            assert_eq!(output.status.code(), Some(6), "{line}\n{told}");
            assert!(told.lines().all(fits_a_terminal), "{told}");
            assert!(told.contains(&format!("smallest case  {}\n", text(&finding["case"]))), "{line}\n{told}");
        }
    }
}

/// Whether a line fits in 80 columns, or is a command to copy, or holds a path that is too long for any terminal.
fn fits_a_terminal(line: &str) -> bool {
    line.chars().count() <= 80 || line.starts_with("   run it again") || !line.trim_start().contains(' ')
}

/// The places of single cuts that fail in this way, ascending.
fn cuts(finding: &Value, way: &str) -> Vec<u64> {
    let start = format!("{way}:cut@");
    let mut places: Vec<u64> =
        failing(finding).iter().filter_map(|case| case.strip_prefix(&start)?.parse().ok()).collect();
    places.sort_unstable();
    places
}

/// The cases that fail in this way.
fn failing(finding: &Value) -> Vec<&str> {
    finding["failing"].as_array().expect("a finding has cases").iter().map(text).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A server that prints its port in its first line, and its address.
fn started(command: &mut Command) -> (Process, String) {
    let mut process = Process::start(command);
    let line = process.line();
    let port = port_at_end(&line).unwrap_or_else(|| panic!("no port in {line:?}"));
    (process, format!("127.0.0.1:{port}"))
}

fn subject(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/shake_finds").join(name)
}

fn python(script: &str) -> Command {
    let mut command = Command::new(python_itself());
    command.arg("-S").arg(subject(script));
    command
}

fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(subject(script));
    command
}

fn words(command: &Command) -> Vec<String> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_str().expect("paths are text").to_owned()).collect()
}

fn shell_words(command: &Command) -> String {
    words(command).iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}
