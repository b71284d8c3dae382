//! Transcripts: both directions of a recorded conversation give the same messages, also with gaps and from the middle.

use unstick_wire::{Framing, Piece, Role, Transcript};

use crate::drive::{encode, framing};

fn transcript(spec: &str) -> Transcript {
    Transcript::new(&Framing::parse(spec).unwrap())
}

/// The pieces that a direction has now: messages with their places, and the error that ended it.
fn taken(transcript: &mut Transcript, from: Role) -> (Vec<(u64, String)>, Option<String>) {
    let mut messages = Vec::new();
    while let Some(piece) = transcript.next(from) {
        match piece {
            Piece::Message(frame) => {
                messages.push((frame.offset, String::from_utf8_lossy(frame.message).into_owned()));
            }
            Piece::Failed(error) => return (messages, Some(format!("@{}: {error}", error.offset()))),
            _ => unreachable!(),
        }
    }
    (messages, None)
}

fn messages(transcript: &mut Transcript, from: Role) -> Vec<(u64, String)> {
    let (messages, error) = taken(transcript, from);
    assert_eq!(error, None);
    messages
}

fn at(offset: u64, text: &str) -> (u64, String) {
    (offset, text.to_owned())
}

#[test]
fn messages_have_their_places_however_the_bytes_are_cut() {
    let stream = encode(&framing("u16be"), [b"one", b"two"]);
    for cut in 0..=stream.len() {
        let mut transcript = transcript("u16be");
        let mut seen = Vec::new();
        for part in [&stream[..cut], &stream[cut..]] {
            transcript.segment(Role::Server, part);
            seen.extend(messages(&mut transcript, Role::Server));
        }
        assert_eq!(seen, [at(0, "one"), at(5, "two")]);
        assert_eq!((transcript.length(Role::Server), transcript.length(Role::Client)), (10, 0));
    }
}

#[test]
fn each_side_of_a_preset_has_its_framing_and_responses_know_their_requests() {
    let mut transcript = transcript("http");
    transcript.segment(Role::Client, b"HEAD / HTTP/1.1\r\n\r\n");
    assert_eq!(messages(&mut transcript, Role::Client).len(), 1);
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    transcript.segment(Role::Server, response.as_bytes());
    assert_eq!(messages(&mut transcript, Role::Server), [at(0, response)]);
}

#[test]
fn behind_a_gap_lines_are_found_again_and_lengths_are_not() {
    let mut lines = transcript("line");
    lines.segment(Role::Client, b"one\ntw");
    assert_eq!(messages(&mut lines, Role::Client), [at(0, "one")]);
    let gap = lines.gap(Role::Client, 10);
    assert_eq!((gap.offset, gap.bytes, gap.unfinished, gap.resumes), (6, 10, 2, true));
    lines.segment(Role::Client, b"ee\nfour\n");
    assert_eq!(messages(&mut lines, Role::Client), [at(19, "four")]);
    let damage = lines.take_damage(Role::Client, false).expect("the rest of a line");
    assert_eq!((damage.bytes, damage.at), (3, 16));

    let mut lengths = transcript("u16be");
    lengths.segment(Role::Client, b"\0\x01a\0");
    assert_eq!(messages(&mut lengths, Role::Client), [at(0, "a")]);
    let gap = lengths.gap(Role::Client, 3);
    assert_eq!((gap.unfinished, gap.resumes), (1, false));
    lengths.segment(Role::Client, b"\0\x01b");
    assert_eq!(messages(&mut lengths, Role::Client), []);
    assert_eq!((lengths.undecoded(Role::Client), lengths.length(Role::Client)), (3, 10));
    // Without a framing, only these bytes are missing.
    let mut raw = transcript("raw");
    assert!(raw.gap(Role::Server, 1).resumes);
    raw.segment(Role::Server, b"b");
    assert_eq!(messages(&mut raw, Role::Server), [at(1, "b")]);
}

