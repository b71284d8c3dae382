//! Tests `--fault`: each fault happens to what passes a bridge, repeats with its seed, and is reported.

use std::io::Read;

use unstick::wire::faults::Plan;

use crate::rig::{Peer, Process, listener, port_at_end, unstick};

/// A bridge of lines with these faults, and its port.
fn bridge(address: &str, more: &[&str]) -> (Process, u16) {
    let mut process = unstick(&[&["listen", "127.0.0.1:0", "--to", address], more].concat());
    let line = process.error_line_with("listening on ");
    let port = line.split(" for ").next().and_then(port_at_end);
    (process, port.expect("the bridge names its port"))
}

/// Returns what a server receives of the lines 0 to 99, through a bridge with these faults.
fn heard(port: u16, server: &std::net::TcpListener) -> String {
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(server));
    client.says((0..100).map(|number| format!("{number}\n")).collect::<String>());
    client.half_closes();
    let heard = far.hears_all();
    String::from_utf8(heard).expect("lines are text")
}

/// The table of the reference, the help and the parser hold the same faults.
#[test]
fn the_faults_of_the_help_and_of_the_reference_are_those_there_are() {
    let unknown = Plan::parse(&["?"]).expect_err("there is no such fault");
    let names = unknown.hint().and_then(|hint| hint.strip_prefix("there are ")).expect("it lists them");
    let help = unstick(&["listen", "--help"]).rest();
    let reference = include_str!("../../../../docs/reference.md");
    let table = reference.split("| fault | on messages").nth(1).expect("it has a table of them");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with("| `")).collect();
    let specs: Vec<&str> =
        rows.iter().flat_map(|row| row.split('|').nth(1).expect("a cell").split('`').skip(1).step_by(2)).collect();
    for spec in &specs {
        assert!(Plan::parse(&[spec]).is_ok(), "{spec}");
    }
    for name in names.split(", ") {
        assert!(specs.iter().any(|spec| spec.split('=').next() == Some(name)), "{name} is not in docs/reference.md");
        assert!(help.split([' ', '=', ',', ';', '.', '\n']).any(|word| word == name), "{name} is not in the help");
    }
}

#[test]
fn every_client_meets_the_same_faults_and_another_seed_means_others() {
    let (server, address) = listener();
    let faults = ["-f", "line", "--fault", "c2s:loss=20% c2s:dup=10%", "--fault", "c2s:reorder=10%,gap=2"];
    let (_process, port) = bridge(&address, &faults);
    let first = heard(port, &server);
    assert_ne!(first, (0..100).map(|number| format!("{number}\n")).collect::<String>());
    assert_eq!(heard(port, &server), first, "the second client");
    let (_again, port) = bridge(&address, &[&faults[..], &["--seed", "0"]].concat());
    assert_eq!(heard(port, &server), first, "another run");
    let (_other, port) = bridge(&address, &[&faults[..], &["--seed", "1"]].concat());
    assert_ne!(heard(port, &server), first, "another seed");
}

/// Each time, other reads return the bytes. The faults do not depend on that.
#[test]
fn bytes_meet_the_same_faults_however_they_were_read() {
    let (server, address) = listener();
    let faults = ["-v", "--fault", "c2s:corrupt=1:20,after=7 c2s:delay=1ms..3ms c2s:cut=100 c2s:stall=5ms,after=1500"];
    let (mut process, port) = bridge(&address, &faults);
    let text: Vec<u8> = (0..3000_u16).map(|number| number as u8).collect();
    let mut pass = |pieces: &[usize]| {
        let (mut client, far) = (Peer::connect(port), Peer::accept(&server));
        let (mut rest, mut heard) = (&text[..], Vec::new());
        for piece in pieces.iter().copied().chain([text.len() - pieces.iter().sum::<usize>()]) {
            client.says(&rest[..piece]);
            rest = &rest[piece..];
            // The next piece is sent only after this one has been read, so it is another read.
            let mut some = vec![0; piece];
            far.stream().read_exact(&mut some).expect("it comes");
            heard.extend(some);
        }
        drop((client, far));
        let line = process.error_line_with(" c2s: ");
        let left = process.error_line_with("left: ");
        assert!(left.trim_end().ends_with("(3000 bytes to the server, 0 bytes back)"), "{left}");
        (heard, line.trim_end().split_once(" c2s: ").expect("it says what").1.to_owned())
    };
    let whole = pass(&[]);
    assert!(whole.1.ends_with(", cut 29, delay 3000, stall 1 of 3000 bytes taken"), "{}", whole.1);
    assert_ne!(whole.0, text);
    assert!(pass(&[1, 99, 63, 1000, 337, 1]) == whole, "in seven reads");
    assert!(pass(&[1500]) == whole, "in two reads");
}

