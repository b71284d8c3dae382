//! Presets of what keeps a network running.

use super::{Family, Preset};

pub(super) const FAMILY: Family = Family {
    title: "Networks",
    presets: &[Preset::binary(
        "dns",
        "DNS over TCP and TLS",
        53,
        "RFC 1035 section 4.2.2, RFC 7766 section 8",
        "u16be",
    )],
};