#[test]
fn one_that_begins_in_the_middle_begins_in_its_last_phase() {
    let mut transcript = transcript("u16be/line");
    transcript.begins_in_the_middle(Role::Server);
    transcript.segment(Role::Server, b"one\n");
    transcript.segment(Role::Client, b"\0\x01a");
    assert_eq!(messages(&mut transcript, Role::Server), [at(0, "one")]);
    assert_eq!(messages(&mut transcript, Role::Client), [at(0, "a")]);
}

#[test]
fn a_first_segment_that_only_the_first_phase_fits_is_the_beginning() {
    const HELLO: &[u8] = b"\x13BitTorrent protocol";
    let mut transcript = transcript("fixed:20/u16be,max=1K");
    for role in [Role::Client, Role::Server] {
        transcript.begins_in_the_middle(role);
    }
    transcript.segment(Role::Client, HELLO);
    transcript.segment(Role::Client, b"\0\x01a");
    assert_eq!(messages(&mut transcript, Role::Client), [at(0, "\x13BitTorrent protocol"), at(20, "a")]);
    // The last phase fits this one, so it is taken.
    transcript.segment(Role::Server, b"\0\x01b");
    transcript.segment(Role::Server, b"\0\x01c");
    assert_eq!(messages(&mut transcript, Role::Server), [at(0, "b"), at(3, "c")]);
}

#[test]
fn bytes_that_break_the_framing_end_their_direction_alone() {
    let mut transcript = transcript("u32be");
    transcript.segment(Role::Client, b"\0\0\0\x01aGET / HTTP/1.1\r\n");
    let (seen, error) = taken(&mut transcript, Role::Client);
    assert_eq!(seen, [at(0, "a")]);
    assert!(error.as_deref().is_some_and(|error| error.starts_with("@5: length ")), "{error:?}");
    assert!(transcript.is_stopped(Role::Client) && !transcript.is_stopped(Role::Server));
    transcript.segment(Role::Client, b"more");
    assert_eq!((messages(&mut transcript, Role::Client), transcript.undecoded(Role::Client)), (vec![], 4));
}

#[test]
fn an_end_makes_a_last_message_and_a_break_does_not() {
    let mut ended = transcript("line");
    ended.segment(Role::Client, b"half");
    ended.finish(Role::Client);
    assert_eq!(messages(&mut ended, Role::Client), [at(0, "half")]);
    assert_eq!(ended.finish_truncated(Role::Client), Ok(()));
    let mut broken = transcript("line");
    broken.segment(Role::Client, b"half");
    assert_eq!(messages(&mut broken, Role::Client), []);
    assert_eq!(broken.pending(Role::Client), b"half");
    assert!(broken.held() >= 4);
    assert!(broken.finish_truncated(Role::Client).is_err_and(|error| error.is_incomplete()));
    let mut dropped = transcript("line");
    dropped.segment(Role::Server, b"half");
    assert_eq!(messages(&mut dropped, Role::Server), []);
    dropped.abandon();
    assert_eq!((dropped.held(), dropped.is_stopped(Role::Server)), (0, true));
}

#[test]
fn a_switch_in_the_middle_keeps_the_places_and_drops_what_is_unfinished() {
    let mut transcript = transcript("line");
    transcript.segment(Role::Client, b"STARTTLS\n");
    transcript.segment(Role::Server, b"ready\nS");
    assert_eq!(messages(&mut transcript, Role::Client), [at(0, "STARTTLS")]);
    assert_eq!(messages(&mut transcript, Role::Server), [at(0, "ready")]);
    transcript.switch_to(&framing("u8"));
    transcript.segment(Role::Client, b"\x02ab");
    transcript.segment(Role::Server, b"\x01c");
    transcript.finish(Role::Server);
    assert_eq!(messages(&mut transcript, Role::Client), [at(9, "ab")]);
    assert_eq!(messages(&mut transcript, Role::Server), [at(7, "c")]);
    // The other framing knows of the end, too.
    transcript.switch_to(&framing("line"));
    assert!(transcript.finish_truncated(Role::Server).is_ok());
}
