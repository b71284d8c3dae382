//! Makes messages that a framing can carry from arbitrary bytes: one function for each kind of framing.

/// Turns any bytes into a message that `spec` can carry.
pub(crate) type Fit = fn(&str, &[u8]) -> Vec<u8>;

/// The value of a key in a spec.
pub(crate) fn key<'a>(spec: &'a str, name: &str) -> Option<&'a str> {
    spec.split([',', ':']).find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn number(spec: &str, name: &str, default: i64) -> i64 {
    key(spec, name).map_or(default, |value| value.parse().unwrap())
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

pub(crate) fn anything(_: &str, bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

pub(crate) fn not_empty(_: &str, bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() { vec![0xc0] } else { bytes.to_vec() }
}

pub(crate) fn line(_: &str, bytes: &[u8]) -> Vec<u8> {
    let mut line: Vec<u8> = bytes.iter().map(|b| if *b == b'\n' { b'_' } else { *b }).collect();
    if let Some(last @ b'\r') = line.last_mut() {
        *last = b'_';
    }
    line
}

/// A message without the bytes that end a frame.
pub(crate) fn undelimited(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let delimiter = match spec.split(',').next().unwrap().split(':').collect::<Vec<_>>()[..] {
        ["crlf"] => b"\r\n".to_vec(),
        ["null"] => b"\0".to_vec(),
        ["mllp"] => b"\x1c\r".to_vec(),
        [.., hex] => unhex(hex),
        [] => unreachable!("a spec has a name"),
    };
    // The message may contain the other bytes: a scan could wrongly take them for the end.
    let last = delimiter[delimiter.len() - 1];
    let other = if last == b'_' { b'-' } else { b'_' };
    let mut message: Vec<u8> = bytes.iter().map(|b| if *b == last { other } else { *b }).collect();
    if spec.contains(",keep") {
        message.extend_from_slice(&delimiter);
    }
    message
}

/// At most as many bytes as the digits can count; after a header, if that is part of the message.
pub(crate) fn ascii(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let message = short(spec, bytes);
    if spec.contains("off=2") {
        return [format!("ab{:03}", message.len()).as_bytes(), &message, b"!"].concat();
    }
    message
}

/// At most as many bytes as the field can count.
pub(crate) fn short(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let most = match spec.split(',').next().unwrap() {
        "ascii:1" => 9,
        "i8" | "struct:>b3x" => 127,
        _ => 255,
    };
    bytes[..bytes.len().min(most)].to_vec()
}

/// At most as many bytes as two digits can count; after their own length, if they keep it.
pub(crate) fn hex(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let message = short(spec, bytes);
    if key(spec, "itself").is_some() {
        [format!("{:04x}", message.len() + 4).as_bytes(), &message].concat()
    } else {
        message
    }
}

pub(crate) fn fixed(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let length = spec[6..].split(',').next().unwrap().parse().unwrap();
    let mut message = bytes.to_vec();
    message.resize(length, b'.');
    message
}

/// A message for `length:...`: with its header, if that is kept, and of a multiple of its unit.
pub(crate) fn general(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let (off, width) = (number(spec, "off", 0) as usize, number(spec, "width", 4) as usize);
    let (adj, unit) = (number(spec, "adj", 0), number(spec, "unit", 1));
    let trailer = key(spec, "trailer").map_or(0, |hex| hex.len() / 2);
    let head = key(spec, "head").map(|hex| hex.len() / 2);
    let keep = key(spec, "header").map_or(off > 0 && head.is_none(), |header| header == "keep");
    if let Some("full") = key(spec, "last") {
        return in_full_parts(keep, bytes);
    }
    // The header also has a second length that counts nothing, and a bit that marks the part as the last.
    let seen = key_to_comma(spec, "plus").map_or(off + width, |plus| {
        let numbers: Vec<usize> = plus.split(':').map(|n| n.parse().unwrap()).collect();
        (off + width).max(numbers[0] + numbers[1])
    });
    let mut message =
        if keep { vec![if key_to_comma(spec, "plus").is_some() { 0 } else { 0xee }; seen] } else { Vec::new() };
    if let Some((at, mask)) = key_to_comma(spec, "endian").and_then(|bit| bit.split_once(':')) {
        message[at.parse::<usize>().unwrap()] &= !u8::from_str_radix(mask, 16).unwrap();
    }
    if let (true, Some((at, mask))) = (keep, key_to_comma(spec, "last").and_then(|bit| bit.split_once(':'))) {
        message[at.parse::<usize>().unwrap()] |= u8::from_str_radix(mask, 16).unwrap();
    }
    message.extend_from_slice(bytes);
    let outside = if keep { 0 } else { head.unwrap_or(off + width) } + trailer;
    loop {
        let counted = (outside + message.len() - off - width) as i64 - adj;
        if counted >= 0 && counted % unit == 0 {
            if keep {
                let value = (counted / unit).to_be_bytes();
                let field = &mut message[off..off + width];
                field.copy_from_slice(&value[8 - width..]);
                if key(spec, "endian") == Some("le") {
                    field.reverse();
                }
            }
            return message;
        }
        message.push(b'.');
    }
}

/// With a length of one byte, where another part follows each part of the largest size.
fn in_full_parts(keep: bool, bytes: &[u8]) -> Vec<u8> {
    if !keep {
        return bytes.to_vec();
    }
    let mut message = Vec::new();
    let parts = bytes.chunks_exact(0xff);
    let rest = parts.remainder();
    for part in parts.chain([rest]) {
        message.extend_from_slice(&[part.len() as u8, 0xee]);
        message.extend_from_slice(part);
    }
    message
}

/// The value of a key, colons included.
fn key_to_comma<'a>(spec: &'a str, name: &str) -> Option<&'a str> {
    spec.split([','])
        .find_map(|word| {
            word.rsplit_once(&format!("{name}=")).filter(|(before, _)| before.is_empty() || before.ends_with(':'))
        })
        .map(|(_, value)| value)
}

