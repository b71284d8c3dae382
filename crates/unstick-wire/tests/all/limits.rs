//! Every named limit is accepted, and one more is refused: from a peer that sends it, or a user who types it.

use std::time::Duration;

use unstick_wire::faults::{Next, Plan, Unit};
use unstick_wire::quantity::parse_duration;
use unstick_wire::transfer::{Entry, Message, Naming, Receiver};
use unstick_wire::{EncodeError, Framing, Role, limits};

use crate::drive::{Told, encode, framing, whole};

#[track_caller]
fn refused(told: Told, reason: &str) {
    let (text, _) = told.error.expect("it crossed a limit");
    assert!(text.contains(reason), "{text}");
    assert_eq!(told.messages, Vec::<Vec<u8>>::new());
}

#[track_caller]
fn taken(told: Told) {
    assert_eq!((told.messages.len(), told.error), (1, None));
}

#[test]
fn all_are_crossed_here() {
    let named = include_str!("../../src/limits.rs");
    let names = named.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    let mut count = 0;
    for name in names {
        let crossed = format!("limits::{name}");
        assert!(include_str!("limits.rs").contains(&crossed), "no test crosses {crossed}");
        count += 1;
    }
    assert!(count > 10);
}

#[test]
fn a_message_has_at_most_16_mib_unless_asked_otherwise() {
    let framing = framing("u32be");
    let message = vec![0; limits::MAX_MESSAGE];
    taken(whole(&framing, &encode(&framing, [&message])));
    refused(
        whole(&framing, &(limits::MAX_MESSAGE as u32 + 1).to_be_bytes()),
        "length 16777217 is over the limit of 16 MiB",
    );
    let error = framing.encoder().unwrap().encode(&[message, vec![0]].concat(), &mut Vec::new());
    assert_eq!(error, Err(EncodeError::TooLong { length: limits::MAX_MESSAGE + 1, limit: limits::MAX_MESSAGE }));
}

#[test]
fn what_can_be_asked_for_is_limited_too() {
    assert!(Framing::parse(&format!("line,max={}", limits::LARGEST_MAX)).is_ok());
    assert!(Framing::parse(&format!("line,max={}", limits::LARGEST_MAX + 1)).is_err());
    assert!(Framing::parse(&format!("length:width=1,adj={}", limits::LARGEST_MAX)).is_ok());
    assert!(Framing::parse(&format!("length:width=1,adj=-{}", limits::LARGEST_MAX + 1)).is_err());
}

#[test]
fn the_longest_time() {
    let seconds = limits::LONGEST_TIME.as_secs();
    assert!(Framing::parse(&format!("gap:{seconds}s")).is_ok());
    assert!(Framing::parse(&format!("gap:{}s", seconds + 1)).is_err());
    assert_eq!(parse_duration(&format!("{seconds}")), Some(limits::LONGEST_TIME));
    assert_eq!(parse_duration(&format!("{}ms", seconds * 1000 + 1)), None);
    assert_eq!(parse_duration("9223372036854775807s"), None);
    // A caller that sets it without a spec overflows no clock either.
    let mut decoder = framing("line").decoder();
    decoder.set_frame_timeout(Some(Duration::MAX));
    decoder.feed(b"a");
    assert_eq!(decoder.next(), Ok(None));
    #[allow(clippy::disallowed_methods)] // No other way makes an Instant; any will do.
    decoder.tick(std::time::Instant::now()).unwrap();
    assert!(decoder.deadline().is_some());
}

#[test]
fn a_header_block() {
    let block = |size: usize| {
        let rest = "Content-Length: 0\r\nX:\r\n\r\n".len();
        format!("Content-Length: 0\r\nX:{}\r\n\r\n", "x".repeat(size - rest)).into_bytes()
    };
    let framing = framing("headers");
    taken(whole(&framing, &block(limits::MAX_HEADER_BLOCK)));
    refused(whole(&framing, &block(limits::MAX_HEADER_BLOCK + 1)), "the header block is over 8192 bytes");
    refused(whole(&framing, &block(100 * limits::MAX_HEADER_BLOCK)), "the header block is over 8192 bytes");
    refused(whole(&framing, &vec![b'x'; limits::MAX_HEADER_BLOCK]), "the header block is over 8192 bytes");
}

