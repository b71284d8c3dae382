//! Sizes and durations as users write and read them: `16M`, `100ms`.

use std::time::Duration;

use crate::limits::LONGEST_TIME;

/// Parses a number of decimal digits alone: unlike `str::parse`, it allows no sign, not even a `+`.
///
/// ```
/// use unstick_wire::quantity::parse_number;
/// assert_eq!(parse_number("80"), Some(80_u16));
/// assert_eq!(parse_number::<u16>("+80"), None);
/// ```
pub fn parse_number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Parses a number of hexadecimal digits alone.
pub(crate) fn parse_hex_number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// Parses a size in bytes: digits and, optionally, `K`, `M` or `G` (powers of 1024; `KB`, `KiB` and lower case too).
///
/// ```
/// assert_eq!(unstick_wire::quantity::parse_size("16M"), Some(16 << 20));
/// assert_eq!(unstick_wire::quantity::parse_size("1.5M"), None);
/// ```
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let shift = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// Formats a size for people: whole binary units if they are exact, `1 byte` and `1025 bytes` if they are not.
pub fn size(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".into(),
        0..1024 => format!("{bytes} bytes"),
        b if b % (1 << 30) == 0 => format!("{} GiB", b >> 30),
        b if b % (1 << 20) == 0 => format!("{} MiB", b >> 20),
        b if b % (1 << 10) == 0 => format!("{} KiB", b >> 10),
        b => format!("{b} bytes"),
    }
}

/// What [`parse_duration`] reads, for errors.
pub const DURATIONS: &str = "a time is written 500ms, 10s or 2m, and is at most a year (8760h)";

/// Parses a duration: a number followed by `us`, `ms`, `s`, `m` or `h`; a bare number is in seconds. More than
/// [`LONGEST_TIME`] is refused.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(unstick_wire::quantity::parse_duration("1.5s"), Some(Duration::from_millis(1500)));
/// assert_eq!(unstick_wire::quantity::parse_duration("3 parsecs"), None);
/// ```
pub fn parse_duration(text: &str) -> Option<Duration> {
    let end = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let number: f64 = text[..end].parse().ok()?;
    let seconds = match &text[end..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok().filter(|time| *time <= LONGEST_TIME)
}
