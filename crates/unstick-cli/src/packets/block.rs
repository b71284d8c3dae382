//! The blocks of a pcapng file: a section, its one interface, and packets with comments.
//!
//! Source: draft-ietf-opsawg-pcapng, sections 4.1 to 4.3. Everything is little-endian, which the section says.

/// Raw IP: a packet begins with its IPv4 or IPv6 header (LINKTYPE_RAW).
const RAW_IP: u16 = 101;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;

const COMMENT: u16 = 1;
const APPLICATION: u16 = 4;
const NAME: u16 = 2;
const RESOLUTION: u16 = 9;

/// Times count nanoseconds.
const NANOSECONDS: u8 = 9;

/// Bytes of a comment: its length has 16 bits.
pub const MAX_COMMENT: usize = 4 << 10;

/// Appends the beginning of a file: the program that writes it, and what the file is.
pub fn begin(out: &mut Vec<u8>, comment: &str) {
    block(out, SECTION, |out| {
        out.extend(0x1a2b_3c4d_u32.to_le_bytes());
        out.extend([1, 0, 0, 0]); // version 1.0
        out.extend(u64::MAX.to_le_bytes()); // the length of the section is not known yet
        option(out, APPLICATION, concat!("unstick ", env!("CARGO_PKG_VERSION")).as_bytes());
        option(out, COMMENT, clipped(comment));
        end_of_options(out);
    });
    block(out, INTERFACE, |out| {
        out.extend(RAW_IP.to_le_bytes());
        out.extend([0; 2]);
        out.extend(0_u32.to_le_bytes()); // no limit of a packet's length
        option(out, NAME, b"unstick");
        option(out, RESOLUTION, &[NANOSECONDS]);
        end_of_options(out);
    });
}

/// Appends a packet, with a comment unless that is empty.
pub fn packet(out: &mut Vec<u8>, time: u64, headers: &[u8], data: &[u8], comment: &str) {
    let length = u32::try_from(headers.len() + data.len()).unwrap_or(u32::MAX);
    block(out, PACKET, |out| {
        out.extend(0_u32.to_le_bytes()); // the interface
        out.extend(((time >> 32) as u32).to_le_bytes());
        out.extend((time as u32).to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(headers);
        out.extend(data);
        pad(out, length as usize);
        if !comment.is_empty() {
            option(out, COMMENT, clipped(comment));
            end_of_options(out);
        }
    });
}

/// Appends a block: its length stands in front of it and behind it.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body(out);
    let length = u32::try_from(out.len() - at + 4).unwrap_or(u32::MAX).to_le_bytes();
    out[at + 4..at + 8].copy_from_slice(&length);
    out.extend(length);
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend(code.to_le_bytes());
    out.extend((value.len() as u16).to_le_bytes());
    out.extend(value);
    pad(out, value.len());
}

fn end_of_options(out: &mut Vec<u8>) {
    out.extend([0; 4]);
}

/// Fills up to a multiple of four bytes.
fn pad(out: &mut Vec<u8>, length: usize) {
    out.resize(out.len() + length.next_multiple_of(4) - length, 0);
}

fn clipped(comment: &str) -> &[u8] {
    &comment.as_bytes()[..comment.floor_char_boundary(MAX_COMMENT)]
}
