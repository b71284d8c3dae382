//! Readers that do not read: standard error in a full pipe, a stopped terminal, standard output that nobody reads. The
//! run goes on, and signals end it.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Peer, Process, Terminal, Unread, listener, port_at_end, program, python_itself, unstick_listen};

/// The time limit for an end that is not held up: far above what a busy machine needs, below the time of a run that waits for a
/// reader.
const SOON: Duration = Duration::from_secs(18);

/// `unstick` with these arguments. Nobody reads its standard error.
fn unheard(arguments: &[&str]) -> (Process, Unread) {
    let (unread, errors) = Unread::pipe();
    (Process::start_on(program().args(arguments), Stdio::piped(), errors), unread)
}

/// Checks that the signal ends it with this status.
#[track_caller]
fn ends(mut process: Process, signal: Signal, code: i32) {
    let begun = Instant::now();
    process.signal(signal);
    assert_eq!(process.code(), code);
    assert!(begun.elapsed() < SOON);
}

/// Peers that join, are served and leave while nobody reads the notices.
fn visits(port: u16, count: usize) {
    for _ in 0..count {
        let mut peer = Peer::connect(port);
        peer.says("a\n");
        peer.hears("a\n");
        peer.half_closes();
        peer.hears_the_end();
    }
}

#[test]
fn notices_that_nobody_reads_are_dropped_and_counted() {
    const VISITS: usize = 3000;
    let (process, mut unread) = unheard(&["listen", "127.0.0.1:0", "-f", "line", "--echo", "-v"]);
    let port = port_at_end(&unread.line()).unwrap();
    visits(port, VISITS);
    let mut lines = 0;
    let dropped = loop {
        let line = unread.line();
        match line.split_once("unstick: ... ") {
            Some((_, dropped)) => break dropped.to_owned(),
            None => lines += 1,
        }
    };
    let count: usize = dropped.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(dropped, format!("{count} lines were dropped: standard error was not read"));
    visits(port, 1);
    // The notice that the last peer left may come right after the count.
    let mut line = unread.line();
    if line.contains(&format!("peer {VISITS} left")) {
        lines += 1;
        line = unread.line();
    }
    assert_eq!(lines + count, 2 * VISITS, "each line was written or counted");
    assert!(line.contains(&format!("peer {} joined", VISITS + 1)), "it goes on: {line}");
    ends(process, Signal::TERM, 143);
}

#[test]
fn a_run_whose_notices_nobody_reads_ends_by_every_signal() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let (process, mut unread) = unheard(&["listen", "127.0.0.1:0", "-f", "line", "--echo", "-v"]);
        let port = port_at_end(&unread.line()).unwrap();
        visits(port, 100);
        ends(process, signal, code);
    }
}

#[test]
fn a_dump_that_nobody_reads_holds_no_bridge_up() {
    let (server, address) = listener();
    let (mut process, unread) = unheard(&["connect", "-", "--to", &address, "--dump", "-f", "line"]);
    let mut peer = Peer::accept(&server);
    let mut input = process.take_input();
    let lines = "x".repeat(99) + "\n";
    let all = lines.repeat(8000);
    let writer = std::thread::spawn(move || input.write_all(all.as_bytes()).map(|()| input));
    peer.hears(lines.repeat(8000));
    writer.join().unwrap().unwrap();
    ends(process, Signal::TERM, 143);
    drop(unread);
}

#[test]
fn standard_output_that_nobody_takes_holds_no_end_up() {
    for arguments in [&["-f", "line"][..], &[], &["--json"], &["--io", "hex"]] {
        let (unread, output) = Unread::pipe();
        let (server, address) = listener();
        let mut words = vec!["connect", &address];
        words.extend(arguments);
        let mut process = Process::start_on(program().args(&words), output, Stdio::piped());
        let peer = Peer::accept(&server);
        peer.stream().set_nonblocking(true).unwrap();
        let mut sent = 0;
        // Until neither side takes more.
        while sent < 64 << 20 {
            match Write::write(&mut peer.stream(), &b"0123456\n".repeat(1000)) {
                Ok(count) => sent += count,
                Err(_) if is_blocked(&process) => break,
                Err(_) => std::thread::yield_now(),
            }
        }
        let begun = Instant::now();
        process.signal(Signal::TERM);
        process.signal(Signal::TERM);
        assert_eq!(process.code(), 143, "{arguments:?}");
        assert!(begun.elapsed() < SOON, "a second signal ends it at once");
        drop(unread);
    }
}

