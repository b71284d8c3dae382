//! `length:...,last=...`: messages in several frames of `length`; one of them is marked as the last.

use super::length::{Bit, Extent, Length};
use crate::codec::{Codec, Context, Discard, FrameError, Shape, Step};
use crate::error::{EncodeError, SpecError};
use crate::limits::MAX_PART_HEADERS;

/// How a part shows that it is the last.
#[derive(Debug, Clone, Copy)]
enum Last {
    /// A bit of its header is set.
    Bit(Bit),
    /// Its length is less than the largest possible.
    NotFull,
    /// It is empty.
    Empty,
}

/// A message in parts. If headers are kept, it consists of whole parts; otherwise of their contents, joined.
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    part: Length,
    last: Last,
    /// Number of bytes of the input in parts that have arrived whole.
    at: usize,
    /// Number of bytes of the message in these parts.
    length: u64,
    /// While a message is skipped: the number of bytes of a part that are still to come, and whether it is the last
    /// part.
    passing: Option<(u64, bool)>,
}

/// The part that the input starts with.
struct Found {
    extent: Extent,
    last: bool,
}

impl Joined {
    /// Parses `full`, `empty` or `OFF:MASK`.
    pub(super) fn parse(part: Length, last: &str) -> Result<Self, SpecError> {
        let last = match last {
            "full" => Last::NotFull,
            "empty" => Last::Empty,
            bit if bit.contains(':') => Last::Bit(Bit::parse("last", bit)?),
            other => return Err(SpecError::new(format!("last={other}: full, empty, or a bit such as 0:80"))),
        };
        if part.align != 1 || !part.trailer.is_empty() || !part.keep && !part.head_known {
            return Err(SpecError::new("last= excludes align= and trailer=, and needs off=0 with header=strip"));
        }
        let header = part.seen();
        if let Last::Bit(bit) = last
            && bit.offset >= header
        {
            return Err(SpecError::new(format!("last={}:{:02x}: the header has {header} bytes", bit.offset, bit.mask)));
        }
        if matches!(last, Last::Empty) && part.keep {
            return Err(SpecError::new("last=empty is for header=strip"));
        }
        Ok(Self { part, last, at: 0, length: 0, passing: None })
    }

    /// Returns the part that starts at `input[0]`; `None` until its header shows where it ends.
    fn find(&self, input: &[u8]) -> Result<Option<Found>, FrameError> {
        let Some(extent) = self.part.extent(input)? else { return Ok(None) };
        let last = match self.last {
            Last::Bit(bit) => bit.is_set(input),
            Last::NotFull => extent.value & self.part.mask != self.part.largest_value(),
            Last::Empty => extent.length == 0,
        };
        Ok(Some(Found { extent, last }))
    }

    fn reset(&mut self) {
        (self.at, self.length) = (0, 0);
    }

    /// Joins the parts of a message that has arrived whole.
    fn build(&self, input: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.reserve(self.length as usize);
        let mut rest = input;
        while let Ok(Some(Found { extent, .. })) = self.find(rest) {
            let Some(part) = rest.get(extent.start..extent.start + extent.length as usize) else { break };
            out.extend_from_slice(part);
            rest = &rest[extent.total as usize..];
        }
    }

    /// Maximum number of bytes in one part.
    fn largest_part(&self) -> Result<usize, EncodeError> {
        let largest = i128::from(self.part.largest_value()) * i128::from(self.part.unit) + i128::from(self.part.adjust)
            - (self.part.head.len() - self.part.offset - self.part.width) as i128;
        usize::try_from(largest.clamp(0, 1 << 40))
            .ok()
            .filter(|largest| *largest > 0)
            .ok_or_else(|| EncodeError::unfit("no part of this framing can hold anything"))
    }

    fn encode_part(&self, content: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let from = out.len();
        self.part.encode(content, out)?;
        if let (Last::Bit(bit), true) = (self.last, last) {
            out[from + bit.offset] |= bit.mask;
        }
        Ok(())
    }
}

impl Codec for Joined {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        loop {
            let rest = &input[self.at..];
            let Some(Found { extent, last }) = self.find(rest)? else { return Ok(Step::Need) };
            let length = self.length.saturating_add(extent.length);
            let headers = (self.at as u64).saturating_add(extent.total).saturating_sub(length);
            // If more parts follow, their sizes are still unknown: only the end shows how long the frame is.
            if length > cx.max as u64 || headers > (cx.max + MAX_PART_HEADERS) as u64 {
                let whole = extent.total.saturating_add(self.at as u64);
                self.reset();
                return Err(match last {
                    true => FrameError::TooLong { length: Some(length), skip: Some(whole) },
                    false => FrameError::TooLong { length: None, skip: None },
                });
            }
            if (rest.len() as u64) < extent.total {
                return Ok(Step::Need);
            }
            let (first, start) = (self.at == 0, self.at + extent.start);
            self.at += extent.total as usize;
            self.length = length;
            if !last {
                continue;
            }
            let total = self.at;
            if !self.part.keep && !first {
                self.build(&input[..total], cx.scratch);
                self.reset();
                return Ok(Step::Built { total });
            }
            let start = if self.part.keep { 0 } else { start };
            self.reset();
            return Ok(Step::Frame { start, end: start + length as usize, total });
        }
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.part.keep {
            let mut rest = message;
            loop {
                match self.find(rest) {
                    Ok(Some(Found { extent, last })) if extent.total <= rest.len() as u64 => {
                        rest = &rest[extent.total as usize..];
                        match (last, rest.is_empty()) {
                            (true, true) => break,
                            (false, false) => {}
                            (true, false) => {
                                return Err(EncodeError::unfit(
                                    "the message continues after the part that is marked as the last",
                                ));
                            }
                            (false, true) => {
                                return Err(EncodeError::unfit("the message's last part is not marked as the last"));
                            }
                        }
                    }
                    _ => return Err(EncodeError::unfit("the message is not made of whole parts with right lengths")),
                }
            }
            out.extend_from_slice(message);
            return Ok(());
        }
        let most = self.largest_part()?;
        let mut rest = message;
        while rest.len() > most {
            self.encode_part(&rest[..most], false, out)?;
            rest = &rest[most..];
        }
        match self.last {
            Last::Bit(_) => self.encode_part(rest, true, out),
            // A full part means that more parts follow, so an empty one has to follow if nothing else does.
            Last::NotFull => {
                self.encode_part(rest, true, out)?;
                if rest.len() == most { self.encode_part(b"", true, out) } else { Ok(()) }
            }
            Last::Empty => {
                if !rest.is_empty() {
                    self.encode_part(rest, false, out)?;
                }
                self.encode_part(b"", true, out)
            }
        }
    }

    fn decode_only(&self) -> Option<SpecError> {
        self.part.decode_only()
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        let found = self.find(input.get(self.at..)?).ok()??;
        found.last.then(|| found.extent.total.saturating_add(self.at as u64))
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        let mut at = 0;
        loop {
            let (left, last) = match self.passing.take() {
                Some(part) => part,
                None => match self.find(&input[at..])? {
                    Some(Found { extent, last }) => (extent.total, last),
                    None => return Ok(Discard::More(at)),
                },
            };
            let here = (input.len() - at) as u64;
            if here < left {
                self.passing = Some((left - here, last));
                return Ok(Discard::More(input.len()));
            }
            at += left as usize;
            if last {
                return Ok(Discard::Done(at));
            }
        }
    }

    fn shape(&self) -> Shape {
        self.part.shape()
    }
}
