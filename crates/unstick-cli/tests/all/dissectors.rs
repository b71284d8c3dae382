//! Tests `generate dissector` with the real tshark: it finds the messages that our decoder finds, however the segments are cut.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use unstick::wire::{Framing, Piece, Preset, Role, Transcript};

use crate::golden_format::parse_frame;
use crate::rig::{Process, program, temporary, unstick};

/// A framing with what its client and its server send.
struct Sample {
    spec: String,
    streams: [Vec<u8>; 2],
}

/// The presets that can be dissectors, with their goldens.
fn goldens() -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../unstick-wire/tests/goldens");
    let golden = |preset: &Preset| {
        let framing = Framing::parse(preset.name).unwrap();
        [Role::Client, Role::Server].iter().try_for_each(|role| framing.recipes(*role).map(drop))?;
        let text = fs::read_to_string(folder.join(format!("{}.golden", preset.name))).ok()?;
        let streams = ['>', '<'].map(|way| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(way));
            lines.flat_map(|line| parse_frame(&line[1..]).unwrap().0).collect()
        });
        Some(Sample { spec: preset.name.to_owned(), streams })
    };
    // Where bytes are taken as they come, a message is what came.
    let framed = |preset: &&Preset| ![preset.client, preset.server].iter().any(|spec| spec.ends_with("raw"));
    Preset::all().filter(framed).filter_map(golden).collect()
}

