//! Frames that other sources give: RFCs, Python, published papers.

use crate::drive::{Told, bytewise, encode, framing, plain, whole};

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Checks that the message is encoded as these bytes, and that they decode to this message.
#[track_caller]
pub(crate) fn both_ways(spec: &str, message: &[u8], frame: &[u8]) {
    let framing = framing(spec);
    assert_eq!(encode(&framing, [message]), frame, "{spec}");
    reads(spec, frame, &[message]);
}

#[track_caller]
pub(crate) fn reads<M: AsRef<[u8]>>(spec: &str, stream: &[u8], messages: &[M]) {
    let messages = messages.iter().map(|message| message.as_ref().to_vec()).collect();
    let told = Told { messages, discarded: 0, error: None };
    assert_eq!(whole(&framing(spec), stream), told, "{spec}");
    assert_eq!(bytewise(&framing(spec), stream), told, "{spec}");
}

/// Checks that these bytes are refused for this reason.
#[track_caller]
pub(crate) fn refuses(spec: &str, stream: &[u8], reason: &str) {
    let told = whole(&framing(spec), stream);
    let (text, _) = told.error.clone().unwrap_or_else(|| panic!("{spec} took {:?}", told.messages));
    assert!(text.contains(reason), "{spec}: {text}");
    assert_eq!(bytewise(&framing(spec), stream), told, "{spec}");
}

#[track_caller]
pub(crate) fn cannot_send(spec: &str, message: &[u8], reason: &str) {
    let error = framing(spec).encoder().unwrap().encode(message, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains(reason), "{spec}: {error}");
}

#[test]
fn lines() {
    both_ways("line", b"hi", b"hi\n");
    reads("line", b"a\r\nb\n\n\r\n\r\r\nrest", &["a", "b", "", "", "\r", "rest"]);
    both_ways("line,cr=keep", b"hi\r", b"hi\r\n");
    reads("line,cr=keep", b"a\r\nb\n\r\nc\r", &["a\r", "b", "\r", "c\r"]);
    cannot_send("line", b"a\nb", "contains its own delimiter (LF) at byte 1");
    cannot_send("line", b"a\r", "ends in CR");
    both_ways("crlf", b"a\nb\rc", b"a\nb\rc\r\n");
    cannot_send("crlf", b"a\r\nb", "delimiter (CRLF) at byte 1");
    refuses("crlf", b"a\r\nrest\r", "ended inside a frame, after 5 bytes");
}

#[test]
fn json_text_sequences() {
    both_ways("json-seq", b"{\n \"a\": [\n1]}", b"\x1e{\n \"a\": [\n1]}\n");
    both_ways("json-seq", b"-1.5e3", b"\x1e-1.5e3\n");
    // RFC 7464, section 2.1: several RS, blanks after a text, a text that was cut off, octets that are not JSON.
    reads(
        "json-seq",
        b"\x1e\x1e\x1etrue \r\n \n\x1e[1,\x1e123\x1ehello\nyou\n\x1e[]\n",
        &["true \r", "[1,", "123", "hello\nyou", "[]"],
    );
    refuses("json-seq", b"\x1e[]\n[]\n", "expected the separator 1e, found \"[\"");
    refuses("json-seq", b"\x1e123", "ended inside a frame, after 4 bytes");
    for message in [&b"1\n2"[..], b"[] []", b"hello", b"\x1e1", b"[1", b""] {
        cannot_send("json-seq", message, "not one JSON value");
    }
}

#[test]
fn a_length_that_announces_nothing() {
    let spec = "length:off=2,width=4,sign=yes,none=ffffffff";
    both_ways(spec, b"ES\xff\xff\xff\xff", b"ES\xff\xff\xff\xff");
    reads(
        spec,
        b"ES\0\0\0\x01xES\xff\xff\xff\xffES\0\0\0\0",
        &[&b"ES\0\0\0\x01x"[..], b"ES\xff\xff\xff\xff", b"ES\0\0\0\0"],
    );
    refuses(spec, b"ES\xff\xff\xff\xfe", "length -2 is negative");
    cannot_send(spec, b"ES\xff\xff\xff\xffx", "which is not right for a message of 7 bytes");
}

