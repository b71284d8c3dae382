//! One file or directory of a transfer, as the sender lists it.

use bytes::{BufMut, Bytes};

use super::fields::Fields;
use super::violation::Violation;
use crate::limits::{MAX_TRANSFER_PATH, MAX_TRANSFER_SIZE};

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file of known size.
    File,
    /// A directory.
    Directory,
    /// A stream, which is standard input. Its length is known when it ends.
    Stream,
    /// A symbolic link.
    Link,
}

/// A file, directory, stream or link, as the sender lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the entry is.
    pub kind: Kind,
    /// Permissions as `chmod` takes them: the lowest nine bits.
    pub mode: u16,
    /// Time of the last modification: seconds since the epoch, and nanoseconds.
    pub modified: (i64, u32),
    /// Size of a file in bytes; 0 for all other kinds.
    pub size: u64,
    /// Number of bytes of a file that are not in holes, as far as the sender knows; 0 for all other kinds. This much room
    /// the file needs on the receiver's disk.
    pub stored: u64,
    /// The file's inode number, or 0 if it has none. Together with size and time it shows whether the source has
    /// changed.
    pub inode: u64,
    /// Path below the receiver's directory: components of any bytes, separated by `/`.
    pub path: Bytes,
    /// Where a link points to; empty for all other kinds.
    pub target: Bytes,
}

impl Entry {
    /// A file of which only the path and the size are known. It has no holes.
    pub fn file(path: Bytes, size: u64) -> Self {
        let (kind, modified, target) = (Kind::File, (0, 0), Bytes::new());
        Self { kind, mode: 0, modified, size, stored: size, inode: 0, path, target }
    }

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
        out.put_u64(self.stored);
        out.put_u64(self.inode);
        out.put_u16(u16::try_from(self.path.len()).unwrap_or(u16::MAX));
        out.put_slice(&self.path);
        if self.kind == Kind::Link {
            out.put_u16(u16::try_from(self.target.len()).unwrap_or(u16::MAX));
            out.put_slice(&self.target);
        }
    }

    /// Number of bytes that [`encode`](Self::encode) appends.
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
        let (size, stored, inode) = (fields.u64()?, fields.u64()?, fields.u64()?);
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
        if stored > size {
            return Err(Violation::new(format!("an entry of {size} bytes cannot store {stored}")));
        }
        Ok(Self { kind, mode, modified, size, stored, inode, path, target })
    }

    /// Whether both entries have the same content, as far as one can tell without reading it.
    pub fn is_same_source(&self, other: &Self) -> bool {
        let identity = |entry: &Self| (entry.kind, entry.size, entry.modified, entry.inode);
        identity(self) == identity(other)
    }

    /// Whether the sender sends bytes for this entry.
    pub fn has_content(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::Stream)
    }
}

/// Number of bytes in an encoded entry, without its path and its link target.
const FIXED: usize = 1 + 2 + 8 + 4 + 8 + 8 + 8 + 2;

fn path(fields: &mut Fields) -> Result<Bytes, Violation> {
    let length = usize::from(fields.u16()?);
    if length > MAX_TRANSFER_PATH {
        return Err(Violation::new(format!("a path of {length} bytes is over the limit of {MAX_TRANSFER_PATH}")));
    }
    fields.bytes(length)
}