#[test]
fn a_head_of_http() {
    let head = |size: usize| {
        let rest = "GET / HTTP/1.1\r\nX:\r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nX:{}\r\n\r\n", "x".repeat(size - rest)).into_bytes()
    };
    let framing = framing("http-message");
    taken(whole(&framing, &head(limits::MAX_MESSAGE_HEAD)));
    refused(whole(&framing, &head(limits::MAX_MESSAGE_HEAD + 1)), "the head is over 65536 bytes");
    refused(whole(&framing, &vec![b'x'; limits::MAX_MESSAGE_HEAD]), "the head is over 65536 bytes");
    let chunk = |digits: usize| format!("{}\r\n\r\n", "0".repeat(digits));
    let chunked =
        |digits| format!("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunk(digits)).into_bytes();
    taken(whole(&framing, &chunked(limits::MAX_HEX_DIGITS)));
    refused(whole(&framing, &chunked(limits::MAX_HEX_DIGITS + 1)), "is not the length of a chunk");
}

#[test]
fn requests_whose_responses_have_no_body() {
    let http = framing("http-message");
    let (asks, answers) = http.dialogue_with(&http).unwrap();
    let (mut requests, mut heard) = (http.encoder().unwrap(), http.decoder());
    requests.follow(&asks);
    let head = b"HEAD / HTTP/1.1\r\n\r\n";
    for _ in 0..limits::MAX_OPEN_HEADS {
        requests.encode(head, &mut Vec::new()).unwrap();
    }
    let error = requests.encode(head, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("over 4096 HEAD and CONNECT requests wait for their responses"), "{error}");
    requests.encode(b"GET / HTTP/1.1\r\n\r\n", &mut Vec::new()).unwrap();
    // A peer that sends more requests is refused.
    heard.follow(&answers);
    heard.feed(&head.repeat(limits::MAX_OPEN_HEADS));
    while heard.next().unwrap().is_some() {}
    heard.feed(head);
    let error = heard.next().unwrap_err();
    assert!(error.to_string().contains("over 4096 HEAD and CONNECT requests wait for their responses"), "{error}");
}

#[test]
fn digits_of_a_length() {
    let zeros = "0".repeat(limits::MAX_DECIMAL_DIGITS);
    taken(whole(&framing("decimal:20"), format!("{zeros}\n").as_bytes()));
    refused(whole(&framing("decimal:20"), format!("{zeros}0\n").as_bytes()), "after 20 digits of a length, found");
    refused(
        whole(&framing("netstring"), "1".repeat(limits::MAX_DECIMAL_DIGITS + 1).as_bytes()),
        "after 20 digits of a length, found",
    );
    let block = format!("Content-Length: {zeros}0\r\n\r\n");
    refused(whole(&framing("headers"), block.as_bytes()), "is not a length");
    assert!(Framing::parse(&format!("decimal:{}", limits::MAX_DECIMAL_DIGITS + 1)).is_err());
    assert!(Framing::parse(&format!("hex:{}", limits::MAX_HEX_DIGITS)).is_ok());
    assert!(Framing::parse(&format!("hex:{}", limits::MAX_HEX_DIGITS + 1)).is_err());
    assert!(Framing::parse(&format!("ascii:{}", limits::MAX_TEXT_LENGTH)).is_ok());
    assert!(Framing::parse(&format!("ascii:{}", limits::MAX_TEXT_LENGTH + 1)).is_err());
}

