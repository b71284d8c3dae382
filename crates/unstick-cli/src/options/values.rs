//! Values of options that several groups take: numbers, times, permissions.

use std::time::Duration;

use unstick::limits::{LONGEST_KEEPALIVE, SHORTEST_KEEPALIVE};
use unstick::wire::quantity::{DURATIONS, parse_duration, parse_number, parse_size};

pub fn group(text: &str) -> Result<std::net::IpAddr, String> {
    text.parse().map_err(|_| "a multicast group is an IP address such as 239.1.2.3".to_owned())
}

pub fn hops(text: &str) -> Result<u32, String> {
    parse_number::<u8>(text).map(u32::from).ok_or_else(|| "a number from 0 to 255".to_owned())
}

pub fn mode(text: &str) -> Result<u32, String> {
    let digits = text.len() <= 4 && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| digits && *mode <= 0o777);
    mode.ok_or_else(|| "permissions are three octal digits, such as 600".to_owned())
}

pub fn number(text: &str) -> Result<u64, String> {
    parse_number(text).ok_or_else(|| "a number from 0 on".to_owned())
}

pub fn port(text: &str) -> Result<u16, String> {
    parse_number(text).ok_or_else(|| "a number from 0 to 65535".to_owned())
}

pub fn close_code(text: &str) -> Result<u16, String> {
    parse_number(text).ok_or_else(|| "a code such as 1000 or 4000".to_owned())
}

/// Reads a size of at least one byte: `500K`, `10M`.
pub fn size_from_one(text: &str) -> Result<u64, String> {
    parse_size(text).filter(|size| *size > 0).ok_or_else(|| "a size such as 500K or 10M".to_owned())
}

pub fn at_least_one(text: &str) -> Result<u64, String> {
    parse_number(text).filter(|number| *number > 0).ok_or_else(|| "a number from 1 on".to_owned())
}

/// Whether to probe silent TCP peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keepalive {
    Never,
    Every(Duration),
}

pub fn keepalive(text: &str) -> Result<Keepalive, String> {
    if text == "no" {
        return Ok(Keepalive::Never);
    }
    let time = parse_duration(text).filter(|time| (SHORTEST_KEEPALIVE..=LONGEST_KEEPALIVE).contains(time));
    time.map(Keepalive::Every)
        .ok_or_else(|| "a time from 1s to 32767s, which is what TCP takes, or no for none".to_owned())
}

pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| DURATIONS.to_owned())
}
