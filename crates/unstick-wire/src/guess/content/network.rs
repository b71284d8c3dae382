//! Protocols of networks, machines, devices and telephony.

use super::dialogue::{Content, Dialogue, Message, every};

pub(super) const CONTENT: &[(&str, Content)] = &[
    ("dns", dns),
    ("bgp", |all| all.all(60.0, |message| message.has(0, &[0xff; 16]) && message.is_in(18, 1..=5))),
    ("ldp", |all| {
        let kind = |at: u32| matches!(at & 0x7fff, 1 | 0x100 | 0x200 | 0x201 | 0x300 | 0x301 | 0x400..=0x404);
        all.all(24.0, |message| message.has(0, &[0, 1]) && message.be(10, 2).is_some_and(kind))
    }),
    ("pcep", |all| {
        all.request()?;
        let is_open = |message: &Message<'_>| message.has(1, &[1]) && message.has(4, &[1]);
        all.first(20.0, is_open, is_open)?;
        all.all(8.0, |message| message.has(0, &[0x20]) && message.is_in(1, 1..=13) && message.length % 4 == 0)
    }),
    ("rpki-rtr", |all| {
        all.request()?;
        all.first(
            30.0,
            |message| message.has(1, &[2, 0, 0, 0, 0, 0, 8]) || message.has(1, &[1]) && message.length == 12,
            |message| message.is_in(0, 0..=2) && message.is_of(1, &[0, 3, 8, 10]),
        )?;
        all.all(8.0, |message| message.is_in(0, 0..=2) && message.is_in(1, 0..=11))
    }),
    ("openflow", |all| {
        let hello = |message: &Message<'_>| message.is_in(0, 1..=6) && message.has(1, &[0]) && message.length < 128;
        let bits = all.first(20.0, hello, hello)?;
        let kind = |message: &Message<'_>| message.is_in(0, 1..=6) && message.is_in(1, 0..=35);
        Some(bits + all.all(6.0, |message| kind(message) && message.length >= 8)?)
    }),
    ("diameter", |all| {
        let known = |code: u32| matches!(code, 257..=318 | 8_388_000..=8_388_800);
        let header =
            |message: &Message<'_>| message.has(0, &[1]) && message.byte(4).is_some_and(|flags| flags & 0x0f == 0);
        all.all(24.0, |message| header(message) && message.be(5, 3).is_some_and(known))
    }),
    ("radius", |all| {
        let code = |message: &Message<'_>| message.is_of(0, &[1, 2, 3, 4, 5, 11, 12, 13, 40, 41, 42, 43, 44, 45]);
        all.all(26.0, |message| {
            message.length >= 20 && code(message) && attributes(message.from(20), message.length.saturating_sub(20))
        })
    }),
    ("tacacs", |all| {
        let head = |message: &Message<'_>| message.is_of(0, &[0xc0, 0xc1]) && message.is_in(1, 1..=3);
        let (asks, answers) =
            (|message: &Message<'_>| message.has(2, &[1]), |message: &Message<'_>| message.has(2, &[2]));
        all.first(10.0, asks, answers)?;
        all.all(18.0, |message| head(message) && message.is_in(3, 0..=5) && message.is_in(2, 1..=60))
    }),
    ("kerberos", |all| {
        all.all(24.0, |message| {
            message.is_of(4, &[0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x74, 0x75, 0x76, 0x7e]) && ber(message, 4)
        })
    }),
    ("ldap", |all| all.all(24.0, ldap)),
    ("snmp", |all| {
        all.all(30.0, |message| {
            message.has(0, &[0x30])
                && inside(message).is_some_and(|at| {
                    message.has(at, &[2, 1]) && message.is_in(at + 2, 0..=3) && message.is_of(at + 3, &[4, 0x30])
                })
        })
    }),
    ("tls", |all| {
        let alert = |message: &Message<'_>| message.has(0, &[0x15]);
        let hello =
            |message: &Message<'_>, kind: u8| message.has(0, &[0x16]) && message.has(5, &[kind]) || alert(message);
        all.first(10.0, |message| hello(message, 1), |message| hello(message, 2) || hello(message, 0))?;
        // Data may be empty, other records not.
        let filled = |message: &Message<'_>| message.length > 5 || message.has(0, &[0x17]);
        all.all(20.0, |message| {
            message.is_in(0, 0x14..=0x18)
                && message.has(1, &[3])
                && message.is_in(2, 0..=4)
                && filled(message)
                && message.length <= 5 + 18_432
        })
    }),
    ("ssh", |all| {
        all.request().or(all.answer())?;
        let named = |side: &[Message<'_>]| side.is_empty() || side.iter().any(|message| message.has(0, b"SSH-"));
        (named(&all.client) && named(&all.server)).then_some(44.0)
    }),
    ("openvpn", |all| {
        all.request()?;
        all.first(
            16.0,
            |message| message.is_of(2, &[0x38, 0x08, 0x50]),
            |message| message.is_of(2, &[0x40, 0x10, 0x28, 0x20]),
        )?;
        all.all(5.0, |message| message.byte(2).is_some_and(|kind| (1..=11).contains(&(kind >> 3))))
    }),
    ("stun", |all| all.all(36.0, stun)),
    ("turn", |all| {
        // A channel is two bits of a message: random bytes have them too. A connection begins with STUN.
        let channel = |message: &Message<'_>| message.is_in(0, 0x40..=0x7f);
        (all.both().any(channel) && all.both().any(stun)).then_some(())?;
        Some(36.0 + all.all(2.0, |message| stun(message) || channel(message))?)
    }),
    ("rtp", rtp),
    ("skinny", |all| {
        let version = |message: &Message<'_>| message.le(4, 4).is_some_and(|version| version <= 0x20);
        all.all(28.0, |message| {
            version(message) && message.le(8, 4).is_some_and(|kind| kind < 0x200) && message.length >= 12
        })
    }),
    ("pcap", |all| {
        all.server.first().or(all.client.first())?;
        let magic = |message: &Message<'_>| {
            message.has(0, &[0xd4, 0xc3, 0xb2, 0xa1]) || message.has(0, &[0x4d, 0x3c, 0xb2, 0xa1])
        };
        all.first(34.0, magic, magic)
    }),
    ("modbus", modbus),
    ("tpkt", |all| {
        all.all(22.0, |message| message.has(0, &[3, 0]) && (message.is_in(4, 1..=0x7f) && message.length >= 7))
    }),
    ("iec104", |all| {
        let control = |message: &Message<'_>| match message.byte(2) {
            Some(kind) if kind & 3 == 3 => message.length == 6 && message.has(3, &[0, 0, 0]),
            Some(kind) if kind & 3 == 1 => message.length == 6 && kind == 1,
            _ => message.length >= 12,
        };
        all.all(14.0, |message| message.has(0, &[0x68]) && control(message))
    }),
    ("enip", |all| {
        let command = |code: u32| matches!(code, 0 | 1 | 4 | 0x63..=0x66 | 0x6f | 0x70 | 0x72 | 0x73);
        // A message that does nothing is a header of zeros, which stand in anything.
        if all.both().all(|message| message.le(0, 2) == Some(0)) {
            return None;
        }
        all.all(30.0, |message| {
            message.le(0, 2).is_some_and(command) && message.has(9, &[0, 0, 0]) && message.has(20, &[0; 4])
        })
    }),
    ("opcua", |all| {
        let kind = |message: &Message<'_>| message.begins(&["HEL", "ACK", "OPN", "MSG", "CLO", "ERR", "RHE"]);
        all.all(30.0, |message| kind(message) && message.is_of(3, b"FCA"))
    }),
    ("doip", |all| {
        let version = |message: &Message<'_>| {
            message.byte(0).is_some_and(|is| message.has(1, &[!is]) && matches!(is, 1..=4 | 0xff))
        };
        let kind = |kind: u32| matches!(kind, 0..=8 | 0x4001..=0x4004 | 0x8001..=0x8003);
        all.all(26.0, |message| version(message) && message.be(2, 2).is_some_and(kind))
    }),
    ("someip", |all| {
        let kind =
            |message: &Message<'_>| message.is_of(14, &[0, 1, 2, 0x20, 0x21, 0x22, 0x40, 0x80, 0x81, 0xa0, 0xa1]);
        all.all(18.0, |message| message.has(12, &[1]) && kind(message) && message.is_in(15, 0..=0x5e))
    }),
    ("dicom", |all| {
        let (asks, answers) =
            (|message: &Message<'_>| message.has(0, &[1, 0]), |message: &Message<'_>| message.is_of(0, &[2, 3, 7]));
        all.first(16.0, asks, answers)?;
        all.all(14.0, |message| message.is_in(0, 1..=7) && message.has(1, &[0]) && message.length >= 10)
    }),
    ("jt808", |all| all.all(26.0, |message| message.has(0, &[0x7e]) && message.last().is_none_or(|end| end == 0x7e))),
    ("dnp3", |all| all.all(30.0, |message| message.has(0, &[5, 0x64]))),
    ("ppp", |all| all.all(30.0, |message| message.has(0, &[0x7e]) || message.has(0, &[0xff, 0x7d, 0x23]))),
    ("slip", |all| {
        all.all(10.0, |message| message.from(0).iter().any(|byte| matches!(byte, 0x45 | 0x60)) && message.length > 20)
    }),
    ("dle", |all| all.all(24.0, |message| message.has(0, &[0x10, 2]))),
    ("modbus-rtu", |all| all.all(22.0, |message| message.length >= 4)),
    ("coap", |all| {
        all.request()?;
        all.first(16.0, |message| message.has(1, &[0xe1]), |message| message.has(1, &[0xe1]))
    }),
];