#[test]
fn bytes_of_a_binary_length() {
    let mut longest = vec![0x80; limits::MAX_VARINT - 1];
    taken(whole(&framing("varint"), &[&longest[..], b"\0"].concat()));
    longest.push(0x80);
    refused(whole(&framing("varint"), &[&longest[..], b"\0"].concat()), "over 64 bits");

    let mut tag = vec![0xff; limits::MAX_BER_TAG - 1];
    taken(whole(&framing("ber"), &[&tag[..], b"\0\0"].concat()));
    tag.push(0xff);
    refused(whole(&framing("ber"), &[&tag[..], b"\0\0"].concat()), "tag of over 6 bytes");
}

#[test]
fn depth_of_json() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let framing = framing("json");
    taken(whole(&framing, &nested(limits::MAX_JSON_DEPTH)));
    refused(whole(&framing, &nested(limits::MAX_JSON_DEPTH + 1)), "nested more than 512 deep");
    let error = framing.encoder().unwrap().encode(&nested(limits::MAX_JSON_DEPTH + 1), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("nested more than 512 deep"), "{error}");
}

#[test]
fn depth_of_resp() {
    let nested = |depth: usize| ["*1\r\n".repeat(depth), ":1\r\n".into()].concat().into_bytes();
    taken(whole(&framing("resp"), &nested(limits::MAX_RESP_DEPTH)));
    refused(whole(&framing("resp"), &nested(limits::MAX_RESP_DEPTH + 1)), "nested more than 128 deep");
}

#[test]
fn depth_of_cbor() {
    let nested = |depth: usize| [vec![0x9f; depth], vec![0xff; depth]].concat();
    taken(whole(&framing("cbor-item"), &nested(limits::MAX_CBOR_DEPTH)));
    refused(whole(&framing("cbor-item"), &nested(limits::MAX_CBOR_DEPTH + 1)), "nested more than 128 deep");
    // If lengths are announced, no memory is needed for the enclosing items.
    taken(whole(&framing("cbor-item"), &[vec![0x81; 100_000], vec![0]].concat()));
}

#[test]
fn segments_of_capnproto() {
    let segments = |count: usize| {
        let table = std::iter::once(count as u32 - 1).chain(std::iter::repeat_n(0, count / 2 * 2 + 1));
        table.flat_map(u32::to_le_bytes).collect::<Vec<u8>>()
    };
    taken(whole(&framing("capnproto-message"), &segments(limits::MAX_CAPNPROTO_SEGMENTS)));
    let over = segments(limits::MAX_CAPNPROTO_SEGMENTS + 1);
    refused(whole(&framing("capnproto-message"), &over), "a message of 513 segments");
}

#[test]
fn chunk_streams_of_rtmp() {
    let chunks =
        |count: usize| (0..count).flat_map(|id| [0, id as u8, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]).collect::<Vec<u8>>();
    assert_eq!(whole(&framing("rtmp-chunk"), &chunks(limits::MAX_RTMP_STREAMS)).error, None);
    let (text, at) = whole(&framing("rtmp-chunk"), &chunks(limits::MAX_RTMP_STREAMS + 1)).error.unwrap();
    assert_eq!((&*text, at), ("a peer has more than 64 chunk streams", 13 * limits::MAX_RTMP_STREAMS as u64));
}

#[test]
fn verbs_and_fields() {
    let verbs = |count: usize| format!("command{}", ":V.1".repeat(count));
    assert!(Framing::parse(&verbs(limits::MAX_COMMANDS)).is_ok());
    assert!(Framing::parse(&verbs(limits::MAX_COMMANDS + 1)).is_err());

    let message = |size: usize| format!("8={}\u{1}9=0\u{1}10=000\u{1}", "x".repeat(size - 3)).into_bytes();
    taken(whole(&framing("fix-message"), &message(limits::MAX_FIX_FIELD)));
    refused(whole(&framing("fix-message"), &message(limits::MAX_FIX_FIELD + 1)), "8= does not end within 32 bytes");
}

