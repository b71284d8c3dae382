//! The rules of single protocols for their own framings: bytes as in the specifications, and bytes that are refused.

use crate::drive::{framing, plain, whole};
use crate::vectors::{both_ways, cannot_send, reads, refuses};

#[test]
fn http_bodies_end_as_their_heads_say() {
    let stream = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\nPOST /a HTTP/1.0\ncontent-length:  2 \n\nhiGET /b HTTP/1.1\r\n\r\n";
    reads(
        "http-message",
        stream,
        &[
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /a HTTP/1.0\ncontent-length:  2 \n\nhi",
            "GET /b HTTP/1.1\r\n\r\n",
        ],
    );
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0a \r\n0123456789\r\n000\r\nSum: 7\r\n\r\n";
    both_ways("http-message", chunks.as_bytes(), chunks.as_bytes());
    let lists = "PUT / HTTP/1.1\r\nContent-Length: 2, 2\r\nContent-Length: 02\r\nX: folded\r\n over\r\n\r\nhi";
    both_ways("http-message", lists.as_bytes(), lists.as_bytes());
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n";
    reads("http-message,body=none", head.repeat(2).as_bytes(), &[head, head]);
    for bodiless in
        ["HTTP/1.1 101 Switching\r\n\r\n", "HTTP/1.1 204\r\n\r\n", "HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n"]
    {
        reads("http-message", bodiless.repeat(2).as_bytes(), &[bodiless, bodiless]);
    }
}

#[test]
fn an_http_response_without_a_length_goes_on_to_the_end() {
    let response = "HTTP/1.0 200 OK\r\n\r\nall\r\n\r\nof it";
    reads("http-message", response.as_bytes(), &[response]);
    let coded = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n\x1f";
    reads("http-message", coded.as_bytes(), &[coded]);
    refuses("http-message,max=30", response.as_bytes(), "over the limit of 30 bytes");
    cannot_send("http-message", response.as_bytes(), "only the end of the stream would end it");
    assert!(unstick_wire::Framing::parse("http-message/raw").unwrap_err().to_string().contains("no phase can follow"));
}