#[test]
fn delimiters_may_overlap_themselves() {
    both_ways("delim:616162", b"aa_a", b"aa_aaab");
    reads("delim:616162", b"aaaabaab", &["aa", ""]);
    cannot_send("delim:616161", b"xa", "at byte 1");
    cannot_send("delim:0d0a0d0a", b"x\r\n", "at byte 1");
    both_ways("delim:0d0a0d0a", b"x\r\n\r", b"x\r\n\r\r\n\r\n");
    both_ways("null", b"a", b"a\0");
}

#[test]
fn betweens() {
    both_ways("mllp", b"MSH|x\rPID\r", b"\x0bMSH|x\rPID\r\x1c\r");
    both_ways("between:02:03", b"\x02", b"\x02\x02\x03");
    reads("between:2424:0d0a", b"$$a\r\n$$\r\n", &["a", ""]);
    refuses("mllp", b"\x0ba\x1c\rMSH", "a frame starts with 0b, not with \"M\"");
    refuses("between:2424:03", b"$x", "a frame starts with \"$$\", not with \"$x\"");
    cannot_send("between:02:0303", b"\x03", "delimiter (0303) at byte 0");
}

#[test]
fn integers() {
    both_ways("u32be", b"hi", b"\0\0\0\x02hi");
    both_ways("u24le", b"hi", b"\x02\0\0hi");
    both_ways("u48be", b"", b"\0\0\0\0\0\0");
    both_ways("u32be,adj=-4", b"hi", b"\0\0\0\x06hi");
    refuses("i16be", b"\xff\xfe", "length -2 is negative");
    refuses("u32be,adj=-4", b"\0\0\0\x03", "length 3 is less than the 4 bytes that it counts itself");
    refuses("u64be", &[0xff; 8], "length 18446744073709551615 is over the limit of 16 MiB");
    refuses("u64be,adj=5", &[0xff; 8], "over the limit of 16 MiB");
    cannot_send("u8", &[0; 256], "256 bytes, more than its length field can say (at most 255)");
    cannot_send("i8", &[0; 128], "at most 127");
    cannot_send("u8,adj=-4", &[0; 252], "at most 251");
}

#[test]
fn general_lengths() {
    // PostgreSQL's simple query: the length counts itself, and the type byte precedes it.
    both_ways("length:off=1,width=4,adj=-4", b"Q\0\0\0\x0bselect;", b"Q\0\0\0\x0bselect;");
    cannot_send("length:off=1,width=4,adj=-4", b"Q\0\0\0\x0cselect;", "the length in the message's header is 12");
    cannot_send("length:off=1,width=4,adj=-4", b"Q\0", "less than its own header of 5");
    // AMQP 0-9-1's empty heartbeat frame.
    both_ways("length:off=3,width=4,adj=1,trailer=ce", b"\x08\0\0\0\0\0\0", b"\x08\0\0\0\0\0\0\xce");
    refuses(
        "length:off=3,width=4,adj=1,trailer=ce",
        b"\x08\0\0\0\0\0\0\0",
        "expected ce at the end of the frame, found a zero byte",
    );
    // TURN's channel data: padded to four bytes, which the length does not count.
    both_ways("length:off=2,width=2,align=4", b"\x40\0\0\x05hello", b"\x40\0\0\x05hello\0\0\0");
    // ONC RPC's record mark, the last fragment's bit set.
    both_ways("length:width=4,mask=7fffffff,head=80000000", b"hi", b"\x80\0\0\x02hi");
    reads("length:width=4,mask=7fffffff,head=80000000", b"\0\0\0\x02hi", &["hi"]);
    // HTTP/2: a length before six more header bytes.
    both_ways("length:width=3,adj=6,header=strip,head=000000000000000001", b"hi", b"\0\0\x02\0\0\0\0\0\x01hi");
}

