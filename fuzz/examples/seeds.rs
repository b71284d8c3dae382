//! Writes what the fuzz targets begin with, into a folder a target: whole streams of every framing, so that a short run
//! does not have to find out what a header looks like.

use std::fs;
use std::path::{Path, PathBuf};

use unstick_fuzz::{decode, framing, preset_side, specs};
use unstick_wire::Role;

#[path = "../../crates/unstick-wire/tests/all/golden_format.rs"]
mod golden_format;

/// Messages of all kinds: every framing carries some of them. A byte says how long each is in an input.
const MESSAGES: &[&[u8]] = &[
    b"",
    b"hi",
    b"hello",
    b"{\"a\":[1,true,\"\\\"\"]}",
    b"0\n~}\xc0\xdb\r\0",
    b"0123456789abcdef",
    b"\x30\x03\x02\x01\x03",
    b"Q\0\0\0\x09abcde",
    b"\x82\0\x40\x05\0hello",
    b"\x08\0\0\0\0\0\0",
    b"ab\0\x0012345678901234567890",
    b"ab\0\x02wxyz",
    b"ab\x05\0\0xyz",
    b"Content-Length: 2\r\n\r\n{}",
    b"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n",
    b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n",
    b"BYE sip:a SIP/2.0\r\nA: b\r\n c\r\nl: 2\r\n\r\nhi",
    b"PLAY a RTSP/1.0\r\n\r\n",
    b"$\x01\0\x02hi",
    b"event: a\ndata: b",
    b"$qSupported",
    b"PUB t\nhello",
    b"\0\x0a\0\0\x06\0\0\0hi",
    b"\0\0\0\x0a\x06\0\0\0hi",
    b"\x40\0\0\x02hi",
    b"FAIL0002no",
    b"\x03\0\0\0\0\0\x02\x08\0\0\0\0hi",
    b"\x82\xa1a\xc4\x01b\xa0\xcb12345678",
    b"\x9f\xbf\x61a\x5f\x41b\xff\xff\xff",
    b"\0\0\0\0\x01\0\0\x0012345678",
    b"\xff\xff\xff\xff\x20\0\0\0\x10\0\0\0\x0c\0\x10\0\0\0\0\0\0\0\x08\0\x0c\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0hi",
    b"OKAY",
    &[b'x'; 68],
    &[b'7'; 200],
];

fn main() {
    let folder: PathBuf = std::env::args_os().nth(1).expect("a folder to write to").into();
    let specs = specs();
    let (count, mut bare) = (specs.len(), 0);
    for (at, spec) in specs.into_iter().enumerate() {
        let choice = u8::try_from(at).expect("a byte chooses among all specs");
        write(&folder, "spec", at, "", spec.as_bytes());
        let (stream, list) = stream(choice);
        let told = decode(&framing(choice), &stream, None);
        assert!(told.error.is_none(), "{spec}: {told:?}");
        bare += usize::from(told.messages.is_empty());
        write(&folder, "decode", at, "whole", &[&[choice, 3][..], &stream].concat());
        write(&folder, "decode", at, "cut", &[&[choice, 0][..], &stream[..stream.len().saturating_sub(1)]].concat());
        write(&folder, "roundtrip", at, "", &[&[choice, 5][..], &list].concat());
    }
    presets(&folder);
    faults(&folder);
    captures(&folder);
    guesses(&folder);
    assert!(bare * 3 <= count, "{bare} of {count} framings carry none of the messages here");
}

/// Each side of each golden for `preset`: bytes of real clients and servers.
fn presets(folder: &Path) {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/unstick-wire/tests/goldens");
    for choice in 0..=u16::MAX {
        let Some((preset, role, _)) = preset_side(choice) else { break };
        let text = fs::read_to_string(goldens.join(format!("{}.golden", preset.name))).expect("a preset has a golden");
        let way = if role == Role::Client { '>' } else { '<' };
        let lines = text.lines().filter_map(|line| line.strip_prefix(way));
        let frames = lines.map(|line| golden_format::parse_frame(&line[1..]).expect("a golden can be read").0);
        let stream = frames.collect::<Vec<_>>().concat();
        // A seed is read again and again: the goldens with messages of 70,000 bytes are cut short.
        let stream = &stream[..stream.len().min(4096)];
        // The target's choice is read as little-endian, whatever the machine.
        write(folder, "preset", usize::from(choice), "whole", &[&choice.to_le_bytes()[..], &[3], stream].concat());
    }
}