#[test]
fn only_the_direction_that_was_named_is_concerned_and_counts_are_told() {
    let (server, address) = listener();
    let (mut process, port) = bridge(&address, &["-f", "line", "-v", "--fault", "s2c:loss=100%"]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("question\n");
    far.hears("question\n");
    far.says("answer\nanother\n");
    drop(far);
    client.hears_the_end();
    drop(client);
    let line = process.error_line_with("c2s: ");
    assert!(line.trim_end().ends_with("peer 1 c2s: nothing of 1 message taken"), "{line}");
    let line = process.error_line_with("s2c: ");
    assert!(line.trim_end().ends_with("peer 1 s2c: loss 2 of 2 messages taken"), "{line}");
}

#[test]
fn a_connection_ends_where_it_was_ordered_to() {
    let (server, address) = listener();
    let (_close, port) = bridge(&address, &["--fault", "c2s:close,after=5"]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("0123456789");
    assert_eq!(far.hears_all(), b"01234");
    client.hears_the_end();

    let (_reset, port) = bridge(&address, &["-f", "line", "--fault", "s2c:reset,after=1"]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    // The first line arrives, although the reset follows at once.
    far.says("one\ntwo\n");
    client.hears("one\n");
    far.is_dropped();
    client.is_dropped();
}

#[test]
fn bytes_are_turned_and_cut_but_none_is_lost() {
    let (server, address) = listener();
    let (_process, port) = bridge(&address, &["--fault", "corrupt=1:10", "--fault", "c2s:cut=1"]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says([0; 1000]);
    client.half_closes();
    let heard = far.hears_all();
    assert_eq!(heard.len(), 1000);
    let turned = heard.iter().filter(|byte| **byte != 0).count();
    assert!((50..150).contains(&turned), "{turned} of 1000");
}

/// If both ends use the framing `line`, the bridge must not drop a CR before the LF.
#[test]
fn what_no_fault_concerns_passes_as_it_was() {
    let (server, address) = listener();
    let (_process, port) = bridge(&address, &["-f", "line", "--fault", "dup=100%,after=1"]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("PING\r\nQUIT\n");
    far.hears("PING\r\nQUIT\nQUIT\n");
}

/// A line with a flipped bit may hold an LF, which no line can. The bridge drops it, as a bad network would, and passes the rest.
#[test]
fn what_a_fault_leaves_without_a_frame_is_left_out_and_told() {
    let (server, address) = listener();
    let (mut process, port) = bridge(&address, &["-f", "line", "-v", "--dump", "--fault", "c2s:corrupt=1:5"]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("JJJJJJJJ\n".repeat(100)); // One bit from an LF.
    client.half_closes();
    let heard = far.hears_all();
    assert_eq!(heard.len() % 9, 0, "{}", heard.escape_ascii());
    let lines = heard.len() / 9;
    drop((client, far));
    let line = process.error_line_with(" c2s: ");
    assert!(lines > 50 && line.contains(&format!(", left out {} of 100 messages taken", 100 - lines)), "{line}");
    process.signal(rustix::process::Signal::TERM);
    let shown = process.rest().lines().filter(|line| line.contains(" c2s 8 bytes")).count();
    assert_eq!(shown, lines, "the dump shows what arrives");
}

#[test]
fn what_was_done_is_told_when_a_run_ends_before_its_bridges() {
    let (server, address) = listener();
    for how in [&["--idle", "100ms"][..], &[]] {
        let faults = ["-f", "line", "-v", "--fault", "c2s:dup=100%"];
        let (mut process, port) = bridge(&address, &[&faults, how].concat());
        let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
        client.says("x\n");
        far.hears("x\nx\n");
        if how.is_empty() {
            process.signal(rustix::process::Signal::TERM);
        }
        let line = process.error_line_with("c2s: ");
        assert!(line.trim_end().ends_with("peer 1 c2s: dup 1 of 1 message taken"), "{line}");
    }
}

#[test]
fn a_script_is_told_what_was_done() {
    let (server, address) = listener();
    let (mut process, port) =
        bridge(&address, &["-f", "line", "--json", "--once", "--dump", "--fault", "c2s:dup=100%"]);
    let (mut client, mut far) = (Peer::connect(port), Peer::accept(&server));
    client.says("x\n");
    far.hears("x\nx\n");
    drop((client, far));
    let lines: Vec<serde_json::Value> =
        process.rest().lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let faults = lines.iter().find(|line| line["event"] == "faults").expect("it is told");
    assert_eq!((&faults["direction"], &faults["taken"], &faults["done"]["dup"]), (&"c2s".into(), &1.into(), &1.into()));
    assert_eq!(faults["unit"], "messages");
    assert_eq!(lines.iter().filter(|line| line["event"] == "message").count(), 2, "the dump shows what arrives");
}