#[test]
fn lengths_as_python_packs_them() {
    let everywhere = [
        ("struct:B", "05"),
        ("struct:b", "05"),
        ("struct:!I", "00000005"),
        ("struct:net:I", "00000005"),
        ("struct:!H", "0005"),
        ("struct:<H", "0500"),
        ("struct:le:H", "0500"),
        ("struct:>q", "0000000000000005"),
        ("struct:be:q", "0000000000000005"),
        ("struct:<l", "05000000"),
        ("struct:>b3x", "05000000"),
        ("struct:!2x1I2x", "0000000000050000"),
        ("struct:! I", "00000005"),
        ("struct:<xq", "000500000000000000"),
        ("struct:>xI2x", "00000000050000"),
    ];
    let native_little_64 = [
        ("struct:i", "05000000"),
        ("struct:H", "0500"),
        ("struct:q", "0500000000000000"),
        ("struct:l", "0500000000000000"),
        ("struct:@l", "0500000000000000"),
        ("struct:native:L", "0500000000000000"),
        ("struct:n", "0500000000000000"),
        ("struct:N", "0500000000000000"),
        ("struct:=I", "05000000"),
        ("struct:=l", "05000000"),
        ("struct:ne:L", "05000000"),
        ("struct:xh", "00000500"),
        ("struct:xi", "0000000005000000"),
        ("struct:2xq", "00000000000000000500000000000000"),
        ("struct:x3xI", "0000000005000000"),
        ("struct:ix", "0500000000"),
        ("struct:i3x", "05000000000000"),
        ("struct:2x1I2x", "00000000050000000000"),
        ("struct:B0q", "0500000000000000"),
        ("struct:H 2x", "05000000"),
        ("struct:xxxxl", "00000000000000000500000000000000"),
    ];
    let here = cfg!(all(unix, target_endian = "little", target_pointer_width = "64"));
    for (spec, header) in everywhere.into_iter().chain(native_little_64.into_iter().filter(|_| here)) {
        let mut frame = unhex(header);
        frame.extend_from_slice(b"hello");
        both_ways(spec, b"hello", &frame);
    }
    // Python writes zeros as padding, and reads any bytes there.
    reads("struct:>b3x", b"\x02???hi", &["hi"]);
}

#[test]
fn varints() {
    // The protobuf encoding guide's 150.
    both_ways("varint", &[b'x'; 150], &[&b"\x96\x01"[..], &[b'x'; 150]].concat());
    both_ways("varint", b"", b"\0");
    reads("varint", b"\x82\x80\x00hi\x80\x00", &["hi", ""]);
    refuses("varint", &[&[0xff; 9][..], b"\x01"].concat(), "length 18446744073709551615 is over the limit");
    refuses("varint", &[&[0xff; 9][..], b"\x02"].concat(), "the varint length is over 64 bits");
    refuses("varint", &[0x80; 10], "the varint length is over 64 bits");
}

#[test]
fn asn1() {
    // An LDAP unbind request, and an octet string with a long tag and a longer length than it needs.
    both_ways("ber", &unhex("3005 0201 0342 00"), &unhex("3005 0201 0342 00"));
    both_ways("ber", &unhex("3f8148 820002 6869"), &unhex("3f8148 820002 6869"));
    refuses("ber", &unhex("3080"), "indefinite length");
    refuses("ber", &unhex("3089"), "an ASN.1 length of 9 bytes");
    refuses("ber", &unhex("3fffffffffff7f"), "tag of over 6 bytes");
    refuses("ber", &unhex("3088ffffffffffffffff"), "over the limit of 16 MiB");
    cannot_send("ber", b"", "not exactly one ASN.1 value");
    cannot_send("ber", &unhex("0500 00"), "not exactly one ASN.1 value");
}

#[test]
fn digits_in_a_field() {
    both_ways("ascii:4", b"hello", b"0005hello");
    reads("ascii:10", b"5         hello         5hello    5     hello", &["hello", "hello", "hello"]);
    reads("ascii:4", b"5\0\0\0hello0000", &["hello", ""]);
    refuses("ascii:4", b"    ", "\"    \" is not a decimal length");
    refuses("ascii:4", b"1 2 ", "\"1 2 \" is not a decimal length");
    refuses("ascii:4", b"-001", "is not a decimal length");
    refuses("ascii:64", &[b'9'; 64], "over 64 bits");
    cannot_send("ascii:1", b"0123456789", "at most 9");
    both_ways("hex:4", b"host:version", b"000chost:version");
    reads("hex:4", b"000Ahost:track", &["host:track"]);
    refuses("hex:4", b" 00c", "is not a hexadecimal length");
    cannot_send("hex:2", &[0; 256], "at most 255");
}