/// Framings without a name, one of each kind, with three messages that their own encoder has framed.
fn plain() -> Vec<Sample> {
    let specs = [
        "u8",
        "u16le",
        "i32be",
        "u64le",
        "struct:!I",
        "struct:<q",
        "length:off=2,width=2,adj=-4,header=keep",
        "length:width=3,endian=le",
        "length:width=2,unit=4,align=4",
        "line",
        "crlf",
        "null",
        "delim:7c7c",
        "between:02:03",
        "varint",
        "ascii:5",
        "hex:4",
        "decimal:20",
        "netstring",
        "octet-count",
        "headers",
        "fixed:8",
        "json",
        "fixed:4,times=2/u16be",
    ];
    let sample = |spec: &str| {
        let mut encoder = Framing::parse(spec).unwrap().encoder().unwrap();
        let messages: [&[u8]; 3] = if spec.starts_with("fixed:8") {
            [b"12345678", b"abcdefgh", b"        "]
        } else if spec.starts_with("fixed:4") {
            [b"1234", b"abcd", b"more and longer"]
        } else if spec == "json" {
            [br#"{"a": [1, "}"]}"#, b"[true]", b"\"x\\\"y\""]
        } else {
            [b"hello", b"a", b"how are you, all of you?"]
        };
        let mut stream = Vec::new();
        for message in messages {
            // A framing that keeps its header has none of these messages.
            if encoder.encode(message, &mut stream).is_err() {
                stream.extend([0, 1, 0, 9, b'h', b'e', b'l', b'l', b'o']);
            }
        }
        Sample { spec: spec.to_owned(), streams: [stream.clone(), stream] }
    };
    specs.iter().map(|spec| sample(spec)).collect()
}

/// The sizes of the messages of each side.
fn decoded(sample: &Sample) -> [Vec<usize>; 2] {
    let mut transcript = Transcript::new(&Framing::parse(&sample.spec).unwrap());
    [Role::Client, Role::Server].map(|role| {
        transcript.segment(role, &sample.streams[role as usize]);
        let mut sizes = Vec::new();
        while let Some(piece) = transcript.next(role) {
            let Piece::Message(frame) = piece else { panic!("{}: {piece:?}", sample.spec) };
            sizes.push(frame.message.len());
        }
        sizes
    })
}

/// The lines of connection `peer` to this port, in segments of this many bytes.
fn recorded(peer: usize, port: usize, sample: &Sample, size: usize) -> String {
    let open =
        format!(r#""from":"192.0.2.1:{}","to":"192.0.2.2:{port}","protocol":"tcp","carries":"bytes""#, 1024 + peer);
    let mut text = format!("{{\"event\":\"open\",\"peer\":{peer},{open}}}\n");
    for (way, stream) in ["c2s", "s2c"].iter().zip(&sample.streams) {
        for segment in stream.chunks(size) {
            let base64 = data_encoding::BASE64.encode(segment);
            let line = format!(r#"{{"event":"segment","peer":{peer},"direction":"{way}","base64":"{base64}"}}"#);
            writeln!(text, "{line}").unwrap();
        }
    }
    text + &format!("{{\"event\":\"close\",\"peer\":{peer}}}\n")
}

#[test]
fn tshark_finds_the_messages_of_every_kind_of_framing() {
    let samples: Vec<Sample> = goldens().into_iter().chain(plain()).collect();
    assert!(samples.len() > 90, "{}", samples.len());
    // A tshark that has all scripts would look for each field of all in each packet.
    samples.chunks(15).for_each(finds);
}

/// Makes dissectors for these, and a capture of what they send, and compares what tshark finds with what we do.
fn finds(samples: &[Sample]) {
    let folder = temporary();
    let path = |name: &str| folder.path().join(name);
    let mut recording = "{\"event\":\"recording\",\"version\":1}\n".to_owned();
    let mut tshark = Command::new("tshark");
    for (at, sample) in samples.iter().enumerate() {
        let port = 20_000 + at;
        // Whole, one byte at a time, and across the ends of messages. With each segment tshark looks at all of an unfinished frame again, so
        // long streams have larger ones.
        let longest = sample.streams.iter().map(Vec::len).max().unwrap();
        for (which, size) in [longest, longest.div_ceil(250), 7.max(longest / 60)].into_iter().enumerate() {
            recording += &recorded(3 * at + which + 1, port, sample, size.max(1));
        }
        let mut process = unstick(&["generate", "dissector", "-f", &sample.spec, "--port", &port.to_string()]);
        let script = path(&format!("{at}.lua"));
        // Each has a name of its own here: two specs may only differ in punctuation.
        let text = process.rest().replacen(
            "local NAME, TITLE, PORTS = \"",
            &format!("local NAME, TITLE, PORTS = \"t{at}_"),
            1,
        );
        let text = text.replacen("\", \"", &format!("\", \"{at} "), 1);
        assert_eq!((process.errors(), process.code()), (String::new(), 0), "{}", sample.spec);
        fs::write(&script, text).unwrap();
        tshark.arg("-X").arg(format!("lua_script:{}", script.display()));
    }
    fs::write(path("session.jsonl"), recording).unwrap();
    let mut view =
        Process::start(program().arg("decode").arg(path("session.jsonl")).arg("--pcapng").arg(path("view.pcapng")));
    assert_eq!((view.errors(), view.code()), (String::new(), 0));
    tshark.arg("-r").arg(path("view.pcapng")).args(["-T", "fields", "-e", "tcp.stream", "-e", "tcp.srcport"]);
    for (at, sample) in samples.iter().enumerate() {
        let name: String =
            sample.spec.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
        let name: String = name.chars().take(40).collect();
        tshark.args(["-e", &format!("t{at}_unstick_{}.length", name.trim_end_matches('_'))]);
    }
    let out = tshark.output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && !errors.contains("Error"), "{errors}");
    let mut found = vec![[const { Vec::<usize>::new() }; 2]; 3 * samples.len()];
    for line in String::from_utf8(out.stdout).unwrap().lines() {
        let mut columns = line.split('\t');
        let stream: usize = columns.next().unwrap().parse().unwrap();
        let from_client = columns.next().unwrap().parse::<usize>().unwrap() < 20_000;
        let sizes = columns.flat_map(|column| column.split(',')).filter_map(|size| size.parse::<usize>().ok());
        found[stream][usize::from(!from_client)].extend(sizes);
    }
    for (at, sample) in samples.iter().enumerate() {
        for which in 0..3 {
            assert_eq!(found[3 * at + which], decoded(sample), "{} ({which})", sample.spec);
        }
    }
}

#[test]
fn what_cannot_be_a_dissector_is_refused_with_its_reason() {
    for (spec, said) in [
        ("http", "http cannot be a dissector: its frames are not found by a length, a mark or a size"),
        ("raw", "raw has no messages that a dissector could show"),
        ("line", "line has no usual port"),
        ("u32bee", "u32bee"),
    ] {
        let mut arguments = vec!["generate", "dissector", "-f", spec];
        if spec != "line" {
            arguments.extend(["--port", "7"]);
        }
        let mut process = unstick(&arguments);
        let errors = process.errors();
        assert!(errors.contains(said) && process.code() == 2, "{spec}: {errors}");
    }
    let mut process = unstick(&["generate", "dissector", "-f", "postgres"]);
    assert!(process.rest().contains("{ 5432 }") && process.code() == 0);
}
