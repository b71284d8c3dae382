//! IP datagrams that come in fragments, put together (RFC 791, section 3.2; RFC 8200, section 4.5).

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::limits::{MAX_FRAGMENT_AGE, MAX_FRAGMENTED};
use crate::packet::{Fragment, Ip};

/// Bytes of the longest datagram.
const LONGEST: usize = 65_535;

/// Which datagram a fragment is a part of.
type Key = (IpAddr, IpAddr, u8, u32);

/// Datagrams of which fragments have come.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    datagrams: BTreeMap<Key, Datagram>,
    /// Number of fragments so far: says which datagram waits for the longest time.
    count: u64,
    /// Number of datagrams that were given up.
    lost: u64,
}

/// A datagram in parts.
#[derive(Debug, Default)]
struct Datagram {
    bytes: Vec<u8>,
    /// Parts that are there, by their start: start and end. None lies over another.
    parts: BTreeMap<usize, usize>,
    /// Number of bytes that are there.
    there: usize,
    /// Its length, once the last part has come.
    length: Option<usize>,
    /// The count when its first part came.
    since: u64,
    /// When that was captured.
    time: Option<u64>,
}

impl Fragments {
    /// Number of datagrams whose parts did not all come.
    pub(crate) fn lost(&self) -> u64 {
        self.lost + self.datagrams.len() as u64
    }

    /// Takes a fragment. Returns the bytes of its datagram if it is the last that was missing.
    pub(crate) fn add(&mut self, ip: &Ip<'_>, fragment: &Fragment, time: Option<u64>) -> Option<Vec<u8>> {
        self.count += 1;
        let key = (ip.from, ip.to, ip.protocol, fragment.id);
        if fragment.offset + ip.length > LONGEST {
            return None;
        }
        if self.datagrams.get(&key).is_some_and(|datagram| datagram.is_older(time)) {
            self.datagrams.remove(&key);
            self.lost += 1;
        }
        if !self.datagrams.contains_key(&key) && self.datagrams.len() == MAX_FRAGMENTED {
            let oldest = self.datagrams.iter().min_by_key(|(_, datagram)| datagram.since).map(|(key, _)| *key);
            self.lost += u64::from(oldest.is_some_and(|oldest| self.datagrams.remove(&oldest).is_some()));
        }
        let since = self.count;
        let datagram = self.datagrams.entry(key).or_insert_with(|| Datagram { since, time, ..Datagram::default() });
        datagram.add(fragment.offset, ip.payload);
        if !fragment.more {
            datagram.length.get_or_insert(fragment.offset + ip.length);
        }
        if !datagram.is_whole() {
            return None;
        }
        self.datagrams.remove(&key).map(|datagram| datagram.bytes)
    }
}

impl Datagram {
    /// Whether a fragment of this time is too late to be a part of it.
    fn is_older(&self, time: Option<u64>) -> bool {
        self.time.zip(time).is_some_and(|(began, now)| now.saturating_sub(began) > MAX_FRAGMENT_AGE)
    }

    /// Takes a part. Bytes that have come already count.
    fn add(&mut self, mut from: usize, mut bytes: &[u8]) {
        if self.bytes.len() < from + bytes.len() {
            self.bytes.resize(from + bytes.len(), 0);
        }
        while !bytes.is_empty() {
            let behind = self.parts.range(..=from).next_back().map_or(0, |(_, end)| *end);
            let known = bytes.len().min(behind.saturating_sub(from));
            (from, bytes) = (from + known, &bytes[known..]);
            let next = self.parts.range(from..).next().map_or(usize::MAX, |(start, _)| *start);
            let new = bytes.len().min(next - from);
            if new == 0 {
                if known == 0 {
                    return;
                }
                continue;
            }
            self.bytes[from..from + new].copy_from_slice(&bytes[..new]);
            self.parts.insert(from, from + new);
            self.there += new;
            (from, bytes) = (from + new, &bytes[new..]);
        }
    }

    fn is_whole(&self) -> bool {
        self.length.is_some_and(|length| self.there == length && self.bytes.len() == length)
    }
}