#[test]
fn digits_up_to_an_end() {
    both_ways("decimal:20", b"hello", b"5\nhello");
    both_ways("decimal:5,end=20", b"", b"0 ");
    reads("decimal:4", b"0005\nhello", &["hello"]);
    refuses("decimal:4", b"00005\nhello", "expected LF after 4 digits of a length, found \"5\"");
    refuses("decimal:4", b"\n", "expected a length in digits, found LF");
    refuses("decimal:4", b"5\r\n", "expected a digit or LF in a length, found CR");
    refuses("decimal:20", b"99999999999999999999\n", "over 64 bits");
    cannot_send("decimal:1", b"0123456789", "at most 9");
}

#[test]
fn netstrings() {
    both_ways("netstring", b"hello world!", b"12:hello world!,");
    both_ways("netstring", b"", b"0:,");
    refuses("netstring", b"00:,", "begins with a zero");
    refuses("netstring", b"05:hello,", "begins with a zero");
    refuses("netstring", b":,", "expected a length in digits, found");
    refuses("netstring", b"5:hello.", "expected \",\" after a message of 5 bytes, found \".\"");
}

#[test]
fn octet_counts() {
    both_ways("octet-count", b"<34>1 - - -", b"11 <34>1 - - -");
    refuses("octet-count", b"0 ", "begins with a zero");
    refuses("octet-count", b"<34>1 - - -\n", "expected a length in digits, found \"<\"");
    cannot_send("octet-count", b"", "no empty messages");
}

