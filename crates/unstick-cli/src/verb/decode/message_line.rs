//! The line of a message in JSON. It is put together by hand, because most lines are such.

use jiff::Timestamp;
use unstick::wire::Frame;

use super::place::{Place, direction};
use crate::json_lines;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// Writes the lines of messages.
#[derive(Debug, Default)]
pub struct MessageLines {
    /// A second since 1970, and how it begins in text: the next message is mostly of the same.
    second: Option<(u64, String)>,
}

impl MessageLines {
    /// Appends the line of a message. `first`: it is the first event, which has the version.
    pub fn put(&mut self, line: &mut Vec<u8>, place: &Place, frame: &Frame<'_>, first: bool) {
        line.extend_from_slice(if place.segments {
            br#"{"event":"segment","peer":"#
        } else {
            br#"{"event":"message","peer":"#
        });
        push_number(line, place.peer.unwrap_or(1));
        if let Some(time) = place.time {
            self.push_time(line, time);
        }
        line.extend_from_slice(br#","bytes":"#);
        push_number(line, frame.message.len() as u64);
        line.extend_from_slice(br#","direction":""#);
        line.extend_from_slice(direction(place.from).as_bytes());
        line.extend_from_slice(br#"","offset":"#);
        push_number(line, frame.offset);
        if first {
            line.extend_from_slice(br#","version":"#);
            push_number(line, json_lines::VERSION);
        }
        line.push(b',');
        json_lines::write_message(line, frame.message);
        line.extend_from_slice(b"}\n");
    }

    /// Appends the time, to the microsecond.
    fn push_time(&mut self, line: &mut Vec<u8>, time: u64) {
        let second = time / SECOND;
        if self.second.as_ref().is_none_or(|(known, _)| *known != second) {
            self.second = beginning_of(second).map(|text| (second, text));
        }
        let Some((_, beginning)) = &self.second else { return };
        line.extend_from_slice(br#","time":""#);
        line.extend_from_slice(beginning.as_bytes());
        let mut digits = *b"000000Z\"";
        let mut left = (time % SECOND) / 1000;
        for digit in digits[..6].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        line.extend_from_slice(&digits);
    }
}

/// Every time of this second up to its point: `2026-11-27T12:00:01.`.
fn beginning_of(second: u64) -> Option<String> {
    let time = Timestamp::from_second(i64::try_from(second).ok()?).ok()?;
    let text = format!("{time:.0}");
    Some(text.strip_suffix('Z')?.to_owned() + ".")
}

fn push_number(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_to_the_microsecond_as_jiff_does() {
        let mut lines = MessageLines::default();
        for time in [
            0,
            1,
            999,
            1000,
            999_999_999,
            1_700_000_000_000_343_999,
            1_700_000_000_999_999_999,
            1_700_000_001_000_000_000,
            u64::MAX,
        ] {
            let mut line = Vec::new();
            lines.push_time(&mut line, time);
            let by_jiff = Timestamp::from_nanosecond(time.into()).unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), format!(r#","time":"{by_jiff:.6}""#), "{time}");
        }
    }
}