/// Waits until its main thread waits for something.
fn is_blocked(process: &Process) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    status.lines().any(|line| line.starts_with("State:") && line.contains('S'))
}

#[test]
fn verbs_that_print_end_by_a_signal_though_nobody_reads() {
    let (server, address) = listener();
    let (python, hasty) = (python_itself().to_str().unwrap(), "import os; print(os.read(0, 100) * 2000)");
    let echo: &[&str] = &["ask", &address, "x", "-f", "u32be"];
    for arguments in [
        &["framings"][..],
        &["generate", "man"],
        &["lab"],
        &["shake", "--stdio", "--send", "hello", "--json", "--", python, "-c", hasty],
        echo,
    ] {
        let (mut unread, output) = Unread::pipe();
        let process = Process::start_on(program().args(arguments), output, Stdio::piped());
        if arguments == echo {
            let mut peer = Peer::accept(&server);
            peer.hears(b"\0\0\0\x01x");
            peer.says([&[0, 0x20, 0, 0][..], &vec![b'x'; 0x20_0000]].concat());
        }
        unread.begins();
        ends(process, Signal::INT, 130);
        drop(unread);
    }
}

#[test]
fn the_same_complaint_of_many_peers_is_counted() {
    let (mut listener, port) = unstick_listen(&["tls://127.0.0.1:0", "--self-signed"]);
    for _ in 0..100 {
        let mut peer = Peer::connect(port);
        peer.says("this is no TLS\n\n\n");
        peer.is_dropped();
    }
    let counted = listener.error_line_with(" more like this: ");
    let count = counted.trim_start_matches("unstick: and ").split(' ').next().unwrap();
    assert!(count.parse::<u32>().is_ok_and(|count| count > 0), "{counted}");
    ends(listener, Signal::TERM, 143);
}

#[test]
fn a_terminal_that_is_stopped_stops_nothing_else() {
    let mut terminal = Terminal::shell(100);
    terminal.shows("$");
    terminal.types("sleep 1000 | sh -c 'echo this is pid $$; exec $UNSTICK listen 127.0.0.1:0 -f line --echo'\r");
    let screen = terminal.shows("listening on");
    let number = |behind: &str| -> u16 {
        let at = screen.rfind(behind).unwrap() + behind.len();
        let digits: String = screen[at..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    let (port, pid) = (number("listening on tcp://127.0.0.1:"), number("this is pid "));
    let mut peer = Peer::connect(port);
    let lines = "y".repeat(79) + "\n";
    let mut echoes = || {
        for _ in 0..100 {
            peer.says(lines.repeat(100));
            peer.hears(lines.repeat(100));
        }
    };
    terminal.types("\x13");
    echoes();
    terminal.types("\x11");
    terminal.written_up_to("lines were dropped: standard output was not read");
    terminal.types("\x13");
    echoes();
    kill_process(Pid::from_raw(pid.into()).unwrap(), Signal::TERM).unwrap();
    peer.hears_the_end();
}

#[test]
fn a_prompt_whose_terminal_is_not_read_stops_nothing_else() {
    let mut terminal = Terminal::unstick(&["listen", "127.0.0.1:0", "-f", "line"], 100);
    let screen = terminal.shows("listening on");
    let port = port_at_end(screen.lines().find(|line| line.contains("listening on")).unwrap()).unwrap();
    terminal.shows("nobody>");
    terminal.is_read(false);
    let mut peer = Peer::connect(port);
    // More than sockets and the queue of a screen hold.
    peer.says(("y".repeat(79) + "\n").repeat(200_000));
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.ends(), 143);
    terminal.is_read(true);
}