#[test]
fn headers_of_parts() {
    // Parts of four bytes with nothing in them, then one of two bytes that is the last.
    let parts = |size: usize| [b"\0\0\0\0".repeat(size / 4), b"\x80\0\0\x02ab".to_vec()].concat();
    let framing = framing("length:width=4,mask=7fffffff,last=0:80,max=4");
    taken(whole(&framing, &parts(limits::MAX_PART_HEADERS)));
    refused(whole(&framing, &parts(limits::MAX_PART_HEADERS + 4)), "over the limit of 4 bytes");
    refused(whole(&framing, &parts(100 * limits::MAX_PART_HEADERS)), "over the limit of 4 bytes");
}

#[test]
fn what_a_spec_holds() {
    assert!(Framing::parse(&format!("length:off={},width=1", limits::MAX_LENGTH_OFFSET)).is_ok());
    assert!(Framing::parse(&format!("length:off={},width=1", limits::MAX_LENGTH_OFFSET + 1)).is_err());
    assert!(Framing::parse(&format!("delim:{}", "0a".repeat(limits::MAX_DELIMITER))).is_ok());
    assert!(Framing::parse(&format!("delim:{}", "0a".repeat(limits::MAX_DELIMITER + 1))).is_err());
    assert!(Framing::parse(&vec!["line"; limits::MAX_PHASES].join("/")).is_ok());
    assert!(Framing::parse(&vec!["line"; limits::MAX_PHASES + 1].join("/")).is_err());
}

#[test]
fn what_a_course_of_faults_holds_back() {
    let (plan, now) = (Plan::parse(&["delay=1h"]).unwrap(), crate::faults::begin());
    let mut course = plan.injector(Role::Client, Unit::Messages, 1);
    let mut taken = 0;
    while !course.is_full() {
        course.take(&[0; 1000], now);
        taken += 1000;
    }
    assert!((limits::MAX_HELD..limits::MAX_HELD + 1000).contains(&taken));
    let later = now + Duration::from_secs(3600);
    assert!(matches!(course.next(later), Next::Deliver(_)));
    assert!(!course.is_full());
}

#[test]
fn a_preview_of_what_is_damaged_is_short() {
    let mut decoder = framing("slip,damaged=skip").decoder();
    decoder.feed(&[0xdb; 1000]);
    assert_eq!(decoder.next(), Ok(None));
    assert_eq!(decoder.take_damage(true).unwrap().preview.len(), limits::MAX_DAMAGE_SHOWN);
}

#[test]
fn what_a_transfer_may_cost_its_receiver() {
    use crate::transfer::{file, told};
    let paths = |length: usize| file(vec![b'x'; length], 1);
    assert!(told(&[paths(limits::MAX_TRANSFER_NAME)]).is_ok());
    assert!(told(&[paths(limits::MAX_TRANSFER_NAME + 1)]).is_err());
    let path = |length: usize| file(&[b"x".repeat(200).as_slice(), b"/"].concat().repeat(21)[..length], 1);
    assert!(told(&[path(limits::MAX_TRANSFER_PATH)]).is_ok());
    assert!(told(&[path(limits::MAX_TRANSFER_PATH + 1)]).is_err());
    let deep = |depth: usize| file(vec!["d"; depth].join("/"), 1);
    assert!(told(&[deep(limits::MAX_TRANSFER_DEPTH)]).is_ok());
    assert!(told(&[deep(limits::MAX_TRANSFER_DEPTH + 1)]).is_err());
    assert!(told(&[file("a", limits::MAX_TRANSFER_SIZE)]).is_ok());
    assert!(told(&[file("a", limits::MAX_TRANSFER_SIZE + 1)]).is_err());
    let mut receiver = Receiver::new(Naming::Unix);
    let list = |entries: Vec<Entry>| {
        let mut bytes = Vec::new();
        Message::Entries(entries).encode(&mut bytes);
        bytes.into()
    };
    receiver.receive(list(vec![file("a", limits::MAX_TRANSFER_SIZE)])).unwrap();
    assert!(receiver.receive(list(vec![file("b", 1)])).is_err(), "in all");
    let many = list((0..1000).map(|_| file("a", 1)).collect());
    let mut receiver = Receiver::new(Naming::Unix);
    for _ in 0..limits::MAX_TRANSFER_ENTRIES / 1000 {
        receiver.receive(Clone::clone(&many)).unwrap();
    }
    assert!(receiver.receive(list(vec![file("a", 1)])).is_err(), "entries");
    let long = list((0..16).map(|_| path(limits::MAX_TRANSFER_PATH)).collect());
    let mut receiver = Receiver::new(Naming::Unix);
    let times = limits::MAX_TRANSFER_PATHS / (16 * limits::MAX_TRANSFER_PATH);
    (0..times).for_each(|_| assert!(receiver.receive(Clone::clone(&long)).is_ok()));
    assert!(receiver.receive(long).is_err(), "paths");
}

