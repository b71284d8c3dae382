//! What parses as a spec, what does not, and the errors.

use unstick_wire::{FRAMINGS, Framing, limits};

#[track_caller]
fn refused(spec: &str, what: &str, hint: &str) {
    let error = Framing::parse(spec).expect_err(spec);
    assert!(error.to_string().contains(what), "{spec}: {error}");
    assert!(error.hint().unwrap_or("").contains(hint), "{spec}: {:?}", error.hint());
}

#[test]
fn every_example_parses_and_is_written_back_as_it_was() {
    for spec in FRAMINGS.iter().flat_map(|entry| entry.examples) {
        let framing: Framing = spec.parse().unwrap_or_else(|error| panic!("{spec}: {error}"));
        assert_eq!(framing.to_string(), *spec);
        assert_eq!(format!("{framing:?}"), format!("Framing({spec})"));
        assert_eq!(framing, Framing::parse(spec).unwrap());
    }
}

#[test]
fn wrong_names_are_met_with_the_nearest() {
    refused("lines", "there is no framing `lines`", "did you mean `line`?");
    refused("JSON", "there is no framing `JSON`", "did you mean `json`?");
    refused("octet_count", "there is no framing", "did you mean `octet-count`?");
    refused("newline", "there is no framing", "did you mean `line`?");
    refused("vnc", "VNC (RFB) cannot be framed: messages have no length", "`raw` passes its bytes as they come");
    refused("nonsense", "there is no framing", "`unstick framings` lists them");
    refused("", "a framing is missing", "such as");
    refused("line/", "a framing is missing", "such as");
    refused("u32", "`u32` needs a byte order", "write u32be");
    refused("u12be", "8, 16, 24, 32, 40, 48, 56 or 64 bits", "");
    refused("u999999999999999999999999be", "bits", "");
}

#[test]
fn wrong_arguments_are_named() {
    refused("delim", "`delim` needs the bytes that end a message", "");
    refused("delim:0", "`0` is not 1 to 256 bytes in hexadecimal", "");
    refused("delim:0g", "hexadecimal", "");
    refused(&format!("delim:{}", "00".repeat(limits::MAX_DELIMITER + 1)), "hexadecimal", "");
    refused("between:02", "`between` needs the bytes that end a frame", "");
    refused("between:02:03:04", "takes no further argument `04`", "");
    refused("line:5", "takes no further argument `5`", "");
    refused("line,foo=1", "does not know the key `foo`", "");
    refused("line,cr=eat", "cr=eat: keep or drop", "");
    refused("line,max=1,max=2", "given twice", "");
    refused("line,max", "not a key=value", "");
    refused("line,max=0", "max=0", "");
    refused("line,max=2000G", "to 1024G", "");
    refused("line,oversize=keep", "close or discard", "");
    refused("raw,oversize=discard", "cannot pass over a message that is too long", "");
    refused("gap", "`gap` needs how long", "");
    refused("gap:0s", "not a duration", "");
    refused("fixed:0", "at least one byte", "");
    refused("fixed:17M", "over the limit of 16 MiB", "fixed:17M,max=17M");
    refused("ascii:0", "a number from 1 to 128", "");
    refused("hex:17", "a number from 1 to 16", "");
    refused("decimal:21", "a number from 1 to 20", "");
    refused("decimal:5,end=35", "cannot be a digit", "");
    refused("decimal:5,end=0d0a", "hexadecimal", "");
    refused("headers,header=drop", "keep or strip", "");
}

#[test]
fn general_lengths_are_checked_when_they_are_parsed() {
    refused("length", "needs the width of its length field", "such as");
    refused("length:width=9", "a number from 1 to 8", "");
    refused("length:off=4097,width=1", "a number from 0 to 4096", "");
    refused("length:width=4,adj=x", "adj=x", "");
    refused("length:width=4,mask=0", "mask=0", "");
    refused("length:width=4,unit=0", "unit=0", "");
    refused("length:width=4,endian=xe", "be, le, ne, or a bit", "");
    refused("length:off=2,width=2,head=0000", "the length field ends at byte 4", "");
    refused("length:off=2,width=2,header=keep,head=00000000", "head= is what is sent with header=strip", "");
    refused("length:width=4,none=x", "none=x: hexadecimal digits", "");
    for wrong in ["width=4", "width=4,header=keep,trailer=00", "width=2,header=keep,plus=2:1", "width=2,header=keep"] {
        refused(&format!("length:{wrong},none=10000"), "none= is a value of the length field", "");
    }
}

#[test]
fn a_spec_that_cannot_send_says_so_when_asked() {
    let blind = Framing::parse("length:off=1,width=4,header=strip").unwrap();
    let error = blind.sendable().unwrap_err();
    assert!(error.to_string().contains("cannot send"), "{error}");
    assert!(error.hint().unwrap().contains("head=HEX"), "{error}");
    assert_eq!(blind.encoder().unwrap_err(), error);
    assert_eq!(Framing::parse("line/length:off=1,width=4,header=strip").unwrap().sendable(), Err(error));
    assert_eq!(Framing::parse("length:off=1,width=4,header=strip,head=5100000000").unwrap().sendable(), Ok(()));
    for spec in FRAMINGS.iter().flat_map(|entry| entry.examples) {
        assert_eq!(Framing::parse(spec).unwrap().sendable(), Ok(()), "{spec}");
    }
}

