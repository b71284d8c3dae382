//! One file or directory of a transfer, as the sender lists it.

use bytes::{BufMut, Bytes};

use super::fields::Fields;
use super::violation::Violation;
use crate::limits::{MAX_TRANSFER_PATH, MAX_TRANSFER_SIZE};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file whose size is known.
    File,
    /// A directory.
    Directory,
    /// A stream whose length its end tells: standard input.
    Stream,
    /// A symbolic link.
    Link,
}

/// A file or directory as the sender has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permissions, as chmod takes them: the lowest nine bits.
    pub mode: u16,
    /// When it was last modified: seconds since the epoch, and nanoseconds behind them.
    pub modified: (i64, u32),
    /// Bytes of a file; 0 of everything else.
    pub size: u64,
    /// The file's number in its file system. With size and time it tells whether the source has changed; 0 where there is none.
    pub inode: u64,
    /// Where it goes below the receiver's directory: components with `/` between them, in any bytes.
    pub path: Bytes,
    /// What a link points to; nothing of everything else.
    pub target: Bytes,
}

impl Entry {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(match self.kind {
            Kind::File => 0,
            Kind::Directory => 1,
            Kind::Stream => 2,
            Kind::Link => 3,
        });
        out.put_u16(self.mode);
        out.put_i64(self.modified.0);
        out.put_u32(self.modified.1);
        out.put_u64(self.size);
        out.put_u64(self.inode);
        out.put_u16(u16::try_from(self.path.len()).unwrap_or(u16::MAX));
        out.put_slice(&self.path);
        if self.kind == Kind::Link {
            out.put_u16(u16::try_from(self.target.len()).unwrap_or(u16::MAX));
            out.put_slice(&self.target);
        }
    }

    /// Bytes of its encoding.
    pub(super) fn length(&self) -> usize {
        FIXED + self.path.len() + if self.kind == Kind::Link { 2 + self.target.len() } else { 0 }
    }

    pub(super) fn decode(fields: &mut Fields) -> Result<Self, Violation> {
        let kind = match fields.u8()? {
            0 => Kind::File,
            1 => Kind::Directory,
            2 => Kind::Stream,
            3 => Kind::Link,
            other => return Err(Violation::new(format!("an entry of the unknown kind {other}"))),
        };
        let (mode, modified) = (fields.u16()?, (fields.i64()?, fields.u32()?));
        let (size, inode) = (fields.u64()?, fields.u64()?);
        let path = path(fields)?;
        let target = if kind == Kind::Link { self::path(fields)? } else { Bytes::new() };
        if mode > 0o777 {
            return Err(Violation::new("permissions have more than nine bits"));
        }
        if modified.1 >= 1_000_000_000 {
            return Err(Violation::new("a time has over 999999999 nanoseconds"));
        }
        if size > MAX_TRANSFER_SIZE || (kind != Kind::File && size != 0) {
            return Err(Violation::new(format!("an entry cannot have a size of {size} bytes")));
        }
        Ok(Self { kind, mode, modified, size, inode, path, target })
    }

    /// Whether it is still the same content, as far as that can be told without reading it.
    pub fn is_same_source(&self, other: &Self) -> bool {
        let identity = |entry: &Self| (entry.kind, entry.size, entry.modified, entry.inode);
        identity(self) == identity(other)
    }

    /// Whether bytes are sent for it.
    pub fn has_content(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::Stream)
    }
}

/// Bytes of an entry without its path, and without a link's target.
const FIXED: usize = 1 + 2 + 8 + 4 + 8 + 8 + 2;

fn path(fields: &mut Fields) -> Result<Bytes, Violation> {
    let length = usize::from(fields.u16()?);
    if length > MAX_TRANSFER_PATH {
        return Err(Violation::new(format!("a path of {length} bytes is over the limit of {MAX_TRANSFER_PATH}")));
    }
    fields.bytes(length)
}
