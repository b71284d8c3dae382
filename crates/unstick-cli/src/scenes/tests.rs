//! The scenes of the lab: what each sends and reads on real sockets, and that its effect appears.

use std::time::Duration;

use super::act::FLOOD;
use super::{Act, Scene, Transport, What};

/// Plays a scene, and checks that every act shows its effect.
#[track_caller]
fn played(scene: Scene) -> Vec<Act> {
    let acts = scene.play().unwrap();
    for act in &acts {
        assert!(act.shown, "{}: {act:#?}", scene.name());
        assert!(act.events.is_sorted_by_key(|event| event.at), "{act:#?}");
    }
    acts
}

/// What was sent, or read, with its offsets, as one line: `0 Hello|5 World`.
fn line(act: &Act, pick: impl Fn(&What) -> Option<(u64, &[u8])>) -> String {
    let shown = |(offset, bytes): (u64, &[u8])| format!("{offset} {}", bytes.escape_ascii());
    act.events.iter().filter_map(|event| pick(&event.what)).map(shown).collect::<Vec<_>>().join("|")
}

fn sent(act: &Act) -> String {
    line(act, |what| match what {
        What::Sent { offset, bytes } => Some((*offset, bytes)),
        _ => None,
    })
}

fn passed(act: &Act) -> String {
    line(act, |what| match what {
        What::Passed { offset, bytes } => Some((*offset, bytes)),
        _ => None,
    })
}

fn read(act: &Act) -> String {
    line(act, |what| match what {
        What::Read { offset, bytes, .. } => Some((*offset, bytes)),
        _ => None,
    })
}

fn took(act: &Act) -> String {
    line(act, |what| match what {
        What::Took { bytes } => Some((bytes.len() as u64, bytes)),
        _ => None,
    })
}

fn stuck(act: &Act) -> &str {
    let why = act.events.iter().find_map(|event| match &event.what {
        What::Stuck { why } => Some(&why[..]),
        _ => None,
    });
    why.expect("this reader gets stuck")
}

fn queued(act: &Act) -> Vec<u64> {
    let held = |what: &What| match what {
        What::Queued { bytes } => Some(*bytes),
        _ => None,
    };
    act.events.iter().filter_map(|event| held(&event.what)).collect()
}

#[test]
fn small_sends_are_gathered_while_an_acknowledgement_is_late() {
    let [act] = &played(Scene::Nagle)[..] else { panic!("one act") };
    assert_eq!(sent(act), "0 Hello|5 World|10 again");
    assert_eq!(read(act), "0 Hello|5 Worldagain");
    assert_eq!(queued(act), [5, 5, 10], "the second and the third send stay with the sender, then arrive as one");
    let read_at = act.events.iter().filter(|event| matches!(event.what, What::Read { .. })).map(|event| event.at);
    let waited = read_at.last().unwrap();
    assert!(waited >= Duration::from_millis(20), "an acknowledgement was waited for: {waited:?}");
}

#[test]
fn a_slow_reader_finds_two_sends_in_one_read() {
    let [act] = &played(Scene::SlowReader)[..] else { panic!("one act") };
    assert_eq!((&*sent(act), &*read(act)), ("0 Hello|5 World", "0 HelloWorld"));
    assert_eq!(queued(act), [5, 10], "both had arrived before it read");
}

#[test]
fn one_send_is_read_as_three() {
    let [act] = &played(Scene::Split)[..] else { panic!("one act") };
    assert_eq!(sent(act), "0 Hello, World");
    assert_eq!((&*passed(act), &*read(act)), ("0 Hel|3 lo, W|8 orld", "0 Hel|3 lo, W|8 orld"));
}

#[test]
fn a_long_message_is_read_in_portions_of_the_buffer() {
    let [act] = &played(Scene::SmallBuffer)[..] else { panic!("one act") };
    assert_eq!(sent(act), "0 Longer than 8 bytes by far.");
    assert_eq!(read(act), "0 Longer t|8 han 8 by|16 tes by f|24 ar.");
}

#[test]
fn a_length_is_read_wrongly_in_two_ways_and_rightly_in_one() {
    let [joined, cut, exact] = &played(Scene::Length)[..] else { panic!("three acts") };
    assert_eq!((&*sent(joined), &*read(joined)), (r"0 \x00\x00\x00\x05|4 Hello", r"0 \x00\x00\x00\x05Hello"));
    assert_eq!(stuck(joined), "a length has 4 bytes, and this read returned 9");
    assert_eq!((&*sent(cut), &*read(cut)), (r"0 \x00\x00\x00\x05Hello", r"0 \x00\x00"));
    assert_eq!(stuck(cut), "a length has 4 bytes, and this read returned 2");
    assert_eq!(passed(exact), r"0 \x00\x00\x00\x05Hello|9 \x00\x00|11 \x00\x05World");
    assert_eq!(read(exact), r"0 \x00\x00\x00\x05|4 Hello|9 \x00\x00|11 \x00\x05|13 World");
    assert_eq!(took(exact), "5 Hello|5 World");
}

