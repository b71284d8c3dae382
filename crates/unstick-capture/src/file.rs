//! Capture files: which kind it is, gzip around it, and its packets one after the other.

mod captured;
mod pcap;
mod pcapng;
mod source;

use std::io::{BufReader, Cursor, Read};

use flate2::read::MultiGzDecoder;

use crate::error::CaptureError;
pub use captured::Captured;
use source::Source;

/// How gzip begins (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Bytes at the front that tell which kind of file it is.
const MAGIC: usize = 4;

/// Bytes that one read of the file takes.
const READ: usize = 256 << 10;

/// Whether a file with these first bytes is a capture. Four are enough; one that is compressed may be anything inside.
pub fn is_capture(beginning: &[u8]) -> bool {
    beginning.starts_with(&GZIP) || kind_of(beginning).is_some()
}

/// The kinds of file.
enum Kind {
    Pcap,
    PcapNg,
}

fn kind_of(beginning: &[u8]) -> Option<Kind> {
    let magic = beginning.first_chunk::<MAGIC>()?;
    if pcap::is_magic(*magic) {
        return Some(Kind::Pcap);
    }
    (*magic == pcapng::SECTION.to_be_bytes()).then_some(Kind::PcapNg)
}

/// Reads the packets of a pcap or pcapng file.
pub struct CaptureFile {
    format: Format,
}

/// What is known of the file, by its kind.
enum Format {
    Pcap(pcap::Pcap),
    PcapNg(pcapng::PcapNg),
}

impl CaptureFile {
    /// Opens a capture, also one that is compressed with gzip.
    ///
    /// # Errors
    ///
    /// When reading fails, or its first bytes are those of no capture.
    pub fn open(file: impl Read + 'static) -> Result<Self, CaptureError> {
        let (head, file) = peeked(BufReader::with_capacity(READ, file))?;
        if !head.starts_with(&GZIP) {
            return Self::of_kind(&head, file);
        }
        let (head, file) = peeked(BufReader::with_capacity(READ, MultiGzDecoder::new(file)))?;
        Self::of_kind(&head, file)
    }

    fn of_kind(head: &[u8], file: Box<dyn Read>) -> Result<Self, CaptureError> {
        let source = Source::new(file);
        let format = match kind_of(head) {
            Some(Kind::Pcap) => Format::Pcap(pcap::Pcap::open(source)?),
            Some(Kind::PcapNg) => Format::PcapNg(pcapng::PcapNg::new(source)),
            None => return Err(CaptureError::unknown()),
        };
        Ok(Self { format })
    }

    /// Returns the next packet; `None` at the end.
    ///
    /// # Errors
    ///
    /// When reading fails, or the file is malformed: nothing more can be read from it.
    pub fn next_packet(&mut self) -> Result<Option<Captured<'_>>, CaptureError> {
        match &mut self.format {
            Format::Pcap(file) => file.next_packet(),
            Format::PcapNg(file) => file.next_packet(),
        }
    }
}

/// Returns the first bytes of a file, and the whole file.
fn peeked(mut file: impl Read + 'static) -> Result<(Vec<u8>, Box<dyn Read>), CaptureError> {
    let mut head = Vec::with_capacity(MAGIC);
    (&mut file).take(MAGIC as u64).read_to_end(&mut head).map_err(CaptureError::io)?;
    let whole = Cursor::new(head.clone()).chain(file);
    Ok((head, Box::new(whole)))
}
