//! Runs the Rust examples of both libraries, each once with `unstick` at the other end, and scripts that serve many
//! peers.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use crate::rig::{Process, port_at_end, python_itself, unstick, unstick_listen};

/// Returns an example, built by the cargo that runs this test. It builds all examples once, before any time is measured, and with
/// the features of the whole workspace: if the whole workspace is tested, nothing is built twice.
fn example(name: &str, arguments: &[&str]) -> Process {
    static BUILT: LazyLock<()> = LazyLock::new(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--workspace", "--examples"]);
        let built = cargo.output().expect("cargo can be run");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    });
    *BUILT;
    let program = Path::new(env!("CARGO_BIN_EXE_unstick")).with_file_name("examples").join(name);
    Process::start(Command::new(program).args(arguments))
}

#[test]
fn echo_server() {
    let mut server = example("echo_server", &["127.0.0.1:0", "u32be"]);
    let port = port_at_end(&server.expect("\n")).expect("it names its port");
    for question in ["one", "two\nlines"] {
        let mut client = unstick(&["ask", &format!("127.0.0.1:{port}"), "-f", "u32be", "--io", "raw", question]);
        assert_eq!(client.rest(), question);
        server.expect(": 1 messages, and it has ended\n");
    }
    let mut wrong = unstick(&["connect", &format!("127.0.0.1:{port}"), "-f", "raw", "--send", "GET / HTTP/1.1"]);
    server.expect("is the peer speaking HTTP?\n");
    assert_eq!(wrong.rest(), "");
}

#[test]
fn ask() {
    let (_listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "struct:i", "--each", "tr a-z A-Z"]);
    let mut client = example("ask", &[&format!("127.0.0.1:{port}"), "struct:i", "hello"]);
    assert_eq!(client.rest(), "HELLO\n");
    assert_eq!(client.code(), 0);
}

#[test]
fn chat_client() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "u32be"]);
    let mut client = example("chat_client", &[&format!("127.0.0.1:{port}"), "u32be"]);
    client.feed("hello\n");
    assert_eq!(listener.line(), "hello");
    client.end_input();
    listener.feed("still here\n");
    client.expect("still here\n");
    listener.end_input();
    assert_eq!(client.code(), 0);
}

#[test]
fn udp_question() {
    let (_listener, port) = unstick_listen(&["udp://127.0.0.1:0", "--reply", "noon"]);
    let mut client = example("udp_question", &[&format!("udp://127.0.0.1:{port}"), "what time is it?"]);
    assert_eq!(client.rest(), "noon\n");
    assert_eq!(client.code(), 0);
}

#[test]
fn decode() {
    let mut example = example("decode", &[]);
    let text = example.rest();
    assert_eq!(text.matches(r#"["Hello", "Grüße"]"#).count(), 3, "{text}");
    assert!(text.ends_with("is the peer speaking HTTP?\n"), "{text}");
}

#[test]
fn shake_decoder() {
    let report = example("shake_decoder", &[]).rest();
    assert!(report.starts_with("BROKEN: "), "{report}");
    assert!(report.contains("smallest case  c2s:cut@1\n"), "{report}");
}

#[test]
fn a_script_runs_a_room_through_json() {
    runs_a_room(Command::new(python_itself()), "python/json_room.py");
}

#[test]
fn a_script_of_node_runs_a_room_through_json() {
    runs_a_room(Command::new("node"), "node/room.mjs");
}

#[test]
fn a_test_of_node_shakes_a_server() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/node/server.test.mjs");
    let mut command = Command::new("node");
    command.args(["--test", file]).env("UNSTICK", env!("CARGO_BIN_EXE_unstick"));
    let mut tests = Process::start(&mut command);
    let told = tests.rest();
    assert_eq!(tests.code(), 0, "{told}");
    assert!(told.contains("pass 1"), "{told}");
}

fn runs_a_room(mut command: Command, script: &str) {
    let script = format!("{}/../../examples/{script}", env!("CARGO_MANIFEST_DIR"));
    command.args([&script, env!("CARGO_BIN_EXE_unstick"), "listen", "--json", "127.0.0.1:0"]);
    let mut room = Process::start(&mut command);
    let port = port_at_end(&room.error_line_with("listening on ")).expect("it names its port");
    let join = || unstick(&["connect", &format!("127.0.0.1:{port}"), "-f", "line"]);
    let (mut one, mut two, mut three) = (join(), join(), join());
    let mut seats = [&mut one, &mut two, &mut three].map(|peer| {
        let welcome = peer.line();
        welcome.split_whitespace().nth(3).expect("it prints the client's number").to_owned()
    });
    one.feed("hello, all\n");
    for peer in [&mut two, &mut three] {
        assert_eq!(peer.line(), format!("{}: hello, all", seats[0]));
    }
    seats.sort();
    assert_eq!(seats, ["1", "2", "3"]);
}