pub(crate) fn ber(_: &str, bytes: &[u8]) -> Vec<u8> {
    // The tag is short or long, the length short or longer than it need be.
    let mut value = if bytes.len() % 3 == 1 { vec![0x3f, 0x81, 0x01] } else { vec![0x30] };
    match bytes.len() {
        short @ 0..128 if short % 2 == 0 => value.push(short as u8),
        long => value.extend_from_slice(&[0x82, (long >> 8) as u8, long as u8]),
    }
    value.extend_from_slice(bytes);
    value
}

pub(crate) fn headers(spec: &str, bytes: &[u8]) -> Vec<u8> {
    if key(spec, "header") != Some("keep") {
        return bytes.to_vec();
    }
    let mut message = format!("content-LENGTH:  {}\r\nContent-Type: x:y\r\n\r\n", bytes.len()).into_bytes();
    message.extend_from_slice(bytes);
    message
}

/// A JSON value of one kind or another.
pub(crate) fn json(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let tight = key(spec, "max").is_some();
    let text: String = bytes.iter().map(|b| if b.is_ascii_alphanumeric() { *b as char } else { '_' }).collect();
    match bytes.first().copied().unwrap_or(0) % 8 {
        _ if tight => format!("\"{}\"", &text[..text.len().min(18)]),
        0 => format!("-{}.5e+{}", bytes.len(), bytes.len() % 10),
        1 => "true".into(),
        2 => format!("[{}]", vec!["null"; bytes.len()].join(" , ")),
        3 => format!("{{\"{text}\":{{\"a\\\"}}\": [1,\t{{}},[]]}} }}"),
        4 => format!("{}{}", "[".repeat(bytes.len() + 1), "]".repeat(bytes.len() + 1)),
        5 => format!("\"\\u00e9\\\\{text}\\\"{{[\""),
        6 => bytes.len().to_string(),
        _ => format!("\"{text}\""),
    }
    .into_bytes()
}

