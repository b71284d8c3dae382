//! The list of complete files beside the journals. It saves a later connection from reading them again.
//!
//! A record has the source, the verified hash, and what the file's metadata looked like under its final name. A file
//! that was touched since then is compared again. A record is written after its file is flushed to disk.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use cap_std::fs::{Metadata, MetadataExt};
use unstick_wire::limits::MAX_TRANSFER_ENTRIES;
use unstick_wire::transfer::{Entry, Hash};

use super::journal;

/// Half a hash: it identifies a source, or a file's metadata.
type Half = [u8; 16];

/// Size of a record: the source, the metadata, the hash, and a checksum.
const RECORD: usize = 16 + 16 + 32 + 8;

/// What is known about one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    source: Half,
    look: Half,
    hash: Hash,
}

impl Record {
    pub(super) fn new(entry: &Entry, found: &Metadata, hash: Hash) -> Self {
        Self { source: half(&journal::source(entry)), look: look(found), hash }
    }

    fn encode(&self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..16].copy_from_slice(&self.source);
        bytes[16..32].copy_from_slice(&self.look);
        bytes[32..64].copy_from_slice(&self.hash);
        let proof = *blake3::hash(&bytes[..64]).as_bytes();
        bytes[64..].copy_from_slice(&proof[..8]);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let part = |from: usize| bytes.get(from..from + 16)?.try_into().ok();
        let record = Self { source: part(0)?, look: part(16)?, hash: bytes.get(32..64)?.try_into().ok()? };
        (record.encode() == bytes).then_some(record)
    }
}

/// The files that earlier connections have completed, sorted by source.
#[derive(Debug, Default)]
pub(super) struct Complete(Vec<Record>);

impl Complete {
    /// Reads the list, up to the first torn record.
    pub(super) fn read(mut file: File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        (&file).take((MAX_TRANSFER_ENTRIES * RECORD) as u64).read_to_end(&mut bytes)?;
        let mut records: Vec<_> = bytes.chunks(RECORD).map_while(Record::decode).collect();
        records.sort_by_key(|record| record.source);
        Ok(Self(records))
    }

    /// The hash of a file that came from this source and has not been touched since.
    pub(super) fn find(&self, entry: &Entry, found: &Metadata) -> Option<Hash> {
        if self.0.is_empty() {
            return None;
        }
        let (source, look) = (half(&journal::source(entry)), look(found));
        let from = self.0.partition_point(|record| record.source < source);
        let same = self.0[from..].iter().take_while(|record| record.source == source);
        same.filter(|record| record.look == look).map(|record| record.hash).last()
    }
}

/// Appends records after the last whole one. A list that is too long starts again from nothing.
pub(super) fn append(file: &mut File, records: &[Record]) -> io::Result<()> {
    let length = file.metadata()?.len();
    let whole = length - length % RECORD as u64;
    let from = if whole >= (MAX_TRANSFER_ENTRIES * RECORD) as u64 { 0 } else { whole };
    file.set_len(from)?;
    file.seek(SeekFrom::Start(from))?;
    let bytes: Vec<u8> = records.iter().flat_map(Record::encode).collect();
    file.write_all(&bytes)
}

fn half(hash: &Hash) -> Half {
    hash[..16].try_into().unwrap_or_default()
}

/// Identifies a file by its metadata, without reading it. A write to the file alters its change time.
fn look(found: &Metadata) -> Half {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&found.size().to_be_bytes()).update(&found.ino().to_be_bytes());
    for (seconds, nanos) in [(found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())] {
        hasher.update(&seconds.to_be_bytes()).update(&nanos.to_be_bytes());
    }
    half(hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::*;

    fn entry(path: &'static str, size: u64) -> Entry {
        Entry { modified: (5, 6), inode: 7, ..Entry::file(Bytes::from_static(path.as_bytes()), size) }
    }

    #[test]
    fn a_file_that_was_touched_or_comes_from_another_source_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        std::fs::write(folder.path().join("a"), b"content").unwrap();
        std::fs::write(folder.path().join("b"), b"content").unwrap();
        let found = |name: &str| dir.symlink_metadata(name).unwrap();
        let mut list = tempfile::tempfile().unwrap();
        append(&mut list, &[Record::new(&entry("a", 7), &found("a"), [1; 32])]).unwrap();
        append(&mut list, &[Record::new(&entry("b", 7), &found("b"), [2; 32])]).unwrap();
        let complete = Complete::read(list.try_clone().unwrap()).unwrap();
        assert_eq!(complete.find(&entry("a", 7), &found("a")), Some([1; 32]));
        assert_eq!(complete.find(&entry("b", 7), &found("b")), Some([2; 32]));
        assert_eq!(complete.find(&entry("a", 8), &found("a")), None, "another source");
        assert_eq!(complete.find(&entry("a", 7), &found("b")), None, "another file");
        let before = std::fs::metadata(folder.path().join("a")).unwrap().modified().unwrap();
        std::fs::write(folder.path().join("a"), b"CONTENT").unwrap();
        File::options().write(true).open(folder.path().join("a")).unwrap().set_modified(before).unwrap();
        assert_eq!(complete.find(&entry("a", 7), &found("a")), None, "its time was set back, and still it is another");
    }

    #[test]
    fn what_is_torn_or_altered_ends_the_list_and_the_next_record_stands_behind_what_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        std::fs::write(folder.path().join("a"), b"content").unwrap();
        let found = dir.symlink_metadata("a").unwrap();
        let record = |path| Record::new(&entry(path, 7), &found, [1; 32]);
        let mut list = tempfile::tempfile().unwrap();
        append(&mut list, &[record("a"), record("b")]).unwrap();
        list.set_len(2 * RECORD as u64 - 1).unwrap();
        assert_eq!(Complete::read(list.try_clone().unwrap()).unwrap().0, [record("a")]);
        append(&mut list, &[record("c")]).unwrap();
        let complete = Complete::read(list.try_clone().unwrap()).unwrap();
        assert_eq!(complete.0.len(), 2);
        assert_eq!(complete.find(&entry("c", 7), &found), Some([1; 32]));
        list.seek(SeekFrom::Start(40)).unwrap();
        list.write_all(b"x").unwrap();
        assert_eq!(Complete::read(list.try_clone().unwrap()).unwrap().0, [], "a bit of the first has changed");
    }
}
