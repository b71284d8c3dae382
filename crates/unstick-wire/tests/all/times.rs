//! Time, which the caller passes in: the frame timeout and `gap`.

use std::time::{Duration, Instant};

use unstick_wire::Decoder;

use crate::drive::{framing, plain};

const SECOND: Duration = Duration::from_secs(1);

/// A decoder with a frame timeout of ten seconds, and some moment.
fn ten_seconds(spec: &str) -> (Decoder, Instant) {
    let mut decoder = framing(spec).decoder();
    decoder.set_frame_timeout(Some(10 * SECOND));
    #[allow(clippy::disallowed_methods)] // No other way makes an Instant; any will do.
    (decoder, Instant::now())
}

#[test]
fn a_frame_has_so_long_from_its_first_byte_to_its_last() {
    let (mut decoder, t) = ten_seconds("line");
    assert_eq!((decoder.tick(t), decoder.deadline()), (Ok(()), None));
    decoder.feed(b"a");
    assert_eq!(decoder.next(), Ok(None));
    decoder.tick(t).unwrap();
    assert_eq!(decoder.deadline(), Some(t + 10 * SECOND));
    // More bytes do not move the deadline.
    decoder.feed(b"b");
    assert_eq!(decoder.next(), Ok(None));
    decoder.tick(t + 9 * SECOND).unwrap();
    assert_eq!(decoder.deadline(), Some(t + 10 * SECOND));
    let error = decoder.tick(t + 10 * SECOND).unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(plain(&error), "a frame did not end within 10s: 2 bytes of it arrived");
    assert_eq!(decoder.next(), Err(error));
    assert_eq!(decoder.deadline(), None);
}

#[test]
fn the_next_frame_has_its_own_time() {
    let (mut decoder, t) = ten_seconds("line");
    decoder.feed(b"a");
    assert_eq!(decoder.next(), Ok(None));
    decoder.tick(t).unwrap();
    decoder.feed(b"b\nc");
    assert_eq!(decoder.next(), Ok(Some(&b"ab"[..])));
    assert_eq!(decoder.next(), Ok(None));
    decoder.tick(t + 9 * SECOND).unwrap();
    assert_eq!(decoder.deadline(), Some(t + 19 * SECOND));
    decoder.tick(t + 18 * SECOND).unwrap();
    decoder.feed(b"\n");
    assert_eq!(decoder.next(), Ok(Some(&b"c"[..])));
    assert_eq!(decoder.next(), Ok(None));
    assert_eq!((decoder.tick(t + 30 * SECOND), decoder.deadline()), (Ok(()), None));
}

#[test]
fn a_reader_that_takes_its_time_is_no_timeout() {
    let (mut decoder, t) = ten_seconds("line");
    decoder.feed(b"a\nb\n");
    decoder.tick(t).unwrap();
    assert_eq!(decoder.deadline(), None);
    decoder.tick(t + 60 * SECOND).unwrap();
    assert_eq!(decoder.next(), Ok(Some(&b"a"[..])));
    decoder.tick(t + 120 * SECOND).unwrap();
    assert_eq!(decoder.next(), Ok(Some(&b"b"[..])));
}

#[test]
fn a_message_that_is_passed_over_has_no_longer() {
    let (mut decoder, t) = ten_seconds("line,max=3,oversize=discard");
    for second in 0..10 {
        decoder.feed(b"drip");
        assert_eq!(decoder.next(), Ok(None));
        decoder.tick(t + second * SECOND).unwrap();
        assert_eq!(decoder.deadline(), Some(t + 10 * SECOND));
    }
    let error = decoder.tick(t + 10 * SECOND).unwrap_err();
    assert_eq!(plain(&error), "a frame did not end within 10s: 40 bytes of it arrived");
}

#[test]
fn blanks_between_frames_are_no_frame() {
    let (mut decoder, t) = ten_seconds("json");
    decoder.feed(b"1 \r\n ");
    assert_eq!(decoder.next(), Ok(Some(&b"1"[..])));
    assert_eq!(decoder.next(), Ok(None));
    assert_eq!((decoder.tick(t), decoder.deadline()), (Ok(()), None));
}

#[test]
fn a_gap_ends_what_came_before_it() {
    let (mut decoder, t) = ten_seconds("gap:2s");
    decoder.feed(b"ab");
    assert_eq!(decoder.next(), Ok(None));
    decoder.tick(t).unwrap();
    assert_eq!(decoder.deadline(), Some(t + 2 * SECOND));
    decoder.feed(b"c");
    assert_eq!(decoder.next(), Ok(None));
    decoder.tick(t + SECOND).unwrap();
    assert_eq!(decoder.deadline(), Some(t + 3 * SECOND));
    decoder.tick(t + 2 * SECOND).unwrap();
    assert_eq!(decoder.next(), Ok(None));
    decoder.tick(t + 3 * SECOND).unwrap();
    assert_eq!(decoder.next(), Ok(Some(&b"abc"[..])));
    // The next message needs its own silence. It does not join one whose silence was noticed, but which was not taken yet.
    decoder.feed(b"d");
    assert_eq!(decoder.next(), Ok(None));
    decoder.tick(t + 4 * SECOND).unwrap();
    decoder.tick(t + 6 * SECOND).unwrap();
    decoder.feed(b"e");
    assert_eq!(decoder.next(), Ok(Some(&b"d"[..])));
    assert_eq!(decoder.next(), Ok(None));
    decoder.tick(t + 9 * SECOND).unwrap();
    assert_eq!(decoder.next(), Ok(None));
    assert_eq!(decoder.deadline(), Some(t + 11 * SECOND));
}

#[test]
fn a_gap_that_never_comes_meets_the_frame_timeout() {
    let (mut decoder, t) = ten_seconds("gap:2s");
    let mut ended = None;
    for second in 0..20 {
        decoder.feed(b"x");
        assert_eq!(decoder.next(), Ok(None));
        if let Err(error) = decoder.tick(t + second * SECOND) {
            ended = Some((second, error));
            break;
        }
    }
    let (second, error) = ended.unwrap();
    assert_eq!(second, 10);
    assert!(error.is_timeout());
}

#[test]
fn a_gap_without_a_clock_is_the_whole_stream() {
    let mut decoder = framing("gap:1s").decoder();
    decoder.feed(b"a");
    assert_eq!(decoder.next(), Ok(None));
    decoder.feed(b"b");
    decoder.finish();
    assert_eq!(decoder.next(), Ok(Some(&b"ab"[..])));
    assert_eq!(decoder.next(), Ok(None));
}
