//! A packet, as it comes out of a capture file.

/// A captured packet.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Captured<'a> {
    /// Nanoseconds since 1970 in UTC; `None` where the file does not say.
    pub time: Option<u64>,
    /// The kind of its first header, as the LINKTYPE values of tcpdump.org number them.
    pub link: u16,
    /// What was captured of it.
    pub data: &'a [u8],
    /// Number of its bytes on the wire.
    pub length: u32,
}

impl<'a> Captured<'a> {
    /// A packet that did not come out of a file.
    pub fn new(link: u16, data: &'a [u8], length: u32, time: Option<u64>) -> Self {
        Self { time, link, data, length }
    }
}
