//! Tests the commands of `--each` and `exec:`: at most the allowed number at once; they end with the peer that caused
//! them and with the run; and how a terminal shows their errors.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, test_kill_process};

use crate::rig::{Gate, Peer, Process, Terminal, is_gone, port_at_end, python_with_packages, unstick_listen};

/// The time limit for all of them together, on a busy machine. One after the other, they would take far longer.
const TOGETHER: Duration = Duration::from_secs(15);

fn is_there(id: &str) -> bool {
    test_kill_process(Pid::from_raw(id.trim().parse().unwrap()).unwrap()).is_ok()
}

/// The ids that a command has printed: its own and its child's.
fn ids(peer: &mut Peer) -> Vec<String> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        std::io::Read::read_exact(&mut peer.stream(), &mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap().split_whitespace().map(str::to_owned).collect()
}

// ---- the end of a run ----

/// `PROCESS_GRACE`: all processes share one.
#[test]
fn fifty_processes_that_ignore_sigterm_end_together_with_the_run() {
    let stubborn = "exec:trap '' TERM; sleep 1000 & echo $$ $!; while :; do sleep 1000; done";
    let (mut bridge, port) = unstick_listen(&["127.0.0.1:0", "--to", stubborn]);
    let mut peers: Vec<Peer> = (0..50).map(|_| Peer::connect(port)).collect();
    let ids: Vec<String> = peers.iter_mut().flat_map(ids).collect();
    let begun = Instant::now();
    bridge.signal(Signal::TERM);
    assert_eq!(bridge.code(), 143);
    assert!(begun.elapsed() < TOGETHER, "{:?}", begun.elapsed());
    ids.iter().for_each(|id| is_gone(id));
}

#[test]
fn what_commands_left_in_the_background_ends_with_the_run() {
    let command = "sleep 1000 >/dev/null 2>&1 & echo $!";
    for arguments in [&["--each", command][..], &["--to", &format!("exec:read _; {command}; cat")]] {
        let (mut listener, port) = unstick_listen(&[&["127.0.0.1:0"], arguments].concat());
        let mut peer = Peer::connect(port);
        peer.says("x\n");
        let ids = ids(&mut peer);
        assert!(is_there(&ids[0]), "the answer does not end it");
        listener.signal(Signal::TERM);
        assert_eq!(listener.code(), 143);
        is_gone(&ids[0]);
    }
}

#[test]
fn a_second_signal_leaves_no_process_either() {
    let (mut bridge, port) = unstick_listen(&["127.0.0.1:0", "--to", "exec:trap '' TERM; echo $$; cat; sleep 1000"]);
    let mut peer = Peer::connect(port);
    let ids = ids(&mut peer);
    bridge.signal(Signal::TERM);
    bridge.signal(Signal::INT);
    assert!([130, 143].contains(&bridge.code()));
    is_gone(&ids[0]);
}

/// In a container, the session of the run may be one from outside, which has the number 0 there.
#[test]
fn commands_end_with_a_run_whose_session_is_outside_its_container() {
    // Prints the processes named `sleep` that are left.
    let script = r#""$0" listen 127.0.0.1:0 --each 'sleep 1000 >/dev/null 2>&1 & echo left' --count 1 </dev/null
                    status=$?; grep -hs '(sleep) [^Z]' /proc/[0-9]*/stat; exit $status"#;
    let mut container = Command::new("unshare");
    container.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]);
    container.args(["sh", "-c", script, env!("CARGO_BIN_EXE_unstick")]);
    let mut listener = Process::start(&mut container);
    let port = port_at_end(&listener.error_line_with("listening on ")).unwrap();
    let mut peer = Peer::connect(port);
    peer.says("x\n");
    peer.hears("left\n");
    assert_eq!(listener.code(), 0, "{}", listener.errors());
    assert_eq!(listener.rest(), "x\n");
}

// ---- the peer that asked ----

/// Prints its id on standard error, and never answers.
const SILENT: &str = "echo command $$ >&2; exec sleep 1000";

fn told(listener: &mut Process) -> String {
    listener.error_line_with("command ").rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_command_ends_with_the_peer_that_asked() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--each", SILENT]);
    let mut other = Peer::connect(port);
    other.says("x\n");
    let others = told(&mut listener);
    let mut peer = Peer::connect(port);
    peer.says("x\n");
    let command = told(&mut listener);
    peer.resets();
    is_gone(&command);
    assert!(is_there(&others));
    // It has half-closed, and waits for its answer.
    other.half_closes();
    let mut third = Peer::connect(port);
    third.says("x\n");
    told(&mut listener);
    assert!(is_there(&others));
}

