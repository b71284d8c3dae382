//! What the targets share: the specs they choose from, and a decoder's whole account of a stream.

use unstick_wire::{FRAMINGS, Framing, Preset, Role};

/// Specs besides the examples of the table: small limits, and phases.
const MORE: &[&str] = &[
    "u16le,max=9",
    "i8,max=5,oversize=discard",
    "struct:<h3x,max=7",
    "length:off=2,width=3,endian=le,adj=-5,unit=2,mask=0fffff,align=8,trailer=0d0a,header=keep,max=40",
    "length:width=2,adj=3,head=0000aabbcc,trailer=ff,oversize=discard,max=6",
    "crlf,max=4,oversize=discard",
    "delim:61616261,max=6,oversize=discard",
    "between:0202:020302,max=6,oversize=discard",
    "ber,max=9,oversize=discard",
    "hex:3,max=9,oversize=discard",
    "headers,header=keep,max=50,oversize=discard",
    "json,max=12,oversize=discard",
    "raw,max=3",
    "http-message,max=60",
    "dle,lrc=yes,max=6,oversize=discard",
    "tns-packet,max=20,oversize=discard",
    "fixed:2/line,max=5,oversize=discard,times=2/cobs,times=3/slip/u16be",
    "struct:>H/raw",
    "netstring/headers/json",
];

/// All specs to choose from.
pub fn specs() -> Vec<&'static str> {
    FRAMINGS.iter().flat_map(|entry| entry.examples).chain(MORE).copied().collect()
}

/// The framing that a byte stands for.
pub fn framing(choice: u8) -> Framing {
    let specs = specs();
    assert!(specs.len() <= 256, "a byte no longer chooses among all specs");
    Framing::parse(specs[usize::from(choice) % specs.len()]).expect("the specs here parse")
}

/// Messages out of an input: a byte says how long each is, the last takes what is left.
pub fn messages(mut input: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = input.split_first() {
        let (message, behind) = rest.split_at(rest.len().min(usize::from(*length)));
        messages.push(message);
        input = behind;
    }
    messages
}

/// The side of a preset that two bytes stand for, as one has sides of 128 presets at most; `None` beyond the last.
pub fn preset_side(choice: u16) -> Option<(&'static Preset, Role, Framing)> {
    let preset = Preset::all().nth(usize::from(choice) / 2)?;
    let role = if choice.is_multiple_of(2) { Role::Client } else { Role::Server };
    Some((preset, role, Framing::parse(preset.name).expect("presets parse").sent_by(role)))
}

/// What a decoder says of a stream: its messages, how many were passed over, and the error that ended it with its
/// place. A hint is not part of it, for it may know more the more has arrived.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub messages: Vec<Vec<u8>>,
    pub discarded: u64,
    pub error: Option<(String, u64)>,
}

impl Told {
    /// The same account; where the framing keeps no boundaries, of the same bytes.
    pub fn agrees(&self, other: &Self, framing: &Framing) -> bool {
        if framing.keeps_boundaries() {
            return self == other;
        }
        self.messages.concat() == other.messages.concat() && self.error == other.error
    }
}

/// Feeds a stream in segments of lengths that follow from `seed`, or all at once where there is none, and takes
/// messages borrowed, by a cursor and owned in turn.
pub fn decode(framing: &Framing, stream: &[u8], seed: Option<u8>) -> Told {
    let mut decoder = framing.decoder();
    let mut told = Told { messages: Vec::new(), discarded: 0, error: None };
    let mut held = Vec::new();
    let mut rest = stream;
    let mut state = u32::from(seed.unwrap_or(0));
    loop {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = seed.map_or(rest.len(), |_| rest.len().min((state >> 28) as usize));
        let (segment, behind) = rest.split_at(length);
        decoder.feed(segment);
        if rest.is_empty() {
            decoder.finish();
        }
        loop {
            let message = if state >> 27 & 1 == 0 {
                decoder.next().map(|message| message.map(<[u8]>::to_vec))
            } else if state >> 26 & 1 == 0 {
                decoder.messages().next().map(|message| message.map(<[u8]>::to_vec))
            } else {
                decoder.next_bytes().map(|message| {
                    message.map(|message| {
                        held.push((message.clone(), told.messages.len()));
                        message.to_vec()
                    })
                })
            };
            match message {
                Ok(Some(message)) => told.messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    let text = error.to_string();
                    let hint = error.hint().map_or(0, |hint| hint.len() + 2);
                    told.error = Some((text[..text.len() - hint].to_string(), error.offset()));
                    break;
                }
            }
        }
        if rest.is_empty() || told.error.is_some() {
            break;
        }
        rest = behind;
    }
    told.discarded = decoder.discarded();
    for (message, at) in held {
        assert_eq!(message, told.messages[at], "an owned message changed after it had been taken");
    }
    told
}