/// With its length in front, if bytes before that are kept, and no longer than that can count.
pub(crate) fn varint(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let most = spec.split(',').next().unwrap().split(':').nth(1).map_or(10, |bytes| bytes.parse().unwrap());
    let off = number(spec, "off", 0) as usize;
    let bytes = if most < 3 { &bytes[..bytes.len().min(300)] } else { bytes };
    if off == 0 {
        return bytes.to_vec();
    }
    let mut message = vec![0xee; off];
    if bytes.len() < 0x80 {
        message.push(bytes.len() as u8);
    } else {
        message.extend_from_slice(&[bytes.len() as u8 | 0x80, (bytes.len() >> 7) as u8]);
    }
    message.extend_from_slice(bytes);
    message
}

/// A RESP value of one kind or another, without its last CRLF.
pub(crate) fn resp(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let text: String = bytes.iter().map(|b| if b.is_ascii_alphanumeric() { *b as char } else { '_' }).collect();
    let string = |kind: &str| [format!("{kind}{}\r\n", bytes.len()).as_bytes(), bytes].concat();
    match bytes.first().copied().unwrap_or(0) % 8 {
        0 => format!("+{text}").into_bytes(),
        1 if key(spec, "inline").is_some() => format!("GET {text}").into_bytes(),
        2 => [b"*3\r\n:1\r\n*0\r\n", &string("$")[..]].concat(),
        3 => [b"%1\r\n$-1\r\n", &string("=")[..]].concat(),
        4 => [b"|1\r\n+a\r\n,1.5\r\n", &string("!")[..]].concat(),
        5 => [b"*?\r\n~1\r\n_\r\n", &string("$")[..], b"\r\n."].concat(),
        6 if !bytes.is_empty() => [b"$?\r\n", &string(";")[..], b"\r\n;0"].concat(),
        _ => string("$"),
    }
}

/// A line, or a line and the payload that it announces.
pub(crate) fn command(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let verb = if spec.contains("PUB") { "PUB some.subject" } else { "set some 0 0" };
    match bytes.first().copied().unwrap_or(1) % 2 {
        0 => line(spec, bytes),
        _ => [format!("{verb} {}\r\n", bytes.len()).as_bytes(), bytes].concat(),
    }
}

/// A frame with a content-length where its body needs one.
pub(crate) fn stomp(_: &str, bytes: &[u8]) -> Vec<u8> {
    match bytes.contains(&0) {
        true => [format!("SEND\ncontent-length:{}\n\n", bytes.len()).as_bytes(), bytes].concat(),
        false => [b"MESSAGE\r\nid:1\r\n\r\n", bytes].concat(),
    }
}

pub(crate) fn fix(_: &str, bytes: &[u8]) -> Vec<u8> {
    [format!("8=FIX.4.4\x019={}\x01", bytes.len()).as_bytes(), bytes, b"10=000\x01"].concat()
}

pub(crate) fn websocket(_: &str, bytes: &[u8]) -> Vec<u8> {
    let mask = &b"mask"[..if bytes.len().is_multiple_of(2) { 4 } else { 0 }];
    let bit = if mask.is_empty() { 0 } else { 0x80 };
    let head = match bytes.len() {
        short @ 0..126 => vec![0x82, short as u8 | bit],
        long => vec![0x82, 126 | bit, (long >> 8) as u8, long as u8],
    };
    [&head, mask, bytes].concat()
}

pub(crate) fn zmtp(_: &str, bytes: &[u8]) -> Vec<u8> {
    let head = match bytes.len() {
        short @ 0..200 => vec![1, short as u8],
        long => [&[2][..], &(long as u64).to_be_bytes()].concat(),
    };
    [&head, bytes].concat()
}