/// Every fault, alone and with others, on some messages.
fn faults(folder: &Path) {
    let all = [
        "loss=5% dup=1% reorder=2%,gap=3 delay=50ms..80ms",
        "loss=1:2",
        "c2s:dup=50% s2c:dup=100% dup=1:3",
        "reorder=50%,gap=9,after=2",
        "reorder=100%,gap=18446744073709551615",
        "corrupt=1:1000",
        "truncate truncate=9%,after=3",
        "rate=1K delay=1ms",
        "stall=2s,after=4 cut=3,after=7",
        "cut=1 corrupt=1:10 rate=20",
        "close,after=3",
        "s2c:reset,after=5 delay=1ms",
    ];
    let list: Vec<u8> = MESSAGES.iter().flat_map(|message| [&[message.len() as u8], *message].concat()).collect();
    for (at, specs) in all.iter().enumerate() {
        write(folder, "faults", at, "", &[&[7][..], specs.as_bytes(), b"\n", &list].concat());
    }
}

/// A capture of a TCP connection as pcap and as pcapng, and its first bytes.
fn captures(folder: &Path) {
    let plain = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/captures/echo.pcap"));
    let plain = plain.expect("the example is there");
    write(folder, "capture", 0, "plain", &plain);
    write(folder, "capture", 1, "cut", &plain[..plain.len() - 7]);
    let mut blocks = block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    blocks.extend(block(1, &[101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0]));
    let mut rest = &plain[24..];
    while let Some(length) = rest.get(8..12) {
        let (packet, behind) = rest.split_at(16 + usize::from(length[0]));
        blocks.extend(block(6, &[&[0; 4][..], &packet[..4], &packet[4..8], length, length, &packet[16..]].concat()));
        rest = behind;
    }
    write(folder, "capture", 2, "blocks", &blocks);
}

/// The first goldens for `guess`, frame by frame: in front of each who sends it, and its length.
fn guesses(folder: &Path) {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/unstick-wire/tests/goldens");
    for (at, name) in ["postgres", "modbus", "http", "dns", "mqtt", "redis", "tls", "kafka"].iter().enumerate() {
        let text = fs::read_to_string(goldens.join(format!("{name}.golden"))).expect("a preset has a golden");
        let mut seed = vec![0, 2];
        for line in text.lines().filter(|line| line.starts_with(['>', '<'])) {
            let (frame, _) = golden_format::parse_frame(&line[2..]).expect("a golden can be read");
            let from = if line.starts_with('>') { 0 } else { 0x80 };
            // Longer frames are cut: what is behind them is of no use.
            let length = frame.len().min(0x7e);
            seed.push(from | u8::try_from(length).expect("seven bits"));
            seed.extend(&frame[..length]);
        }
        write(folder, "guess", at, "", &seed);
    }
}

/// A block of pcapng.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &length, &body, &length].concat()
}

/// What a framing can carry of the messages: as a stream, and as the list that `roundtrip` takes.
fn stream(choice: u8) -> (Vec<u8>, Vec<u8>) {
    let mut encoder = framing(choice).encoder().expect("the specs here can be sent");
    let (mut stream, mut list) = (Vec::new(), Vec::new());
    let fixed: Vec<Vec<u8>> = [2, 16, 512].iter().map(|length| vec![b'.'; *length]).collect();
    for message in MESSAGES.iter().copied().chain(fixed.iter().map(Vec::as_slice)) {
        if encoder.encode(message, &mut stream).is_ok() {
            list.push(u8::try_from(message.len()).unwrap_or(u8::MAX));
            list.extend_from_slice(message);
        }
    }
    (stream, list)
}

fn write(folder: &Path, target: &str, at: usize, kind: &str, input: &[u8]) {
    let folder = folder.join(target);
    fs::create_dir_all(&folder).expect("the folder can be written to");
    fs::write(folder.join(format!("{at:03}{kind}")), input).expect("the folder can be written to");
}
