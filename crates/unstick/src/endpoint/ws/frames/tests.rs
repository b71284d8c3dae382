//! Frames of every kind, in pieces of every length: their meaning is the same after the check, and each limit holds.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A frame in the form in which a peer sends it.
#[derive(Debug, Clone)]
struct Frame {
    first: u8,
    mask: Option<[u8; 4]>,
    payload: Vec<u8>,
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = announce(self.first, self.payload.len() as u64, self.mask);
        bytes.extend(self.payload.iter().enumerate().map(|(at, byte)| byte ^ self.mask.map_or(0, |mask| mask[at % 4])));
        bytes
    }
}

fn announce(first: u8, length: u64, mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { MASKED } else { 0 };
    let mut bytes = match length {
        0..=125 => vec![first, masked | length as u8],
        126..=0xffff => [&[first, masked | 126][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[first, masked | 127][..], &length.to_be_bytes()].concat(),
    };
    bytes.extend(mask.iter().flatten());
    bytes
}

/// Parses bytes into frames.
fn parse(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(header) = Header::read(bytes) {
        assert!(header.payload <= CHUNK, "a codec reserves the announced bytes");
        let (payload, rest) = bytes[header.length..].split_at(header.payload as usize);
        let mask = header.mask.unwrap_or_default();
        let payload = payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect();
        frames.push(Frame { first: header.first, mask: header.mask, payload });
        bytes = rest;
    }
    assert!(bytes.is_empty());
    frames
}

/// An opcode and a whole payload.
type Meant = (u8, Vec<u8>);

/// What frames mean: opcodes with whole payloads. The fragments of a message are joined; control frames stay in their
/// place.
fn meaning(frames: &[Frame]) -> Vec<Meant> {
    let (mut meant, mut message): (Vec<Meant>, Option<Meant>) = (Vec::new(), None);
    for Frame { first, payload, .. } in frames {
        if first & CONTROL != 0 {
            meant.push((*first, payload.clone()));
            continue;
        }
        let (_, content) = message.get_or_insert_with(|| (first & !FIN, Vec::new()));
        content.extend(payload);
        if first & FIN != 0 {
            meant.extend(message.take());
        }
    }
    meant.extend(message);
    meant
}

/// Passes bytes on in pieces.
fn passed(frames: &mut Frames, bytes: &[u8], pieces: &[usize], room: usize) -> Result<Vec<u8>, Violation> {
    let (mut out, mut held, mut rest) = (Vec::new(), Vec::new(), bytes);
    let mut sizes = pieces.iter().cycle();
    loop {
        let mut space = vec![0; room];
        let mut space = ReadBuf::new(&mut space);
        let taken = frames.pass(&held, &mut space)?;
        out.extend_from_slice(space.filled());
        held.drain(..taken);
        if taken == 0 && space.filled().is_empty() && !frames.take_turn() {
            if rest.is_empty() {
                assert!(held.is_empty());
                return Ok(out);
            }
            let (piece, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            held.extend_from_slice(piece);
            rest = later;
        }
    }
}

fn a_frame() -> impl Strategy<Value = Frame> {
    let length = prop_oneof![5 => 0..200_usize, 1 => 65_000..66_000_usize, 1 => 0..300_000_usize];
    let data = (prop_oneof![Just(0_u8), Just(1), Just(2)], any::<bool>(), length);
    let control = (prop_oneof![Just(0x89_u8), Just(0x8a)], Just(false), 0..=125_usize);
    (prop_oneof![data, control], any::<Option<[u8; 4]>>(), any::<u8>()).prop_map(
        |((opcode, fin, length), mask, seed)| {
            let first = opcode | if fin { FIN } else { 0 };
            let payload = (0..length).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect();
            Frame { first, mask, payload }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn frames_mean_the_same_however_they_are_cut(
        sent in vec(a_frame(), 0..8),
        pieces in vec(1..70_000_usize, 1..20),
        room in 14..20_000_usize,
    ) {
        let bytes: Vec<u8> = sent.iter().flat_map(Frame::bytes).collect();
        let out = passed(&mut Frames::new(usize::MAX, Role::Server), &bytes, &pieces, room).unwrap();
        prop_assert_eq!(meaning(&parse(&out)), meaning(&sent));
    }

    #[test]
    fn any_bytes_at_all_have_a_verdict(bytes in vec(any::<u8>(), 0..500), pieces in vec(1..50_usize, 1..9)) {
        let mut frames = Frames::new(1000, Role::Client);
        let mut space = vec![0; 4096];
        let mut held: Vec<u8> = Vec::new();
        for piece in bytes.chunks(pieces[0]) {
            held.extend_from_slice(piece);
            match frames.pass(&held, &mut ReadBuf::new(&mut space)) {
                Ok(taken) => drop(held.drain(..taken)),
                Err(_) => break,
            }
        }
    }
}

fn fault(bytes: &[u8], largest: usize) -> Option<Violation> {
    passed(&mut Frames::new(largest, Role::Server), bytes, &[1000], 16 << 10).err()
}

/// A length over the limit is refused as soon as the header announces it, before any byte of the payload.
#[test]
fn what_is_announced_is_held_to_the_limits_at_once() {
    let mask = Some([1, 2, 3, 4]);
    assert_eq!(fault(&announce(0x82, 1001, mask), 1000), Some(Violation::TooLong { size: 1001, largest: 1000 }));
    let two = [Frame { first: 0x02, mask, payload: vec![0; 900] }.bytes(), announce(0x80, 101, mask)].concat();
    assert_eq!(fault(&two, 1000), Some(Violation::TooLong { size: 1001, largest: 1000 }));
    let endless = [Frame { first: 0x02, mask, payload: vec![0; 900] }.bytes(), announce(0x00, u64::MAX, mask)].concat();
    assert_eq!(fault(&endless, 1000), Some(Violation::TooLong { size: u64::MAX, largest: 1000 }));
    assert_eq!(fault(&announce(0x89, 126, mask), 1000), Some(Violation::LongControl(126)));
    assert_eq!(fault(&announce(0x88, 16 << 20, mask), usize::MAX), Some(Violation::LongControl(16 << 20)));
}

/// `MAX_EMPTY_FRAMES`.
#[test]
fn a_message_of_empty_frames_does_not_go_on_for_ever() {
    let empty = |first| Frame { first, mask: None, payload: vec![] }.bytes();
    let many = [empty(0x01), empty(0x00).repeat(limits::MAX_EMPTY_FRAMES - 1), empty(0x80)].concat();
    assert_eq!(fault(&many.repeat(3), 1000), None);
    assert_eq!(
        fault(&[empty(0x01), empty(0x00).repeat(limits::MAX_EMPTY_FRAMES)].concat(), 1000),
        Some(Violation::EmptyFrames)
    );
}

/// `MAX_UNREAD_ANSWERS`.
#[test]
fn pings_are_answered_while_the_answers_are_read() {
    let ping = Frame { first: 0x89, mask: None, payload: vec![7; 125] }.bytes();
    for (role, answer) in [(Role::Server, 127), (Role::Client, 131)] {
        let mut frames = Frames::new(1000, role);
        for _ in 0..10 * limits::MAX_UNREAD_ANSWERS / answer {
            passed(&mut frames, &ping, &[1000], 1000).unwrap();
            frames.written(answer);
        }
        let unread = limits::MAX_UNREAD_ANSWERS / answer;
        passed(&mut frames, &ping.repeat(unread), &[1000], 1000).unwrap();
        assert_eq!(passed(&mut frames, &ping, &[1000], 1000), Err(Violation::UnreadAnswers));
        frames.closing();
        passed(&mut frames, &ping.repeat(unread), &[1000], 1000).unwrap();
    }
}

/// `FRAMES_AT_ONCE`.
#[test]
fn a_turn_has_an_end() {
    let pong = Frame { first: 0x8a, mask: None, payload: vec![] }.bytes();
    let bytes = pong.repeat(limits::FRAMES_AT_ONCE + 5);
    let mut frames = Frames::new(1000, Role::Server);
    let mut space = vec![0; 16 << 10];
    assert_eq!(frames.pass(&bytes, &mut ReadBuf::new(&mut space)), Ok(2 * limits::FRAMES_AT_ONCE));
    assert!(frames.take_turn() && !frames.take_turn());
    assert_eq!(frames.pass(&bytes[2 * limits::FRAMES_AT_ONCE..], &mut ReadBuf::new(&mut space)), Ok(10));
}

#[test]
fn the_payload_of_a_close_is_kept_as_it_came() {
    let close = Frame { first: 0x88, mask: Some([9, 8, 7, 6]), payload: b"\x03\xf6bad gateway".to_vec() };
    let mut frames = Frames::new(1000, Role::Server);
    assert_eq!(frames.close(), None);
    passed(&mut frames, &close.bytes(), &[3], 14).unwrap();
    assert_eq!(frames.close(), Some(&b"\x03\xf6bad gateway"[..]));
}