#[test]
fn header_blocks() {
    both_ways("headers", b"{}", b"Content-Length: 2\r\n\r\n{}");
    let other = b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length:2  \r\n\r\n{}";
    reads("headers", other, &["{}"]);
    both_ways("headers,header=keep", other, other);
    reads("headers", b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n", &[""]);
    refuses("headers", b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "given twice, and differs");
    refuses("headers", b"Content-Length: 2\n\n{}", "found LF alone");
    refuses("headers", b"X: y\r\n\r\n", "has no Content-Length");
    refuses("headers", b"\r\n", "has no Content-Length");
    refuses("headers", b"Content-Length: +2\r\n\r\n", "Content-Length \"+2\" is not a length");
    refuses("headers", b"Content-Length: 99999999999999999999\r\n\r\n", "is not a length");
    refuses("headers", b"Content-Length : 2\r\n\r\n", "is not a header line");
    refuses("headers", b"hello\r\n", "\"hello\" is not a header line");
    refuses("headers", b"Content-Length: 16777217\r\n\r\n", "length 16777217 is over the limit of 16 MiB");
    cannot_send("headers,header=keep", b"Content-Length: 3\r\n\r\n{}", "is 3, and its body has 2 bytes");
    cannot_send("headers,header=keep", b"A: b\r\n\r\n{}", "has no Content-Length");
    cannot_send("headers,header=keep", b"{}", "does not begin with a header block");
}

#[test]
fn slip() {
    both_ways("slip", b"\xc0a\xdb", b"\xdb\xdca\xdb\xdd\xc0");
    reads("slip", b"\xc0\xc0a\xc0\xc0\xc0b\xc0\xc0", &["a", "b"]);
    refuses("slip", b"a\xdbb\xc0", "ESC is followed by \"b\"");
    refuses("slip", b"a\xdb\xc0", "ESC is followed by c0");
    cannot_send("slip", b"", "no empty messages");
}

#[test]
fn cobs() {
    let run: Vec<u8> = (1..=255).collect();
    // The usual test vectors, after Cheshire and Baker.
    both_ways("cobs", b"", b"\x01\0");
    both_ways("cobs", b"\0", b"\x01\x01\0");
    both_ways("cobs", b"\0\0", b"\x01\x01\x01\0");
    both_ways("cobs", b"\0\x11\0", b"\x01\x02\x11\x01\0");
    both_ways("cobs", &unhex("11220033"), &unhex("031122023300"));
    both_ways("cobs", &unhex("11220000 00"), &unhex("0311220101 0100"));
    both_ways("cobs", &run[..254], &[b"\xff", &run[..254], b"\0"].concat());
    both_ways("cobs", &[b"\0", &run[..254]].concat(), &[b"\x01\xff", &run[..254], b"\0"].concat());
    both_ways("cobs", &run, &[b"\xff", &run[..254], b"\x02\xff\0"].concat());
    both_ways("cobs", &[&run[..254], b"\0"].concat(), &[b"\xff", &run[..254], b"\x01\x01\0"].concat());
    // Some encoders write one byte more than necessary.
    reads("cobs", &[b"\xff", &run[..254], b"\x01\0"].concat(), &[&run[..254]]);
    reads("cobs", b"\0\0\x02a\0\0", &["a"]);
    refuses("cobs,max=3", b"\x09abcdef\0", "over the limit of 3 bytes");
    refuses("cobs", b"\x05ab\0", "ends 2 bytes into a run of 4");
}

#[test]
fn lengths_and_ends_as_other_programs_write_them() {
    // pyiso8583 4.0.1: field 48 with len_enc "bcd" and len_type 4.
    both_ways("length:width=2,bcd=yes", b"HELLO WORLD!", b"\0\x12HELLO WORLD!");
    both_ways("length:width=2,bcd=yes", &[b'x'; 123], &[&b"\x01\x23"[..], &[b'x'; 123]].concat());
    // GNU ar 2.40: a header of 60 bytes with the size at 48 and two more bytes after it, then the content.
    let one = b"one.txt/        0           0     0     644     12        `\nhello world!";
    let two = b"two.txt/        0           0     0     644     2         `\nab";
    let archive = [b"!<arch>\n", &one[..], &two[..]].concat();
    let members: [&[u8]; 3] = [b"!<arch>\n", one, two];
    reads("fixed:8/ascii:10,off=48,adj=2", &archive, &members);
    assert_eq!(encode(&framing("fixed:8/ascii:10,off=48,adj=2"), members), archive);
    // pydifact 0.2.3: segments end in an apostrophe, which is part of each.
    reads("delim:27,keep", b"QTY+12:3'FTX+its'", &["QTY+12:3'", "FTX+its'"]);
    both_ways("delim:27,keep", b"QTY+12:3'", b"QTY+12:3'");
}

#[test]
fn modbus_rtu() {
    // The standard's example of a CRC, and frames of pymodbus 3.16.1.
    both_ways("modbus-rtu-frame:client", b"\x02\x07", b"\x02\x07\x41\x12");
    both_ways("modbus-rtu-frame:client", b"\x11\x03\0\x6b\0\x03", b"\x11\x03\0\x6b\0\x03\x76\x87");
    both_ways("modbus-rtu-frame:server", b"\x11\x83\x02", b"\x11\x83\x02\xc1\x34");
    let (client, server) = ("modbus-rtu-frame:client", "modbus-rtu-frame:server");
    refuses(client, b"\x02\x07\x41\x13", "a frame of function 07 ends in the CRC 4113, and its bytes make 4112");
    refuses(client, b"\x02\x41", "a client's function 41 has no known length");
    refuses(client, b"\x02\x83", "a client's function 83 has no known length");
    refuses(server, b"\x02\x2b\x0d", "function 2b with 0d has no known length");
    refuses(server, b"\x02\x03\x02\0", "the stream ended 4 bytes into a 7-byte frame");
    refuses("modbus-rtu-frame:server,max=5", b"\x02\x03\x04", "over the limit of 5 bytes");
    cannot_send(client, b"\x02\x03\0\0\0", "a message of function 03 has 6 bytes here, and 5 are there");
    cannot_send(client, b"\x02", "ends inside its own header");
    // The CRC finds the frame after noise, although the noise looks like the beginning of a longer frame.
    let noise = "modbus-rtu-frame:server,damaged=skip";
    reads(noise, b"\xff\x02\x03\x04\x11\x83\x02\xc1\x34\x11\x83\x02\xc1\x34", &[b"\x11\x83\x02", b"\x11\x83\x02"]);
}

#[test]
fn jt808() {
    // JT/T 808, the example of section 4.4.2 with its check byte.
    both_ways("jt808-frame", b"0~\x08}U", b"~0}\x02\x08}\x01U\x6e~");
    both_ways("jt808-frame", b"\x7e\0", b"~}\x02\0}\x02~");
    reads("jt808-frame", b"~~0\x01\x31~0\x01\x31~", &["0\x01", "0\x01"]);
    refuses("jt808-frame", b"~0\x01\x32~", "a frame ends in the check byte 32, and its bytes make 31");
    refuses("jt808-frame", b"~0}\x03~", "7d is followed by 03, which escapes nothing");
    refuses("jt808-frame,max=3", b"~01234", "over the limit of 3 bytes");
}

#[test]
fn hdlc() {
    // The check values of CRC-16/X-25 and CRC-32/ISO-HDLC.
    both_ways("hdlc", b"123456789", b"~123456789\x6e\x90~");
    both_ways("hdlc,fcs=32", b"123456789", b"~123456789\x26\x39\xf4\xcb~");
    both_ways("hdlc,fcs=none", b"}~ }", b"~}]}^ }]~");
    both_ways("hdlc", b"", b"~\0\0~");
    both_ways("hdlc,escape=controls", b"\0 \x1f~", b"~}  }?}^\x45\x73~");
    // A checksum that has to be escaped itself.
    both_ways("hdlc", b"Bw", b"~Bw\xa9}]~");
    // Flags between frames, shared or not; octets that need not have been escaped, as PPP escapes controls.
    reads("hdlc", b"~~123456789\x6e\x90~}\x1123456789\x6e\x90~~~", &["123456789", "123456789"]);
    // A frame that its sender has given up.
    reads("hdlc", b"~1234}~123456789\x6e\x90~", &["123456789"]);
    refuses("hdlc", b"~123456789\x6e\x91~", "a frame ends in the FCS-16 6e91, and its bytes make 6e90");
    refuses("hdlc", b"~123456789\x26\x39\xf4\xcb~", "it would be right with fcs=32");
    refuses("hdlc,fcs=32", b"~123456789\x6e\x90~", "it would be right with fcs=16");
    refuses("hdlc", b"~a~", "a frame of 1 byte is shorter than its checksum");
    refuses("hdlc,max=3,fcs=none", b"~}1}2}3}4", "over the limit of 3 bytes");
    refuses("hdlc", b"~abc}", "ended inside a frame, after 4 bytes");
    cannot_send("hdlc,fcs=none", b"", "no empty messages");
}

#[test]
fn json() {
    both_ways("json", b"{\"a\":[1,true,null,\"}\\\"\"]}", b"{\"a\":[1,true,null,\"}\\\"\"]}\n");
    let stream = b" {}\r\n[]\"a\"\"b\"1 -2.5e-3\ttruefalse0{\"x\" : 1}12[3]4";
    let values = ["{}", "[]", "\"a\"", "\"b\"", "1", "-2.5e-3", "true", "false", "0", "{\"x\" : 1}", "12", "[3]", "4"];
    reads("json", stream, &values);
    reads("json", "\"\u{e9}\" \"\\u00e9\"".as_bytes(), &["\"\u{e9}\"", "\"\\u00e9\""]);
    reads("json,max=3", b"123\n456[7]890", &["123", "456", "[7]", "890"]);
    refuses("json,max=3", b"1234", "over the limit of 3 bytes");
    refuses("json,max=3", b"123x", "over the limit of 3 bytes");
    refuses("json", b"{]", "expected a member's name in quotes at byte 1 of a JSON value, found \"]\"");
    refuses("json", b"[1}", "expected `,` or `]` at byte 2 of a JSON value, found \"}\"");
    refuses("json", b"{\"a\",", "expected a colon at byte 4 of a JSON value, found \",\"");
    refuses("json", b"{\"a\":1]", "expected `,` or `}` at byte");
    refuses("json", b"[1,]", "expected a value at byte");
    refuses("json", b"{\"a\":1,}", "expected a member's name in quotes at byte");
    refuses("json", b"\"a\nb\"", "LF at byte 2 of a JSON value, inside a string");
    refuses("json", b"\"\\x\"", "inside an escape");
    refuses("json", b"\"\\u12g4\"", "inside an escape");
    refuses("json", b"nul ", "inside true, false or null");
    refuses("json", b"01", "\"1\" at byte 1 of a JSON value, inside a number");
    refuses("json", b"1.e", "inside a number");
    refuses("json", b"1,2", "inside a number");
    refuses("json", b"1x", "inside a number");
    refuses("json", b"- ", "inside a number");
    refuses("json,max=4,oversize=discard", b"\"abcdef\n\"", "LF at byte 7 of a JSON value, inside a string");
    refuses("json", b"hello", "expected a value at byte 0 of a JSON value, found \"h\"");
    refuses("json", b"[1", "ended inside a frame, after 2 bytes");
    refuses("json", b"-", "ended inside a frame, after 1 byte");
    cannot_send("json", b" 1", "begins with a blank");
    cannot_send("json", b"x", "is not JSON");
    cannot_send("json", b"1 ", "ends at byte 1, and more follows");
    cannot_send("json", b"{}{}", "ends at byte 2, and more follows");
    cannot_send("json", b"[", "is not a whole JSON value");
    cannot_send("json", b"", "is not a whole JSON value");
}

#[test]
fn fixed_lengths() {
    both_ways("fixed:3", b"abc", b"abc");
    reads("fixed:1K", &[b'x'; 2048], &[[b'x'; 1024], [b'x'; 1024]]);
    refuses("fixed:3", b"abcd", "the stream ended 1 byte into a 3-byte frame");
    cannot_send("fixed:3", b"ab", "2 bytes, and every frame has 3");
}

#[test]
fn an_error_says_where_it_is() {
    let mut decoder = framing("netstring").decoder();
    decoder.feed(b"3:abc,x");
    assert_eq!(decoder.next(), Ok(Some(&b"abc"[..])));
    let error = decoder.next().unwrap_err();
    assert_eq!(error.offset(), 6);
    assert!(error.is_broken() && !error.is_too_long() && !error.is_incomplete() && !error.is_timeout());
    assert_eq!(plain(&error), "expected a length in digits, found \"x\"");
}

/// Written by hand, from the meaning of each key.
#[test]
fn lengths_in_text_behind_a_header_and_delimiters_that_are_kept() {
    let messages = |spec: &str, stream: &[u8]| whole(&framing(spec), stream).messages;
    assert_eq!(messages("ascii:4,adj=-4", b"0009hello0004"), [&b"hello"[..], b""]);
    assert_eq!(encode(&framing("ascii:4,adj=-4"), ["hello"]), b"0009hello");
    assert_eq!(messages("ascii:3,off=2,adj=1", b"AB005hello\x03CD000\x03"), [&b"AB005hello\x03"[..], b"CD000\x03"]);
    assert_eq!(encode(&framing("ascii:3,off=2,adj=1"), ["AB005hello\x03"]), b"AB005hello\x03");
    assert_eq!(messages("delim:0d0a,keep", b"one\r\n\r\ntwo\r\n"), [&b"one\r\n"[..], b"\r\n", b"two\r\n"]);
    assert_eq!(encode(&framing("delim:0d0a,keep"), ["one\r\n"]), b"one\r\n");
    for (spec, message, what) in [
        ("delim:0d0a,keep", "one", "the message does not end in CRLF, which is part of it"),
        ("ascii:3,off=2,adj=1", "AB006hello\x03", "announces 7 bytes after it, but 6 follow"),
        ("ascii:2,adj=-4", &"x".repeat(96), "96"),
        ("ascii:2,adj=4", "abc", "a message has at least 4 bytes here (adj)"),
    ] {
        let error = framing(spec).encoder().unwrap().encode(message.as_bytes(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains(what), "{spec}: {error}");
    }
    let told = whole(&framing("ascii:4,adj=-4"), b"0003");
    assert_eq!(told.error.map(|(text, _)| text).as_deref(), Some("length 3 is less than the 4 bytes that it counts"));
}

/// Two decimal digits per byte, as in the TPDU lengths of payment terminals: 0x0123 is 123.
#[test]
fn lengths_in_decimal_digits_of_four_bits() {
    let framing_of = |spec: &str| framing(&format!("length:{spec}"));
    let message = [b'x'; 123];
    for (spec, head) in [
        ("width=2,bcd=yes", &b"\x01\x23"[..]),
        ("width=2,bcd=yes,endian=le", b"\x23\x01"),
        ("width=3,bcd=yes,adj=-3", b"\x00\x01\x26"),
    ] {
        let framing = framing_of(spec);
        let stream = encode(&framing, [message]);
        assert_eq!(stream[..head.len()], *head, "{spec}");
        assert_eq!(whole(&framing, &stream).messages, [message], "{spec}");
    }
    let told = whole(&framing_of("width=2,bcd=yes"), b"\x01\x2ax");
    assert_eq!(told.error.map(|(text, _)| text).as_deref(), Some("length 012a is not in decimal digits (BCD)"));
    let error = framing_of("width=1,bcd=yes").encoder().unwrap().encode(&[0; 100], &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("99"), "{error}");
    assert!(unstick_wire::Framing::parse("length:width=2,bcd=yes,mask=7fff").is_err());
}