#[test]
fn a_command_ends_with_the_websocket_that_asked() {
    let (mut listener, port) = unstick_listen(&["ws://127.0.0.1:0", "--each", SILENT]);
    let client = "import asyncio, sys, websockets\n\
                  async def main():\n    \
                      ws = await websockets.connect(f'ws://127.0.0.1:{sys.argv[1]}')\n    \
                      await ws.send('x')\n    \
                      await asyncio.to_thread(input)\n    \
                      await ws.close()\n\
                  asyncio.run(main())";
    let mut client = python_with_packages(client, &[&port.to_string()]);
    let command = told(&mut listener);
    client.feed("\n");
    is_gone(&command);
}

// ---- how many ----

#[test]
fn later_messages_wait_for_room() {
    let gate = Gate::new();
    let script =
        format!("read word; echo $word >&2; if test $word = wait; then read _ < {}; fi; echo $word", gate.path());
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--each", &script, "--max-processes", "1"]);
    let (mut first, mut second) = (Peer::connect(port), Peer::connect(port));
    first.says("wait\n");
    assert_eq!(listener.error_line_with("wait"), "wait");
    second.says("go\n");
    assert_eq!(listener.line(), "wait");
    assert_eq!(listener.line(), "go", "it has been taken");
    gate.open();
    first.hears("wait\n");
    second.hears("go\n");
    assert_eq!(listener.error_line_with("go"), "go", "it ran after the first");
}

/// `MAX_PROCESSES`, here by the option, and `CONNECT_TIMEOUT`.
#[test]
fn later_connections_wait_and_are_refused_with_a_reason() {
    let options = ["--max-processes", "1", "-v"];
    let (mut bridge, port) = unstick_listen(&[&["127.0.0.1:0", "--to", "exec:cat"], &options[..]].concat());
    let mut first = Peer::connect(port);
    first.says("a\n");
    first.hears("a\n");
    let mut second = Peer::connect(port);
    second.is_dropped();
    let said = bridge.error_line_with("cannot run");
    assert!(said.ends_with("cannot run `cat`: 1 process is running already"), "{said}");
    assert_eq!(bridge.error_line_with("hint"), "  hint: --max-processes N allows more");
    first.half_closes();
    first.hears_the_end();
    let mut third = Peer::connect(port);
    third.says("b\n");
    third.hears("b\n");
}

#[test]
fn what_is_left_in_the_background_takes_its_place() {
    let gate = Gate::new();
    let script = format!("read word; test $word = go || (read _ < {}) >/dev/null 2>&1 & echo $word", gate.path());
    let script = script.replace("test $word = go || ", "test $word = go && echo go && exit; ");
    let (_listener, port) = unstick_listen(&["127.0.0.1:0", "--each", &script, "--max-processes", "1"]);
    let mut peer = Peer::connect(port);
    peer.says("stay\n");
    peer.hears("stay\n");
    peer.says("go\n");
    peer.stream().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(std::io::Read::read(&mut peer.stream(), &mut [0]).is_err(), "there is no room");
    peer.stream().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    gate.open();
    peer.hears("go\n");
}

// ---- what is shown ----

#[test]
fn errors_of_commands_are_safe_on_a_terminal() {
    let nasty = r"printf '\033[2J\302\233x\342\200\256y\n' >&2; echo done";
    let terminal = Terminal::unstick(&["listen", "127.0.0.1:0", "--each", nasty], 100);
    let screen = terminal.shows("listening on");
    let port = port_at_end(screen.lines().find(|line| line.contains("listening on")).unwrap()).unwrap();
    let mut peer = Peer::connect(port);
    peer.says("x\n");
    peer.hears("done\n");
    terminal.shows(r"\x1b[2J\u{9b}x\u{202e}y");
    let written = terminal.written_up_to("y");
    assert!(!written.contains(['\u{9b}', '\u{202e}']) && !written.contains("\x1b[2J"), "{written:?}");
}

#[test]
fn errors_of_commands_pass_as_they_are_elsewhere() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--each", r"printf '\033[2J\n' >&2; echo done"]);
    let mut peer = Peer::connect(port);
    peer.says("x\n");
    peer.hears("done\n");
    assert_eq!(listener.error_line_with("[2J"), "\x1b[2J");
}