pub(crate) fn coap(_: &str, bytes: &[u8]) -> Vec<u8> {
    let head = match bytes.len() {
        short @ 0..13 => vec![(short as u8) << 4 | 1, 0x45, 7],
        long @ 13..269 => vec![0xd0, (long - 13) as u8, 0x45],
        long => vec![0xe0, ((long - 269) >> 8) as u8, (long - 269) as u8, 0x45],
    };
    [&head, bytes].concat()
}

pub(crate) fn dnp3(_: &str, bytes: &[u8]) -> Vec<u8> {
    let data = &bytes[..bytes.len().min(250)];
    let blocks = data.chunks(16).flat_map(|block| [block, b"cc"].concat());
    [0x05, 0x64, 5 + data.len() as u8, 0, 1, 0, 2, 0, 0, 0].into_iter().chain(blocks).collect()
}

/// Registers that are written, or those that were read.
pub(crate) fn modbus_rtu(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let data = &bytes[..bytes.len().min(255)];
    let head = if spec.contains(":client") { &[17, 0x10, 0, 1, 0, 9][..] } else { &[17, 3][..] };
    [head, &[data.len() as u8], data].concat()
}

/// A connection setup whose protocol version is also its length if it is read as a request: each message may be the first.
pub(crate) fn x11(_: &str, bytes: &[u8]) -> Vec<u8> {
    let data = bytes.len().next_multiple_of(4);
    let (words, name) = (((12 + data) / 4) as u16, bytes.len() as u16);
    let mut message = [&b"l\0"[..], &words.to_le_bytes(), b"\0\0", &name.to_le_bytes(), b"\0\0\0\0", bytes].concat();
    message.resize(12 + data, 0);
    message
}

/// A request or a response with a length or, where there are any, in chunks; of RTSP an interleaved frame as well.
pub(crate) fn http(spec: &str, bytes: &[u8]) -> Vec<u8> {
    let dialect = spec.split('-').next().unwrap();
    let name = dialect.to_uppercase();
    match (dialect, bytes.len() % 3) {
        ("rtsp", 1) => [b"$\x01", &(bytes.len() as u16).to_be_bytes()[..], bytes].concat(),
        ("http", 1) => {
            let chunk = format!("PUT /a HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n{:X};a=b\r\n", bytes.len());
            [chunk.as_bytes(), bytes, b"\r\n0\r\nA: b\r\n\r\n"].concat()
        }
        (_, 2) if key(spec, "body").is_none() => {
            [format!("{name}/1.1 200 Fine\nA: b\n c\ncontent-LENGTH: {}\n\n", bytes.len()).as_bytes(), bytes].concat()
        }
        _ => [format!("ASK * {name}/1.0\r\nContent-Length:{}\r\n\r\n", bytes.len()).as_bytes(), bytes].concat(),
    }
}

/// Lines of which none is empty.
pub(crate) fn event(_: &str, bytes: &[u8]) -> Vec<u8> {
    let mut event = b":".to_vec();
    for byte in bytes {
        let ended = matches!(event.last(), Some(b'\r' | b'\n'));
        event.push(if ended && matches!(byte, b'\r' | b'\n') { b'_' } else { *byte });
    }
    if let Some(last @ (b'\r' | b'\n')) = event.last_mut() {
        *last = b'_';
    }
    event
}

/// A packet, or an acknowledgement if there is nothing to put into a packet.
pub(crate) fn gdb(_: &str, bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return b"+".to_vec();
    }
    let data = bytes.iter().map(|byte| if matches!(byte, b'#' | b'$') { b'_' } else { *byte });
    std::iter::once(b'$').chain(data).collect()
}

/// A line, or a line and its body.
pub(crate) fn nsq(spec: &str, bytes: &[u8]) -> Vec<u8> {
    match bytes.first().copied().unwrap_or(1) % 2 {
        0 => line(spec, bytes),
        _ => [b"PUB topic\n", bytes].concat(),
    }
}

