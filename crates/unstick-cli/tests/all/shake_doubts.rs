//! Tests `shake` with programs that it must neither pass nor accuse, as users run it: the whole command, its exit
//! status and its output.
//!
//! Not here: the library's tests without programs (`doubted`), and well-known servers (`shake_spares`).

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::process::Command;

use rustix::process::Signal;

use crate::rig::{Process, python_itself, temporary, unstick};

/// Answers lines in capitals after a while, and drops the answer if the client ends its side meanwhile.
const LATE: &str = r#"
import asyncio, sys
class Late(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.asked = transport, b""
    def data_received(self, data):
        self.asked += data
        if self.asked.endswith(b"\n"):
            asyncio.get_running_loop().call_later(0.02, self.transport.write, self.asked.upper())
            self.asked = b""
async def main():
    server = await asyncio.get_running_loop().create_server(Late, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"#;

/// A server without an error handler: a reset of a connection ends it.
const NAIVE: &str = r#"
const server = require('net').createServer(connection => connection.on('data', data => connection.write(data)));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"#;

/// A server that prints its port in its first line.
fn started(command: &mut Command) -> (Process, String) {
    let mut process = Process::start(command);
    let port = process.line().trim().to_owned();
    (process, format!("127.0.0.1:{port}"))
}

fn python(script: &str) -> Command {
    let mut command = Command::new(python_itself());
    command.args(["-S", "-c", script]);
    command
}

#[test]
fn an_asyncio_protocol_that_answers_late() {
    let (_server, to) = started(&mut python(LATE));
    let mut shake = unstick(&["shake", "--to", &to, "--send", "hello\n"]);
    let report = shake.rest();
    assert!(report.starts_with("SAME EVERYWHERE\n") && report.contains("\n  half-close  no answer: "), "{report}");
    assert_eq!(shake.code(), 0);
    let mut shake = unstick(&["shake", "--to", &to, "--send", "hello\n", "--no-half-close"]);
    let report = shake.rest();
    assert!(report.starts_with("SAME EVERYWHERE\n") && !report.contains("half-close"), "{report}");
    let mut shake = unstick(&["shake", "--to", &to, "--send", "hello\n", "--strict-end"]);
    let report = shake.rest();
    assert!(report.contains("smallest case  c2s:half-close\n"), "{report}");
    assert_eq!(shake.code(), 6);
}

#[test]
fn a_server_of_node_without_a_handler_of_errors_lives_on() {
    let mut command = Command::new("node");
    let (server, to) = started(command.args(["-e", NAIVE]));
    for _ in 0..2 {
        for half_close in [&[][..], &["--no-half-close"]] {
            let mut shake = unstick(&[&["shake", "--to", &to, "--send", "hello"], half_close].concat());
            // It takes each read for a message, and echoes it. So the bytes do not differ.
            assert!(shake.rest().starts_with("SAME EVERYWHERE\n"));
            assert_eq!(shake.code(), 0);
        }
    }
    server.signal(Signal::TERM);
}

#[test]
fn a_program_that_does_not_start_is_inconclusive_and_no_server() {
    for (command, why) in [
        (&["false"][..], "the program exits 1 without an answer"),
        (&["python3", "/no/such/script.py"], "can't open file"),
        (&["sh", "-c", "exec cat > /dev/null"], "the program printed nothing"),
    ] {
        let mut shake = unstick(&[&["shake", "--stdio", "--send", "hello", "--"], command].concat());
        let report = shake.rest();
        let flat = report.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(report.starts_with("INCONCLUSIVE\n") && flat.contains(why), "{report}");
        assert!(!report.contains("server"), "{report}");
        assert_eq!(shake.code(), 7);
    }
}

/// If the client or the server does not start, there is no report, and the test does not pass.
#[test]
fn a_client_and_a_server_that_do_not_start_are_inconclusive_too() {
    let (_server, to) = started(&mut python(LATE));
    for (arguments, why) in [
        (&["--to", &to, "--", "false"][..], "the client exits 1 without connecting"),
        (&["--to", &to, "--", "/no/such/client"], "cannot start `/no/such/client`"),
        (&["--to", "127.0.0.1:0", "--start", "exit 3", "--send", "x"], "the server `exit 3` exits 3 before it listens"),
    ] {
        let mut shake = unstick(&[&["shake"], arguments].concat());
        let said = shake.errors();
        assert_eq!((said.contains(why), shake.code()), (true, 7), "{said}");
    }
}

#[test]
fn an_interrupt_prints_what_was_found_so_far() {
    let folder = temporary();
    let junit = folder.path().join("report.xml");
    let (_server, to) = started(&mut python(LATE));
    for form in [&[][..], &["--json"]] {
        let request = format!("{}\n", "x".repeat(3000));
        let arguments = ["shake", "--to", &to, "--send", &request, "--jobs", "1", "--junit", junit.to_str().unwrap()];
        let shake = &mut unstick(&[&arguments, form].concat());
        // It prints an estimate after the runs without cuts.
        shake.error_line_with("cases will take about");
        shake.signal(Signal::INT);
        let report = shake.rest();
        assert!(report.contains("it was interrupted"), "{report}");
        assert!(report.starts_with("INCONCLUSIVE\n") || report.contains("\"verdict\":\"inconclusive\""), "{report}");
        assert_eq!(shake.code(), 130);
        let xml = std::fs::read_to_string(&junit).unwrap();
        assert!(xml.contains("<error message=\"inconclusive: it was interrupted"), "{xml}");
    }
}

#[test]
fn half_close_is_no_case_of_a_client_s() {
    let mut shake = unstick(&["shake", "--to", ":1", "--case", "c2s:half-close", "--", "true"]);
    let said = shake.errors();
    assert!(said.starts_with("unstick: a client ends its side itself"), "{said}");
    assert_eq!(shake.code(), 2);
}
