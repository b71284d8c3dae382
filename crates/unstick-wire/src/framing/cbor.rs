//! `cbor-item`: the items of a CBOR sequence; each is a whole item with everything inside it. The message is its bytes.
//!
//! Not here: what an item means, and whether its text is UTF-8.

use crate::codec::{Codec, Context, FrameError, Row, Step, quoted};
use crate::error::EncodeError;
use crate::limits::MAX_CBOR_DEPTH;

/// RFC 8949, section 3 and appendix C (well-formedness); RFC 8742 (sequences).
pub(super) const CBOR: Row<Cbor> = Row {
    name: "cbor-item",
    syntax: "cbor-item",
    frame: "a whole CBOR data item, with everything nested in it",
    examples: &["cbor-item", "cbor-item,max=100"],
    keeps_boundaries: true,
    matches: |name| name == "cbor-item",
    parse: |_| Ok(Cbor::default()),
};

/// An item in progress.
#[derive(Debug, Clone)]
pub(crate) struct Cbor {
    /// Bytes of the input that have been understood; what a string still lacks is counted.
    at: u64,
    /// Number of items still to come in the innermost item of indefinite length, or at the top if there is no such
    /// item.
    left: u64,
    /// The items of indefinite length that are open, outermost first.
    open: Vec<Open>,
}

impl Default for Cbor {
    fn default() -> Self {
        Self { at: 0, left: 1, open: Vec::new() }
    }
}

/// A string, an array or a map of indefinite length.
#[derive(Debug, Clone, Copy)]
struct Open {
    major: u8,
    /// Whether it has an odd number of items so far.
    odd: bool,
    /// Number of items that follow it.
    behind: u64,
}

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

/// The additional information of items of indefinite length, and of the byte that ends them.
const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xff;

#[cold]
fn wrong(first: u8, place: &str) -> FrameError {
    FrameError::broken(format!("{} {place}", quoted(&[first])))
}

impl Cbor {
    /// Looks at the first byte of what comes next, if the innermost open item of indefinite length may end here. Returns true if
    /// the byte is the break that ends it.
    fn ends(&mut self, first: u8) -> Result<bool, FrameError> {
        let Some(open) = self.open.last_mut().filter(|_| self.left == 0) else { return Ok(false) };
        if first == BREAK {
            if open.major == MAP && open.odd {
                return Err(wrong(first, "ends a CBOR map after a key without a value"));
            }
            self.left = open.behind;
            self.open.pop();
            self.at += 1;
            return Ok(true);
        }
        if open.major <= TEXT && (first >> 5 != open.major || first & 0x1f == INDEFINITE) {
            let what = format!("expected a piece of a CBOR string, found {}", quoted(&[first]));
            return Err(FrameError::broken(what));
        }
        open.odd = !open.odd;
        self.left = 1;
        Ok(false)
    }

    /// Takes the item that begins with this byte, without the items in it; returns false until its head has arrived.
    fn take(&mut self, first: u8, rest: &[u8]) -> Result<bool, FrameError> {
        let (major, info) = (first >> 5, first & 0x1f);
        let width = match info {
            0..24 => 0,
            24..28 => 1 << (info - 24),
            INDEFINITE if (BYTES..=MAP).contains(&major) => {
                if self.open.len() == MAX_CBOR_DEPTH {
                    let what = format!("CBOR items of indefinite length nested more than {MAX_CBOR_DEPTH} deep");
                    return Err(FrameError::broken(what));
                }
                self.open.push(Open { major, odd: false, behind: self.left - 1 });
                (self.at, self.left) = (self.at + 1, 0);
                return Ok(true);
            }
            _ => return Err(wrong(first, "begins no CBOR item")),
        };
        let Some(number) = rest.get(1..1 + width) else { return Ok(false) };
        let value = match width {
            0 => u64::from(info),
            _ => number.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
        };
        let (bytes, items) = match major {
            BYTES | TEXT => (value, 0),
            ARRAY => (0, value),
            MAP => (0, value.saturating_mul(2)),
            TAG => (0, 1),
            SIMPLE if width == 1 && value < 32 => {
                return Err(FrameError::broken(format!("{} is not a simple value of CBOR", quoted(&rest[..2]))));
            }
            _ => (0, 0),
        };
        self.at = self.at.saturating_add(1 + width as u64).saturating_add(bytes);
        self.left = (self.left - 1).saturating_add(items);
        Ok(true)
    }

    /// Finds where the item that starts at `input[0]` ends, if all of it has arrived. Looks at every byte once.
    fn find_end(&mut self, input: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        while self.left > 0 || !self.open.is_empty() {
            let Some(rest) = usize::try_from(self.at).ok().and_then(|at| input.get(at..)) else { return Ok(None) };
            let Some(&first) = rest.first() else { return Ok(None) };
            if !self.ends(first)? && !self.take(first, rest)? {
                return Ok(None);
            }
            // Each item still to come has at least one byte, and so has each break.
            if self.at.saturating_add(self.left).saturating_add(self.open.len() as u64) > max as u64 {
                return Err(FrameError::TooLong { length: None, skip: None });
            }
        }
        Ok(Some(self.at as usize).filter(|end| input.len() >= *end))
    }
}

impl Codec for Cbor {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some(end) = self.find_end(input, cx.max)? else { return Ok(Step::Need) };
        *self = Self::default();
        Ok(Step::Frame { start: 0, end, total: end })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        crate::codec::encode_as_it_stands(Self::default(), message, b"", "one whole CBOR item", out)
    }
}