/// A packet with a length of two bytes; each message may be the first.
pub(crate) fn tns(_: &str, bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16 + 8).to_be_bytes()[..], b"\0\0\x06\0\0\0", bytes].concat()
}

/// ChannelData, or a STUN message.
pub(crate) fn turn(_: &str, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u16).to_be_bytes();
    match bytes.len() % 3 {
        0 => [&[0, 1], &length[..], b"\x21\x12\xa4\x42transaction_", bytes].concat(),
        _ => [&[0x40, 1], &length[..], bytes].concat(),
    }
}

/// A word alone, a word and a reason, or data.
pub(crate) fn adb(_: &str, bytes: &[u8]) -> Vec<u8> {
    let word: &[u8] = match bytes.len() % 3 {
        0 if bytes.is_empty() => return b"OKAY".to_vec(),
        1 => b"FAIL",
        _ => b"",
    };
    [word, format!("{:04x}", bytes.len()).as_bytes(), bytes].concat()
}

/// A value of one kind or another that contains these bytes.
pub(crate) fn messagepack(_: &str, bytes: &[u8]) -> Vec<u8> {
    let (high, low) = ((bytes.len() >> 8) as u8, bytes.len() as u8);
    match bytes.len() % 4 {
        0 => [&[0xc5, high, low], bytes].concat(),
        1 => [&[0x82, 0xa1, b'k', 0xc0, 0xd9, 1, b'k', 0xda, high, low], bytes].concat(),
        2 => [&[0x93, 0xcd, 1, 2, 0x90, 0xc8, high, low, 5], bytes].concat(),
        _ => [&[0xdc, high, low][..], &vec![0xff; bytes.len()]].concat(),
    }
}

/// An item of one kind or another that contains these bytes.
pub(crate) fn cbor(_: &str, bytes: &[u8]) -> Vec<u8> {
    let (high, low) = ((bytes.len() >> 8) as u8, bytes.len() as u8);
    match bytes.len() % 4 {
        0 => [&[0x59, high, low], bytes].concat(),
        1 => [&[0x9f, 0x82, 0xbf, 0x61, b'k', 0xf6, 0xff, 0xc1, 0x79, high, low], bytes, &[0xff]].concat(),
        2 => [&[0x5f, 0x40, 0x59, high, low], bytes, &[0xff]].concat(),
        _ => [&[0x99, high, low][..], &vec![0x20; bytes.len()]].concat(),
    }
}

/// One segment or two, in whole words.
pub(crate) fn capnproto(_: &str, bytes: &[u8]) -> Vec<u8> {
    let mut data = bytes.to_vec();
    data.resize(bytes.len().next_multiple_of(8), 0);
    let words = (data.len() / 8) as u32;
    let table = if bytes.len().is_multiple_of(2) { vec![0, words] } else { vec![1, words, 0, 0] };
    table.into_iter().flat_map(u32::to_le_bytes).chain(data).collect()
}

/// Metadata with only the length of the body: the root, the positions of the fields, the table.
pub(crate) fn arrow(_: &str, bytes: &[u8]) -> Vec<u8> {
    let fields: Vec<u8> = [12, 16, 0, 0, 0, 8].into_iter().flat_map(u16::to_le_bytes).collect();
    let table = [12_u32, 0, bytes.len() as u32, 0];
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    [numbers(&[u32::MAX, 32, 16]), fields, numbers(&table), bytes.to_vec()].concat()
}

/// A chunk that is a whole message; each may be the first.
pub(crate) fn rtmp(_: &str, bytes: &[u8]) -> Vec<u8> {
    let data = &bytes[..bytes.len().min(128)];
    let kind = if data.len() == 4 { 8 } else { 1 };
    let stream: &[u8] = if data.len().is_multiple_of(2) { b"\x03" } else { b"\x01\x05\x01" };
    [stream, b"\0\0\x07\0\0", &[data.len() as u8, kind, 1, 0, 0, 0], data].concat()
}
