//! A frame as a hexadecimal dump: its parts in numbers, then its bytes in the colours of header, payload and trailer.

use anstyle::Style;
use unstick::wire::Frame;

use crate::count::Count;
use crate::sanitize;
use crate::style::{CYAN, GREEN, MAGENTA};

/// Colours of header, payload and trailer: those in which `unstick framings` draws them.
const COLOURS: [Style; 3] = [CYAN, GREEN, MAGENTA];

/// `9 bytes: header 4, payload 5`.
pub fn sizes(frame: &Frame<'_>) -> String {
    let layout = &frame.layout;
    let total = Count(frame.bytes.len() as u64, "byte");
    let Some(message) = &layout.message else {
        return format!("{total}: a frame of {}", Count(frame.message.len() as u64, "message byte"));
    };
    if *message == (0..layout.total) && layout.length.is_none() {
        return total.to_string();
    }
    let parts = [("header", layout.header()), ("payload", layout.payload()), ("trailer", layout.trailer())];
    let parts = parts.into_iter().filter(|(_, range)| !range.is_empty());
    let parts: Vec<String> = parts.map(|(name, range)| format!("{name} {}", range.len())).collect();
    format!("{total}: {}", parts.join(", "))
}

/// Rows of offset, bytes and text; empty for an empty frame.
pub fn dump(frame: &Frame<'_>, columns: usize, colour: bool) -> String {
    let ends = [frame.layout.header().end, frame.layout.payload().end];
    sanitize::dump_styled(frame.bytes, columns, colour, |at| COLOURS[ends.iter().filter(|end| at >= **end).count()])
}

#[cfg(test)]
mod tests {
    use unstick::wire::Framing;

    use super::*;

    /// A frame of these bytes, as text and as a dump.
    fn shown(spec: &str, bytes: &[u8]) -> (String, String) {
        let mut decoder = Framing::parse(spec).unwrap().decoder();
        decoder.feed(bytes);
        decoder.finish();
        let frame = decoder.next_frame().unwrap().expect("a frame");
        (sizes(&frame), dump(&frame, 60, true))
    }

    #[test]
    fn header_payload_and_trailer_have_their_numbers_and_colours() {
        let (sizes, dump) = shown("u16be", b"\0\x02hi");
        assert_eq!(sizes, "4 bytes: header 2, payload 2");
        assert!(dump.contains("\x1b[36m 00 02 \x1b[0m\x1b[32m68 69 \x1b[0m"), "{dump:?}");
        assert!(dump.ends_with("\x1b[36m..\x1b[0m\x1b[32mhi\x1b[0m"), "{dump:?}");
        let (sizes, dump) = shown("crlf", b"hi\r\n");
        assert_eq!(sizes, "4 bytes: payload 2, trailer 2");
        assert!(dump.contains("\x1b[32m 68 69 \x1b[0m\x1b[35m0d 0a \x1b[0m"), "{dump:?}");
    }

    #[test]
    fn frames_without_such_parts_have_one_number() {
        assert_eq!(shown("raw", b"hi").0, "2 bytes");
        // An escaped byte takes two bytes of the frame.
        assert_eq!(shown("slip", b"\xdb\xdc\xc0").0, "3 bytes: a frame of 1 message byte");
    }

    #[test]
    fn a_message_that_holds_its_header_is_shown_in_both_colours() {
        let (sizes, dump) = shown("length:off=0,width=2,header=keep", b"\0\x02hi");
        assert_eq!(sizes, "4 bytes: header 2, payload 2");
        assert!(dump.contains("\x1b[36m 00 02 \x1b[0m\x1b[32m68 69 \x1b[0m"), "{dump:?}");
    }
}
