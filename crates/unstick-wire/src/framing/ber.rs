//! `ber`: ASN.1 values in basic encoding, tag and definite length first, as LDAP and SNMP send them.
//!
//! Not here: values of indefinite length: only a parser of everything inside them finds their end.

use crate::codec::{Codec, Context, FrameError, Row, Step};
use crate::error::EncodeError;
use crate::limits::MAX_BER_TAG;

/// Tag and length octets as in ITU-T X.690, 8.1.2 and 8.1.3.
pub(super) const BER: Row<Ber> = Row {
    name: "ber",
    syntax: "ber",
    frame: "an ASN.1 value: tag, definite length, contents; the message is the whole value",
    examples: &["ber", "ber,max=150,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "ber",
    parse: |_| Ok(Ber),
};

/// Messages that begin with their own tag and length.
#[derive(Debug, Clone)]
pub(crate) struct Ber;

/// Bytes from a value's first to its last; `None` until its length octets are whole.
fn whole(input: &[u8]) -> Result<Option<u64>, FrameError> {
    let mut at = 1;
    if input[0] & 0x1f == 0x1f {
        // A tag number over 30 continues while the top bit is set.
        loop {
            let Some(byte) = input.get(at) else { return Ok(None) };
            at += 1;
            if byte & 0x80 == 0 {
                break;
            }
            if at == MAX_BER_TAG {
                return Err(FrameError::broken(format!("an ASN.1 tag of over {MAX_BER_TAG} bytes")));
            }
        }
    }
    let Some(&first) = input.get(at) else { return Ok(None) };
    at += 1;
    let length = match first {
        0..0x80 => u64::from(first),
        0x80 => return Err(FrameError::broken("an ASN.1 value of indefinite length: only definite ones are read")),
        0x81..=0x88 => {
            let octets = usize::from(first - 0x80);
            let Some(octets) = input.get(at..at + octets) else { return Ok(None) };
            at += octets.len();
            octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet))
        }
        _ => return Err(FrameError::broken(format!("an ASN.1 length of {} bytes", first - 0x80))),
    };
    Ok(Some(length.saturating_add(at as u64)))
}

impl Codec for Ber {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some(length) = whole(input)? else { return Ok(Step::Need) };
        if length > cx.max as u64 {
            return Err(FrameError::TooLong { length: Some(length), skip: Some(length) });
        }
        let length = length as usize;
        if input.len() < length {
            return Ok(Step::Need);
        }
        Ok(Step::Frame { start: 0, end: length, total: length })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if message.is_empty() || whole(message) != Ok(Some(message.len() as u64)) {
            return Err(EncodeError::unfit("the message is not exactly one ASN.1 value with its tag and length"));
        }
        out.extend_from_slice(message);
        Ok(())
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        whole(input).ok()?
    }

    fn can_discard(&self) -> bool {
        true
    }
}
