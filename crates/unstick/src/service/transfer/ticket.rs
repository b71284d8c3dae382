//! What the connecting side has to know: addresses, the fingerprint of the certificate, and a secret.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;

use crate::endpoint::Fingerprint;
use crate::error::Error;

/// The beginning of a ticket. It makes tickets recognisable, and no program takes one for an option.
const PREFIX: &str = "ust1_";

/// Size of the fingerprint and the secret, in bytes.
const FIXED: usize = 32 + 16;

/// Size of the checksum at the end, which detects a ticket that was copied incompletely.
const CHECK: usize = 4;

/// Longest ticket, in characters. 16 addresses with long names fit.
const LONGEST: usize = 4096;

/// An invitation to one transfer. Everyone who has it can take part.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// `HOST:PORT`, or an address with a scheme (`unix:PATH`, `ws://HOST:PORT/PATH`); the best first.
    pub addresses: Vec<String>,
    /// Fingerprint of the listening side's certificate.
    pub fingerprint: Fingerprint,
    /// The secret that the connecting side sends to show that it is invited.
    pub(super) secret: [u8; 16],
}

impl Ticket {
    fn payload(&self) -> Vec<u8> {
        let mut payload = self.fingerprint.as_bytes().to_vec();
        payload.extend_from_slice(&self.secret);
        payload.extend_from_slice(self.addresses.join("\n").as_bytes());
        payload
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut payload = self.payload();
        let check = *blake3::hash(&payload).as_bytes();
        payload.extend_from_slice(&check[..CHECK]);
        write!(f, "{PREFIX}{}", BASE64URL_NOPAD.encode(&payload))
    }
}

/// Without the secret, which has no place in a log.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({}, {})", self.addresses.join(", "), self.fingerprint)
    }
}

impl FromStr for Ticket {
    type Err = Error;

    /// Parses a ticket. No error repeats its text.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            let error = Error::usage(format!("the ticket {why}"));
            error.with_hint("copy it whole, as the other side prints it: it begins with ust1_")
        };
        let text = text.trim();
        let digits = text.strip_prefix(PREFIX).ok_or_else(|| wrong("does not begin with ust1_"))?;
        if text.len() > LONGEST {
            return Err(wrong("is too long"));
        }
        let payload =
            BASE64URL_NOPAD.decode(digits.as_bytes()).map_err(|_| wrong("is cut, or has an invalid character"))?;
        let end = payload.len().checked_sub(CHECK).filter(|end| *end > FIXED).ok_or_else(|| wrong("is cut"))?;
        let (payload, check) = payload.split_at(end);
        if blake3::hash(payload).as_bytes()[..CHECK] != *check {
            return Err(wrong("is cut, or has a wrong character"));
        }
        let fingerprint: [u8; 32] = payload[..32].try_into().map_err(|_| wrong("is cut"))?;
        let secret = payload[32..FIXED].try_into().map_err(|_| wrong("is cut"))?;
        let addresses = std::str::from_utf8(&payload[FIXED..]).map_err(|_| wrong("has addresses that are not text"))?;
        let addresses = addresses.split('\n').map(str::to_owned).collect();
        Ok(Self { addresses, fingerprint: Fingerprint::from_bytes(fingerprint), secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_comes_back_as_it_was_and_a_typing_error_does_not() {
        let addresses = vec!["192.0.2.7:4711".to_owned(), "[2001:db8::7]:4711".to_owned()];
        let ticket = Ticket { addresses, fingerprint: Fingerprint::from_bytes([7; 32]), secret: [9; 16] };
        let text = ticket.to_string();
        assert_eq!(format!(" {text}\n").parse::<Ticket>().unwrap(), ticket);
        for end in 0..text.len() {
            assert!(text[..end].parse::<Ticket>().is_err(), "cut at {end}");
        }
        for at in 0..text.len() {
            let mut typed = text.clone().into_bytes();
            typed[at] = if typed[at] == b'A' { b'B' } else { b'A' };
            let error = String::from_utf8(typed).unwrap().parse::<Ticket>().unwrap_err().to_string();
            assert!(!error.contains(&text[10..20]), "no error repeats it: {error}");
        }
        assert!(!format!("{ticket:?}").contains("0909"), "{ticket:?}");
    }
}