#[test]
fn a_message_of_a_transfer() {
    let piece = |length: usize| {
        let mut bytes = Vec::new();
        Message::Data { file: 0, offset: 0, bytes: vec![0; length].into() }.encode(&mut bytes);
        bytes
    };
    assert!(Message::decode(piece(limits::MAX_TRANSFER_PIECE).into()).is_ok());
    assert!(Message::decode(piece(limits::MAX_TRANSFER_PIECE + 1).into()).is_err());
    assert!(piece(limits::MAX_TRANSFER_PIECE).len() < limits::MAX_TRANSFER_MESSAGE);
    let reason = |length: usize| [b"\x0c\x00".as_slice(), &vec![b'x'; length]].concat();
    assert!(Message::decode(reason(limits::MAX_TRANSFER_REASON).into()).is_ok());
    assert!(Message::decode(reason(limits::MAX_TRANSFER_REASON + 1).into()).is_err());
    // `limits::MAX_TRANSFER_RESTARTS` and `limits::MIN_TRANSFER_STALL` are crossed in the room `transfer`.
}

#[test]
fn reordered_segments_and_lost_ones() {
    // Each is crossed in `reassembly`, where the packets are.
    let limits = [limits::MAX_REORDERED as u64, limits::MAX_REORDERED_SEGMENTS as u64, limits::MAX_AHEAD];
    assert!(limits.iter().all(|limit| *limit > 0) && limits::MAX_LATE_PACKETS > 0);
    assert!(limits[0] < limits[2], "a window holds more than may wait");
}

#[test]
fn what_a_guess_looks_at() {
    // Each is crossed in `guess`, where the samples are.
    let bytes = [limits::MAX_GUESS_SEGMENTS, limits::MAX_GUESS_DIRECTION, limits::MAX_GUESS_BYTES];
    assert!(bytes.is_sorted() && limits::MAX_GUESS_CONNECTIONS > 1);
}

#[test]
fn recordings_that_differ_in_too_many_places_teach_nothing() {
    use unstick_wire::replay::{Playbook, Rules, Script, Step};
    let script = |places: usize| {
        let message: Vec<u8> =
            (0..2 * limits::MAX_LEARNT + 2).map(|at| u8::from(at % 2 == 1 && at < 2 * places)).collect();
        let steps = vec![Step::new(Role::Client, message.clone(), message, Duration::ZERO)];
        Script { connection: 1, steps, server_ends_first: false }
    };
    let mut book = Playbook::new(vec![script(0)], Rules::default());
    assert_eq!(book.learn(&[script(limits::MAX_LEARNT)]).unwrap().bytes, limits::MAX_LEARNT);
    let error = book.learn(&[script(limits::MAX_LEARNT + 1)]).unwrap_err();
    assert_eq!(error.to_string(), "they differ in over 65536 places");
}