/// One question, as nearly all messages have it; an answer has the number of its question.
fn dns(all: &Dialogue<'_>) -> Option<f64> {
    let head = |message: &Message<'_>, answer: bool| {
        let operation =
            message.byte(4).is_some_and(|flags| flags & 0x80 == u8::from(answer) << 7 && flags & 0x78 <= 0x28);
        let counted = message.be(6, 2).is_some_and(|questions| questions <= 1);
        operation && counted && message.be(8, 2).is_some_and(|answers| answers < 2000) && message.length >= 14
    };
    let asked =
        every(&all.client, 20.0, |message| head(message, false) && message.be(10, 2).is_some_and(|more| more < 100))?;
    let answered = every(&all.server, 14.0, |message| head(message, true))?;
    let same = all.request().zip(all.answer()).is_some_and(|(asked, answer)| asked.be(2, 2) == answer.be(2, 2));
    Some(asked + answered + if same { 16.0 } else { 0.0 })
}

/// The head of a message of STUN, with its cookie.
fn stun(message: &Message<'_>) -> bool {
    message.is_in(0, 0..=0x3f) && message.has(4, &[0x21, 0x12, 0xa4, 0x42])
}

/// Whether what is here of these attributes is type, length and value each.
fn attributes(mut bytes: &[u8], length: usize) -> bool {
    let mut left = length;
    while let [kind, size, ..] = *bytes {
        if kind == 0 || size < 2 || usize::from(size) > left {
            return false;
        }
        left -= usize::from(size);
        bytes = bytes.get(usize::from(size)..).unwrap_or_default();
    }
    true
}