#[test]
fn four_bytes_reach_so_far_and_no_further() {
    let [fields, past] = &played(Scene::Range)[..] else { panic!("two acts") };
    let rows = fields.events.iter().filter_map(|event| match event.what {
        What::Length { length, bytes, signed, unsigned } => Some((length, u32::from_be_bytes(bytes), signed, unsigned)),
        _ => None,
    });
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), 6);
    for (length, bytes, signed, unsigned) in rows {
        assert_eq!((bytes, unsigned), (length as u32, bytes), "{length}");
        assert_eq!(i64::try_from(length).unwrap() == i64::from(signed), length < 1 << 31, "{length}");
        assert_eq!(u64::from(unsigned) == length, length < 1 << 32, "{length}");
    }
    assert_eq!(read(past), r"0 \x00\x00\x00\x05|4 Hello|9 , Wo");
    assert_eq!(stuck(past), "4 bytes of the text are taken for the next length, 740317039");
}

#[test]
fn a_file_is_whole_where_its_length_is_known_and_a_cut_is_seen_there_alone() {
    let [known, cut, noticed] = &played(Scene::File)[..] else { panic!("three acts") };
    assert_eq!(sent(known), r"0 \x00\x00\x00\x00\x00\x00\x00\x0b|8 Hello, |15 file");
    assert_eq!(read(known), r"0 \x00\x00\x00\x00\x00\x00\x00\x0b|8 Hello, file");
    assert_eq!((&*took(known), &*took(cut), &*took(noticed)), ("11 Hello, file", "7 Hello, ", ""));
    let why = cut.events.iter().find_map(|event| match &event.what {
        What::Fooled { why } => Some(&why[..]),
        _ => None,
    });
    assert_eq!(why, Some("7 of 11 bytes are taken for the file, and no error says so"));
    assert_eq!(stuck(noticed), "the stream ended after 7 of 11 bytes: the file is not whole");
}

#[test]
fn datagrams_stay_apart_and_an_empty_one_is_one() {
    let [act] = &played(Scene::Datagrams)[..] else { panic!("one act") };
    assert_eq!(act.transport, Transport::Udp);
    assert_eq!((&*sent(act), &*read(act)), ("0 Hello|5 |5 World", "0 Hello|5 |5 World"));
    assert_eq!(took(act), "5 Hello|0 |5 World");
}

#[test]
fn what_a_buffer_has_no_room_for_is_gone() {
    let [act] = &played(Scene::CutShort)[..] else { panic!("one act") };
    assert_eq!((&*sent(act), &*read(act)), ("0 Longer than 8 bytes by far.|27 Next", "0 Longer t|27 Next"));
    assert!(act.events.iter().any(|event| matches!(event.what, What::Read { room: 8, cut: 19, .. })), "{act:#?}");
}

#[test]
fn a_slow_reader_loses_datagrams_and_makes_a_stream_wait() {
    let [udp, tcp] = &played(Scene::Loss)[..] else { panic!("two acts") };
    let count = |act: &Act| {
        let is = |read: bool| {
            act.events
                .iter()
                .filter(|event| matches!(event.what, What::Read { .. }) == read && counts(&event.what))
                .count()
        };
        (is(false), is(true))
    };
    let (sent, received) = count(udp);
    assert!(sent == 60 && received < sent && received >= 20, "{received} of {sent}");
    let offsets = udp.events.iter().filter_map(|event| match event.what {
        What::Read { offset, .. } => Some(offset / 512),
        _ => None,
    });
    let offsets: Vec<u64> = offsets.collect();
    assert!(offsets.is_sorted() && offsets.iter().all(|number| *number < 60), "each is one that was sent: {offsets:?}");
    assert!(tcp.events.iter().any(|event| event.what == What::Full), "the sender had to wait");
    let bytes = tcp.events.iter().filter_map(|event| match &event.what {
        What::Read { bytes, .. } => Some(bytes.len()),
        _ => None,
    });
    assert_eq!(bytes.sum::<usize>(), 60 * 512);
}

fn counts(what: &What) -> bool {
    matches!(what, What::Read { .. } | What::Sent { .. })
}

#[test]
fn tcp_and_udp_are_measured_side_by_side() {
    let acts = played(Scene::Compare);
    let [tcp, udp] = &acts[..] else { panic!("two acts") };
    let of = |act: &Act| act.events.iter().map(|event| event.what.clone()).collect::<Vec<_>>();
    let [What::Boundaries { sent: 10, reads: 1 }, What::Largest { refused: None, .. }, flood, time] = &of(tcp)[..]
    else {
        panic!("{tcp:#?}")
    };
    assert_eq!(*flood, What::Flood { sent: FLOOD, received: FLOOD });
    assert!(matches!(time, What::Time { messages: 1000, median } if !median.is_zero()));
    let [What::Boundaries { sent: 10, reads: 10 }, largest, flood, time] = &of(udp)[..] else { panic!("{udp:#?}") };
    assert_eq!(*largest, What::Largest { bytes: 65_507, refused: Some(65_508) });
    assert!(matches!(flood, What::Flood { sent: FLOOD, received } if (1..FLOOD).contains(received)), "{flood:?}");
    assert!(matches!(time, What::Time { messages: 1000, median } if !median.is_zero()));
}

#[test]
fn every_scene_has_a_name_of_its_own() {
    let mut names: Vec<&str> = Scene::ALL.iter().map(|scene| scene.name()).collect();
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')), "{names:?}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Scene::ALL.len());
}
