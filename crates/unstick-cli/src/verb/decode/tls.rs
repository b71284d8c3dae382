//! Where TLS begins in a stream: the first bytes of what a client sends.

/// The preset of its records.
pub const PRESET: &str = "tls";

/// Whether a segment begins with a record that holds a `ClientHello` (RFC 8446, sections 5.1, 4 and 4.1.2). Type, version
/// and both lengths have to agree, so that a message of another protocol is not taken for one.
pub fn begins(segment: &[u8]) -> bool {
    /// Bytes of the type and the length of a handshake message.
    const HEAD: u32 = 4;
    let [0x16, 3, 0..=4, high, low, 1, long, middle, least, 3, ..] = *segment else { return false };
    let record = u32::from(u16::from_be_bytes([high, low]));
    let hello = u32::from_be_bytes([0, long, middle, least]);
    // A long one goes on in the next record.
    record > HEAD && hello + HEAD >= record
}