#[test]
fn formats_of_struct_hold_exactly_one_integer() {
    refused("struct", "`struct` needs a format", "");
    refused("struct:", "`struct` needs a format", "");
    refused("struct:x", "needs exactly one integer code", "x is padding");
    refused("struct:!", "needs exactly one integer code", "");
    refused("struct:net:", "needs exactly one integer code", "");
    refused("struct:I3", "needs exactly one integer code", "");
    refused("struct:ii", "more than one integer", "length:off=");
    refused("struct:2i", "more than one integer", "");
    refused("struct:f", "`f` is not an integer code", "bBhHiIlLqQ");
    refused("struct:?", "`?` is not an integer code", "");
    refused("struct:\u{e9}", "is not an integer code", "");
    refused("struct:<n", "n exists with native sizes only", "native:N");
    refused("struct:foo:I", "native, ne, le, be or net", "@, =, <, > and !");
    refused("struct:le:!I", "`!` is not an integer code", "");
    refused("struct:4097xi", "over 4096 bytes", "");
    refused("struct:4096xi", "over 4096 bytes", "");
    refused("struct:99999999999999999999xi", "over 4096 bytes", "");
    refused("struct:i:I", "native, ne, le, be or net", "");
}

#[test]
fn phases_are_checked_too() {
    refused("line/foo", "there is no framing `foo`", "");
    for only_before_another in ["line,times=2", "line,if=00", "line,until=00"] {
        refused(only_before_another, "times=, if= and until= are for a phase that another follows", "");
    }
    for wrong in ["", "0", "zz", "53+", "x:53", "4097:53", "1:"] {
        refused(&format!("line,if={wrong}/raw"), &format!("if={wrong}: bytes in hexadecimal"), "");
    }
    refused("line,times=0/raw", "times=0", "");
    refused("raw/line", "no phase can follow `raw`", "");
    refused("gap:1s/line", "no phase can follow `gap:1s`", "");
    refused("json/line", "no phase can follow `json`", "");
    refused(&["line"; limits::MAX_PHASES + 1].join("/"), "at most 16 phases", "");
    assert!(Framing::parse(&["line"; limits::MAX_PHASES].join("/")).is_ok());
}

#[test]
fn sizes_and_durations_are_what_they_say_or_nothing() {
    use unstick_wire::quantity::{parse_duration, parse_size, size};
    for (text, bytes) in [("0", 0), ("64", 64), ("64K", 65536), ("1kib", 1024), ("2MB", 2 << 20), ("3g", 3 << 30)] {
        assert_eq!(parse_size(text), Some(bytes), "{text}");
    }
    for text in ["", "K", "-1", "1T", "1 K", "99999999999G", "0x10"] {
        assert_eq!(parse_size(text), None, "{text}");
    }
    assert_eq!([size(1), size(1023), size(1024), size(1025)], ["1 byte", "1023 bytes", "1 KiB", "1025 bytes"]);
    for (text, millis) in [("100ms", 100), ("2s", 2000), ("0.5", 500), ("1m", 60_000), ("1h", 3_600_000)] {
        assert_eq!(parse_duration(text).map(|d| d.as_millis()), Some(millis), "{text}");
    }
    for text in ["", "s", "-1s", "1 s", "1.2.3s", "1e3s", "99999999999999999999999h"] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}

#[test]
fn what_a_framing_is_can_be_asked() {
    let says = |spec| {
        let framing = Framing::parse(spec).unwrap();
        (framing.is_raw(), framing.keeps_boundaries())
    };
    assert_eq!(says("raw"), (true, false));
    assert_eq!(says("raw,max=5"), (true, false));
    assert_eq!(says("gap:1s"), (false, false));
    assert_eq!(says("line"), (false, true));
    assert_eq!(says("struct:i/raw"), (false, false));
}

#[test]
fn presets_are_the_last_phase_and_take_the_limits_alone() {
    refused("kafka/line", "`kafka` is a preset with phases of its own: none can follow", "");
    refused("kafka/kafka", "none can follow", "");
    refused("kafka,off=1", "the preset `kafka` takes max=, oversize= and damaged= alone", "written out as i32be");
    refused("kafka:4", "takes max=, oversize= and damaged= alone", "");
    refused("kafk", "there is no framing `kafk`", "did you mean `kafka`?");
    refused("postgres,max=0", "max=0", "");
    assert!(Framing::parse("fixed:8/postgres,max=1G,oversize=discard").is_ok());
}

/// `str::parse` accepts `+5` as 5. No spec does, wherever it has a number.
#[test]
fn a_plus_in_front_of_a_number_is_refused_in_every_spec() {
    let more = ["line,max=5", "fixed:8,times=2/u32be", "varint:4,off=1,max=6", "fixed:8,if=1:15/line", "gap:100ms"];
    let mut tried = 0;
    for spec in unstick_wire::FRAMINGS.iter().flat_map(|entry| entry.examples).copied().chain(more) {
        for (at, _) in spec.match_indices([':', '=', '.']) {
            let (before, after) = spec.split_at(at + 1);
            let digits = after.trim_start_matches('-');
            if after.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
                for plus in [format!("{before}+{after}"), format!("{before}+{digits}")] {
                    assert!(Framing::parse(&plus).is_err(), "{plus} means something");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 100, "{tried}");
    for text in ["+5", "+5s", "+5K", "-5", "+", ""] {
        assert_eq!(unstick_wire::quantity::parse_number::<u64>(text), None, "{text}");
        assert_eq!(unstick_wire::quantity::parse_size(text), None, "{text}");
        assert_eq!(unstick_wire::quantity::parse_duration(text), None, "{text}");
    }
    for fault in ["loss=+5%", "loss=5%,after=+1", "loss=+1:10", "loss=1:+10", "delay=+5ms", "loss=1e1%", "cut=+100"] {
        assert!(unstick_wire::faults::Plan::parse(&[fault]).is_err(), "{fault}");
    }
}