#[test]
fn http_that_readers_would_disagree_on_is_refused() {
    let refused =
        |head: &str, reason: &str| refuses("http-message", format!("{head}\r\n\r\n0\r\n\r\n").as_bytes(), reason);
    refused(
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        "both Transfer-Encoding and Content-Length",
    );
    refused("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6", "given twice, and differs");
    refused("POST / HTTP/1.1\r\nContent-Length: 5, 6", "given twice, and differs");
    refused("POST / HTTP/1.1\r\nContent-Length: +5", "Content-Length \"+5\" is not a length");
    refused("POST / HTTP/1.1\r\nContent-Length: ", "is not a length");
    refused("POST / HTTP/1.1\r\nContent-Length : 5", "is not a header line");
    refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip", "is not chunked, so its end is unknown");
    refused("POST / HTTP/1.1\r\n folded: 5", "is not a header line");
    refused("POST / HTTP/1.1\r\nX: a\rb", "holds a CR that is not its end");
    refused("HTTP/1.1 OK", "\"HTTP/1.1 OK\" is not a start line of HTTP");
    refused("GET /", "\"GET /\" is not a start line of HTTP");
    refused("INVITE a SIP/2.0", "is not a start line of HTTP");
    refuses("http-message", b"\x16\x03\x01", "16 begins no message of HTTP");
    refuses(
        "http-message",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
        "expected CRLF after a chunk, found 210d",
    );
    refuses(
        "http-message",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        "\"-5\" is not the length of a chunk",
    );
    refuses(
        "http-message",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "over the limit of 16 MiB",
    );
    refuses("http-message", b"POST / HTTP/1.1\r\nContent-Length: 16777200\r\n\r\n", "over the limit of 16 MiB");
    refuses("http-message", b"GET / HTTP/1.1\r\nHost:", "ended inside a frame");
    cannot_send(
        "http-message",
        b"GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nhi",
        "announces 40 bytes in all, and 39 are there",
    );
    cannot_send("http-message", b"GET / HTTP/1.1\r\n\r\nGET", "ends after 18 bytes, but more follow");
    cannot_send("http-message", b"hello\r\n\r\n", "not a message of HTTP: \"hello\" is not a start line");
    cannot_send("http-message", b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", "chunks do not end");
    cannot_send("http-message", b"\r\nGET / HTTP/1.1\r\n\r\n", "begins with no start line");
    cannot_send("http-message", b"", "begins with no start line");
    cannot_send("http-message", b"GET / HTTP/1.1", "head does not end in an empty line");
}

#[test]
fn nobody_who_asked_for_http_is_asked_whether_this_is_http() {
    let told = whole(&framing("http-message"), b"GET / HTTP/1.1\r\nbroken\r\n\r\n");
    assert_eq!(told.error.unwrap().0, "\"broken\" is not a header line");
    let mut decoder = framing("sip-message").decoder();
    decoder.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let error = decoder.next().unwrap_err();
    assert!(
        plain(&error).contains("is not a start line of SIP")
            && error.to_string().contains("is the peer speaking HTTP?")
    );
}

#[test]
fn sip_messages_say_their_length_in_long_or_in_short() {
    reads(
        "sip-message",
        b"\r\n\r\nBYE sip:a SIP/2.0\r\nL : 2\r\n\r\nhi\r\nSIP/2.0 200 OK\r\ncontent-length:\r\n  0\r\n\r\n",
        &["BYE sip:a SIP/2.0\r\nL : 2\r\n\r\nhi", "SIP/2.0 200 OK\r\ncontent-length:\r\n  0\r\n\r\n"],
    );
    refuses("sip-message", b"BYE sip:a SIP/2.0\r\nCSeq: 1 BYE\r\n\r\n", "has no Content-Length, which SIP wants");
    refuses("sip-message", b"BYE sip:a SIP/2.0\r\nTransfer-Encoding: chunked\r\n\r\n", "has no Content-Length");
}

#[test]
fn rtsp_messages_and_frames_lie_side_by_side() {
    reads(
        "rtsp-message",
        b"$\x00\x00\x02\r\nPLAY a RTSP/1.0\r\n\r\n$\x01\x00\x00",
        &["$\0\0\x02\r\n", "PLAY a RTSP/1.0\r\n\r\n", "$\x01\0\0"],
    );
    // RFC 2326 section 4.4: no body, whatever the head announces. RFC 7826 section 5.4: the length in the head holds.
    let unchanged = "RTSP/1.0 304 Not Modified\r\nContent-Length: 9\r\n\r\n";
    reads("rtsp-message", unchanged.repeat(2).as_bytes(), &[unchanged, unchanged]);
    let newer = "RTSP/2.0 304 Not Modified\r\nContent-Length: 2\r\n\r\nhi";
    reads("rtsp-message", newer.repeat(2).as_bytes(), &[newer, newer]);
    refuses("rtsp-message,max=100", b"$\x00\x00\x61", "length 101 is over the limit of 100 bytes");
    refuses("rtsp-message", b"$\x00\x00\x05ab", "the stream ended 6 bytes into a 9-byte frame");
    refuses("http-message", b"$\x00\x00\x00\n", "is not a start line of HTTP");
    cannot_send("rtsp-message", b"$\x00\x00\x05ab", "the frame announces 9 bytes in all, and 6 are there");
}

#[test]
fn events_end_in_an_empty_line_of_any_kind() {
    both_ways("event-stream", b"data: a", b"data: a\n\n");
    both_ways("event-stream", b"event: x\rdata: a\r\nid", b"event: x\rdata: a\r\nid\n\n");
    reads("event-stream", b"\n\r\na\r\n\r\nb\r\rc\n\rd\r\n\ne\r\r\nf\n\r\n\n", &["a", "b", "c", "d", "e", "f"]);
    refuses("event-stream", b"data: a\n", "ended inside a frame, after 8 bytes");
    refuses("event-stream,max=3", b"abcd", "over the limit of 3 bytes");
    refuses("event-stream,max=3", b"a\nbc\n\n", "over the limit of 3 bytes");
    reads("event-stream,max=3", b"a\nb\r\n\r\n", &["a\nb"]);
    for unfit in [&b""[..], b"a\n\nb", b"\na", b"a\n", b"a\r"] {
        cannot_send("event-stream", unfit, "not one event");
    }
}

#[test]
fn gdb_packets_and_what_answers_them() {
    // The manual's own checksum.
    both_ways("gdb-packet", b"$qSupported", b"$qSupported#37");
    both_ways("gdb-packet", b"$", b"$#00");
    both_ways("gdb-packet", b"+", b"+");
    both_ways("gdb-packet", b"\x03", b"\x03");
    reads("gdb-packet", b"+$OK#9A-%Stop:T05#99", &["+", "$OK", "-", "%Stop:T05"]);
    refuses("gdb-packet", b"$OK#9b", "a packet ends in \"9b\", and its bytes make \"9a\"");
    refuses("gdb-packet", b"$O$OK#9a", "a packet begins inside another");
    refuses("gdb-packet", b"OK", "\"O\" begins no packet of GDB");
    refuses("gdb-packet,max=3", b"$OK!#", "over the limit of 3 bytes");
    cannot_send("gdb-packet", b"g", "is not a packet, which begins with $ or %");
    cannot_send("gdb-packet", b"", "is not a packet");
    cannot_send("gdb-packet", b"$a#b", "holds \"#\" at byte 2");
}

#[test]
fn nsq_commands_with_and_without_a_body() {
    both_ways("nsq-command", b"NOP", b"NOP\n");
    both_ways("nsq-command", b"PUB t\na\nb", b"PUB t\n\0\0\0\x03a\nb");
    both_ways("nsq-command", b"AUTH\n", b"AUTH\n\0\0\0\0");
    reads("nsq-command", b"PUBLISH\nIDENTIFY\n\0\0\0\x02{}\n", &["PUBLISH", "IDENTIFY\n{}", ""]);
    // The daemon takes a CR before the LF for part of the line's end.
    reads("nsq-command", b"NOP\r\nIDENTIFY\r\n\0\0\0\x02{}", &["NOP\r", "IDENTIFY\r\n{}"]);
    refuses("nsq-command", b"PUB t\n\xff\xff\xff\xff", "over the limit of 16 MiB");
    refuses("nsq-command,max=3", b"NOPE\n", "over the limit of 3 bytes");
    refuses("nsq-command", b"PUB t\n\0\0\0\x03ab", "the stream ended 12 bytes into a 13-byte frame");
    cannot_send("nsq-command", b"PUB t", "has a body, and none is there");
    cannot_send("nsq-command", b"NOP\nNOP", "contains its own delimiter (LF) at byte 3");
}

#[test]
fn tns_lengths_have_four_bytes_from_the_first_that_does() {
    let small = b"\0\x0a\0\0\x06\0\0\0ab";
    let large = b"\0\0\0\x0a\x06\0\0\0ab";
    reads("tns-packet", &[&small[..], large, large].concat(), &[&small[..], large, large]);
    // These bytes would be a packet with a length of two bytes. By now lengths have four bytes, and this one is larger than the input.
    refuses("tns-packet", &[&large[..], small].concat(), "ended 10 bytes into a 655360-byte frame");
    let descriptor = b"\0\x10\0\0\x0f\0\0\0\0\0\0\0\0\0\0\x02ab";
    reads("tns-packet", &[&descriptor[..], small].concat(), &[&descriptor[..], small]);
    // Wireshark does the same with lengths of four bytes.
    let descriptor = b"\0\0\0\x10\x0f\0\0\0\0\0\0\0\0\0\0\x02ab";
    reads("tns-packet", &[&descriptor[..], large].concat(), &[&descriptor[..], large]);
    refuses("tns-packet", b"\0\0\0\x07\x06\0\0\0", "length 7 is less than the 8 bytes of a packet's header");
    let mut encoder = framing("tns-packet").encoder().unwrap();
    let mut sent = Vec::new();
    for packet in [&small[..], large] {
        encoder.encode(packet, &mut sent).unwrap();
    }
    assert!(encoder.encode(small, &mut sent).unwrap_err().to_string().contains("not one packet with its length right"));
}

#[test]
fn turn_mixes_stun_and_channels_and_pads_the_latter_alone() {
    let stun = b"\x01\x01\0\x04\x21\x12\xa4\x42transaction_abcd";
    both_ways("turn-message", stun, stun);
    both_ways("turn-message", b"\x40\0\0\x05hello", b"\x40\0\0\x05hello\0\0\0");
    both_ways("turn-message", b"\x7f\xff\0\0", b"\x7f\xff\0\0");
    // The content of a STUN message of RFC 3489 need not be a multiple of four bytes, and padding may have any value.
    let old = b"\0\x01\0\x01transaction_IDs_a";
    let stream = [&old[..], b"\x40\0\0\x02hi\xff\xff", stun].concat();
    reads("turn-message", &stream, &[&old[..], b"\x40\0\0\x02hi", stun]);
    refuses("turn-message", b"\x80\0\0\0", "80 begins neither a STUN message (00 to 3f) nor ChannelData (40 to 7f)");
    refuses("turn-message", b"\x40\0\0\x02hi", "the stream ended 6 bytes into a");
    refuses("turn-message,max=10", b"\x40\0\0\x08", "length 12 is over the limit of 10 bytes");
    cannot_send("turn-message", b"\x40\0\0\x02h", "announces 6 bytes in all, and 5 are there");
    cannot_send("turn-message", b"\x40\0", "ends inside its own header");
    cannot_send("turn-message", b"hello", "announces");
    cannot_send("turn-message", b"\xff\0\0\0", "not a TURN message: ff begins neither");
}

#[test]
fn adb_answers_in_words_and_lengths() {
    reads("adb-reply", b"OKAY00040029OKAYFAIL0004oops0000", &["OKAY", "00040029", "OKAY", "FAIL0004oops", "0000"]);
    refuses("adb-reply", b"STAT", "\"STAT\" is neither a length nor OKAY or FAIL");
    refuses("adb-reply", b"FAIL-001", "\"-001\" is neither");
    refuses("adb-reply", b"FAIL0004oo", "the stream ended 10 bytes into a 12-byte frame");
    cannot_send("adb-reply", b"OKAY0029", "announces 0 bytes after it, but 4 follow");
}

#[test]
fn dle_is_written_twice() {
    both_ways("dle", b"a\x10\x03b", b"\x10\x02a\x10\x10\x03b\x10\x03");
    both_ways("dle", b"", b"\x10\x02\x10\x03");
    both_ways("dle,lrc=yes", b"12", b"\x10\x0212\x10\x03\x00");
    both_ways("dle,lrc=yes", b"\x10", b"\x10\x02\x10\x10\x10\x03\x13");
    refuses("dle,lrc=yes", b"\x10\x0212\x10\x03\x01", "the block's LRC is 01, and its bytes make 00");
    refuses("dle", b"\x10\x02a\x10b", "DLE is followed by \"b\"");
    refuses("dle", b"\x02a", "a block starts with 1002, not with 02");
    refuses("dle,max=1", b"\x10\x02ab", "over the limit of 1 byte");
}

#[test]
fn messagepack_values_are_whole_whatever_they_hold() {
    // The first example of messagepack.org.
    both_ways("messagepack-value", b"\x82\xa7compact\xc3\xa6schema\x00", b"\x82\xa7compact\xc3\xa6schema\x00");
    reads(
        "messagepack-value",
        b"\x01\x92\x91\x90\xd6\x05abcd\xe0",
        &[&b"\x01"[..], b"\x92\x91\x90\xd6\x05abcd", b"\xe0"],
    );
    refuses("messagepack-value", b"\x91\xc1", "c1 begins no MessagePack value");
    refuses("messagepack-value", b"\xdf\xff\xff\xff\xff", "over the limit of 16 MiB");
    refuses("messagepack-value", b"\xc6\xff\xff\xff\xff", "over the limit of 16 MiB");
    refuses("messagepack-value", b"\x92\x01", "ended inside a frame, after 2 bytes");
    cannot_send("messagepack-value", b"\x01\x02", "not one whole MessagePack value");
    cannot_send("messagepack-value", b"\xa2a", "not one whole MessagePack value");
    cannot_send("messagepack-value", b"", "not one whole MessagePack value");
}

#[test]
fn cbor_items_are_whole_whatever_they_hold() {
    let nested = b"\x82\x9f\x01\xbf\x61a\x5f\x41b\x40\xff\xff\xd8\x20\x80\xff\xf5";
    both_ways("cbor-item", nested, nested);
    refuses("cbor-item", b"\x81\xff", "ff begins no CBOR item");
    refuses("cbor-item", b"\xff", "ff begins no CBOR item");
    refuses("cbor-item", b"\x1f", "1f begins no CBOR item");
    refuses("cbor-item", b"\xfc", "fc begins no CBOR item");
    // Appendix C: simple values under 32 have one byte.
    refuses("cbor-item", b"\xf8\x1f", "f81f is not a simple value of CBOR");
    both_ways("cbor-item", b"\xf8\x20", b"\xf8\x20");
    refuses("cbor-item", b"\xbf\x01\xff", "ff ends a CBOR map after a key without a value");
    refuses("cbor-item", b"\x5f\x61a\xff", "expected a piece of a CBOR string, found \"a\"");
    refuses("cbor-item", b"\x5f\x5f\xff\xff", "expected a piece of a CBOR string, found \"_\"");
    refuses("cbor-item", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "over the limit of 16 MiB");
    refuses("cbor-item", b"\xbb\x80\x00\x00\x00\x00\x00\x00\x00", "over the limit of 16 MiB");
    refuses("cbor-item", b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff", "over the limit of 16 MiB");
    refuses("cbor-item", b"\x9f\x01", "ended inside a frame, after 2 bytes");
    cannot_send("cbor-item", b"\x01\x02", "not one whole CBOR item");
}

#[test]
fn capnproto_messages_have_as_many_segments_as_they_say() {
    let two = b"\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\x0012345678";
    both_ways("capnproto-message", two, two);
    refuses("capnproto-message", b"\0\0\0\0\xff\xff\xff\xff", "over the limit of 16 MiB");
    refuses("capnproto-message", b"\xff\xff\xff\xff", "a message of 4294967296 segments");
    refuses("capnproto-message", &two[..20], "ended 20 bytes into a 24-byte frame");
}

#[test]
fn arrow_messages_have_the_body_that_their_metadata_announces() {
    reads("arrow-message", b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0", &[&b"\xff\xff\xff\xff\0\0\0\0"[..], b"\0\0\0\0"]);
    refuses("arrow-message", b"\xff\xff\xff\xff\xff\xff\xff\xff", "the metadata's length -1 is negative");
    refuses("arrow-message", b"\xff\xff\xff\xff\xff\xff\xff\x7f", "over the limit of 16 MiB");
    refuses("arrow-message", b"\x04\0\0\0\xff\xff\xff\xff", "the metadata is not an Arrow message");
    refuses("arrow-message", b"\x08\0\0\0\x04\0\0\0\0\0\0\x80", "the metadata is not an Arrow message");
    let mut message = crate::fit::arrow("", b"body");
    message[32 + 7] = 0x7f; // The length's last byte but one word: nearly as long as can be said.
    refuses("arrow-message", &message, "over the limit of 16 MiB");
    message[32 + 7] = 0xff;
    refuses("arrow-message", &message, "the metadata is not an Arrow message");
}

#[test]
fn rtmp_chunks_are_as_long_as_was_told_before() {
    let whole = b"\x03\0\0\0\0\0\x82\x08\0\0\0\0";
    let first = [&whole[..], &[7; 128]].concat();
    reads(
        "rtmp-chunk",
        &[&first[..], b"\xc3\x07\x07", b"\x83\0\0\x01", &[7; 128]].concat(),
        &[&first[..], b"\xc3\x07\x07", &[&b"\x83\0\0\x01"[..], &[7; 128]].concat()],
    );
    let set = |size: u32| [&b"\x02\0\0\0\0\0\x04\x01\0\0\0\0"[..], &size.to_be_bytes()].concat();
    let longer = [&whole[..], &[7; 130]].concat();
    reads("rtmp-chunk", &[set(130), longer.clone()].concat(), &[&set(130)[..], &longer]);
    // A message that was aborted: the next chunk begins another.
    let abort = b"\x02\0\0\0\0\0\x04\x02\0\0\0\0\0\0\0\x03";
    let again = [&b"\xc3"[..], &[7; 128]].concat();
    reads("rtmp-chunk", &[&first[..], abort, &again].concat(), &[&first[..], abort, &again]);
    refuses("rtmp-chunk", &set(3), "chunks of 3 bytes");
    refuses("rtmp-chunk", &set(1 << 31), "chunks of 2147483648 bytes");
    refuses("rtmp-chunk", b"\x83\0\0\x01", "chunk stream 3 begins with a header that leaves out its length");
    refuses("rtmp-chunk", b"\xc0\x06", "chunk stream 70 begins");
    refuses("rtmp-chunk", &first[..50], "the stream ended 50 bytes into a 140-byte frame");
    cannot_send("rtmp-chunk", &longer, "not one RTMP chunk with the length that its header gives");
    cannot_send("rtmp-chunk", b"\xc3", "chunk stream 3 begins with a header");
    cannot_send("rtmp-chunk", &set(3), "chunks of 3 bytes");
}
