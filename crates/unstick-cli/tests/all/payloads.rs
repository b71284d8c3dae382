//! Messages as users write them: files, hexadecimal, a preset's own format, and the time before each message that
//! arrives.

use std::fs;

use crate::rig::{Peer, Process, Talk, ask, connect, listener, program, temporary, unstick};

/// Checks that the peer of this run receives these bytes.
#[track_caller]
fn sends(talk: Talk<'_>, frame: &[u8]) {
    talk.meets(|mut peer: Peer| peer.hears(frame));
}

#[test]
fn the_line_end_that_closes_a_file_is_no_content_where_messages_are_lines() {
    let directory = temporary();
    let path = directory.path().join("request");
    let path = path.to_str().unwrap();
    for (content, framing, frames) in [
        ("PING\n", "line", "PING\n"),
        ("PING\r\n", "line", "PING\n"),
        ("PING\n", "crlf", "PING\r\n"),
        ("PING\r\n", "delim:0d0a", "PING\r\n"),
        ("PING\r\n", "line,cr=keep", "PING\r\n"),
        ("PING", "line", "PING\n"),
        ("\n", "line", "\n"),
        ("PING\n", "null", "PING\n\0"),
        ("PING\n", "u8", "\u{5}PING\n"),
    ] {
        fs::write(path, content).unwrap();
        sends(connect(&["-f", framing, "--send-file", path, "--no-wait"]), frames.as_bytes());
        sends(ask(&["-f", framing, "--send-file", path]), frames.as_bytes());
    }
    fs::write(path, "one\ntwo\n").unwrap();
    let refused = unstick(&["connect", "127.0.0.1:1", "--send-file", path]).code();
    assert_eq!(refused, 2, "two lines are no message");
}

#[test]
fn hexadecimal_is_taken_as_at_the_prompt() {
    for text in ["00 0a ff", "0x00:0x0a:0xff", "\\x00\\x0a\\xff", "00,0a,ff"] {
        sends(connect(&["-f", "u8", "--send-hex", text, "--no-wait"]), b"\x03\0\n\xff");
    }
}

#[test]
fn ask_reads_standard_input_in_the_format_of_its_preset_as_connect_does() {
    let hl7 = "MSH|^~\\\\&|A\\rPID|1\n";
    let frame = b"\x0bMSH|^~\\&|A\rPID|1\x1c\r";
    sends(connect(&["-f", "hl7", "--io", "escaped", "--no-wait"]).input(hl7), frame);
    sends(ask(&["-", "-f", "hl7"]).input(hl7), frame);
    sends(ask(&["-", "-f", "crlf"]).input("hi\r\n"), b"hi\r\n");
    sends(ask(&["-", "-f", "hl7", "--io", "line"]).input("MSH\n"), b"\x0bMSH\x1c\r");
}

#[test]
fn a_preset_in_hexadecimal_stays_so_with_times_and_dumps() {
    let request = "000100000006010300000001";
    let frame = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
    for option in ["--time", "--hex", "--wire"] {
        let input = format!("{request}\n");
        sends(connect(&["-f", "modbus", option, "--no-wait"]).input(&input), &frame);
    }
}

#[test]
fn whole_frames_are_dumped_with_the_sizes_of_their_parts() {
    let (listener, address) = listener();
    let mut process = unstick(&["connect", &address, "-f", "crlf", "--wire", "--count", "1", "--no-stdin"]);
    let mut peer = Peer::accept(&listener);
    peer.says("hello\r\n");
    let row = "   0000  68 65 6c 6c 6f 0d 0a                              hello..";
    assert_eq!(process.rest(), format!("1> 7 bytes: payload 5, trailer 2\n{row}\n"), "{}", process.errors());
    assert_eq!(process.code(), 0);
}

#[test]
fn times_stand_in_front_of_the_lines_of_a_pipe_in_the_zone_that_was_asked_for() {
    for (zone, offset) in [("Asia/Tokyo", "+09:00"), ("America/Phoenix", "-07:00"), ("UTC", "+00:00")] {
        for (more, message) in [(&["--io", "escaped"][..], "a\\tb"), (&["-f", "line"], "1> a\tb")] {
            let (listener, address) = listener();
            let arguments = [&["connect", &address, "--time", "--count", "1"], more].concat();
            let mut process = Process::start(program().env("TZ", zone).args(arguments));
            let mut peer = Peer::accept(&listener);
            peer.says("a\tb\n");
            let out = process.rest();
            let (time, rest) = out.split_once(' ').unwrap();
            assert_eq!(rest.trim_end(), message, "{zone}");
            assert!(time.len() == "12:00:00.000+09:00".len() && time.ends_with(offset), "{zone}: {time}");
            let hour: i64 = time[..2].parse().unwrap();
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
            let behind = (now / 3600 + offset[..3].parse::<i64>().unwrap() - hour).rem_euclid(24);
            assert!(behind <= 1, "{zone}: {time} is {behind} hours behind");
        }
    }
}

#[test]
fn a_message_over_16_mib_is_printed_where_the_framing_allows_it() {
    let message = vec![b'm'; 17 << 20];
    let frame = [&(message.len() as u32).to_be_bytes()[..], &message].concat();
    let says = |mut peer: Peer| {
        peer.says(&frame);
        peer.half_closes();
        peer
    };
    for talk in [ask(&["x", "-f", "u32be,max=32M"]), connect(&["-f", "u32be,max=32M", "--io", "raw"]).input("")] {
        let end = talk.meets(says);
        assert_eq!((end.code, end.err.as_str()), (0, ""));
        assert_eq!(end.out.trim_end().len(), message.len());
    }
}