/// Where the contents of a BER value begin.
fn inside(message: &Message<'_>) -> Option<usize> {
    contents(message, 0).map(|(at, _)| at)
}

/// Where the contents of the value at this place begin, and their length.
fn contents(message: &Message<'_>, at: usize) -> Option<(usize, usize)> {
    match message.byte(at + 1)? {
        short @ ..=0x7f => Some((at + 2, short.into())),
        long @ 0x81..=0x84 => {
            let width = usize::from(long & 0x7f);
            Some((at + 2 + width, message.be(at + 2, width)? as usize))
        }
        _ => None,
    }
}

/// Whether the rest of the message from this place on is one BER value.
fn ber(message: &Message<'_>, at: usize) -> bool {
    contents(message, at).is_some_and(|(from, length)| from.checked_add(length) == Some(message.length))
}

/// A sequence of a number and an operation.
fn ldap(message: &Message<'_>) -> bool {
    let Some(at) = inside(message).filter(|_| message.has(0, &[0x30])) else { return false };
    let Some((number, width)) = contents(message, at).filter(|_| message.has(at, &[2])) else { return false };
    width <= 4
        && message.is_of(
            number + width,
            &[
                0x42, 0x4a, 0x50, 0x60, 0x61, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f,
                0x73, 0x77, 0x78, 0x79,
            ],
        )
}

/// Packets of version 2, whose numbers follow each other.
fn rtp(all: &Dialogue<'_>) -> Option<f64> {
    let mut bits = 0.0;
    for side in [&all.client, &all.server] {
        every(side, 0.0, |message| message.length >= 10 && message.is_in(2, 0x80..=0xbf))?;
        let numbers: Vec<u32> =
            side.iter().filter(|message| !message.is_in(3, 192..=223)).filter_map(|message| message.be(4, 2)).collect();
        let next = numbers.windows(2).filter(|pair| pair[0] + 1 == pair[1]).count();
        if numbers.len() > 2 && next * 2 < numbers.len() {
            return None;
        }
        bits += 12.0 * next.min(4) as f64;
    }
    Some(bits)
}

/// The protocol's number is 0; an answer has the number and the function of its request.
fn modbus(all: &Dialogue<'_>) -> Option<f64> {
    let head =
        |message: &Message<'_>| message.has(2, &[0, 0]) && message.has(4, &[0]) && (8..=260).contains(&message.length);
    let asked = every(&all.client, 18.0, |message| head(message) && message.is_in(7, 1..=0x7f))?;
    let answered = every(&all.server, 16.0, |message| {
        head(message) && message.byte(7).is_some_and(|function| function & 0x7f > 0)
    })?;
    let pair = all.client.first().zip(all.server.first());
    let same = pair.is_some_and(|(asked, answer)| asked.be(0, 2) == answer.be(0, 2) && asked.byte(7) == answer.byte(7));
    // One side alone may be anything with zeros in it.
    let most = if pair.is_none() { 4.0 } else { 60.0 };
    Some((asked + answered + if same { 14.0 } else { 0.0 }).min(most))
}
