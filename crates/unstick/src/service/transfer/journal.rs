//! The journal of an incomplete file: a record for each verified subtree, written after its bytes are flushed to disk.
//!
//! A journal names the source of its file; for another source it is worthless. It ends at the first record that is torn
//! or altered. Everything after that is sent again.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use unstick_wire::transfer::{Entry, Hash};

/// The first bytes of a journal; they include its version.
const MAGIC: &[u8; 16] = b"unstick part 001";

/// Size of the header: the magic bytes, and a hash that identifies the source.
const HEAD: usize = 16 + 32;

/// Size of a record: a chaining value, and a checksum.
const RECORD: usize = 32 + 8;

/// The journal of one file.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    source: Hash,
    /// Number of records in the file.
    records: u64,
}

impl Journal {
    /// Reads the records of this source. Cuts off records of another source, and torn ones.
    pub(super) fn open(mut file: File, entry: &Entry) -> io::Result<(Self, Vec<Hash>)> {
        let source = source(entry);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let mut values = Vec::new();
        match bytes.get(..HEAD) == Some(&head(&source)[..]) {
            true => {
                for record in bytes[HEAD..].chunks_exact(RECORD) {
                    let value: Hash = record[..32].try_into().unwrap_or_default();
                    if record[32..] != proof(&source, values.len() as u64, &value) {
                        break;
                    }
                    values.push(value);
                }
            }
            false => {
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0))?;
                file.write_all(&head(&source))?;
            }
        }
        let mut journal = Self { file, source, records: 0 };
        journal.cut(values.len() as u64)?;
        Ok((journal, values))
    }

    /// Keeps only the first records.
    pub(super) fn cut(&mut self, records: u64) -> io::Result<()> {
        let end = HEAD as u64 + records * RECORD as u64;
        self.file.set_len(end)?;
        self.file.seek(SeekFrom::Start(end))?;
        self.records = records;
        Ok(())
    }

    /// Appends the chaining values of subtrees whose bytes have been flushed to disk.
    pub(super) fn append(&mut self, values: &[Hash]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(values.len() * RECORD);
        for value in values {
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(&proof(&self.source, self.records, value));
            self.records += 1;
        }
        self.file.write_all(&bytes)
    }
}

fn head(source: &Hash) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..16].copy_from_slice(MAGIC);
    head[16..].copy_from_slice(source);
    head
}

/// Identifies a source by its path, size, time and inode.
pub(super) fn source(entry: &Entry) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&entry.size.to_be_bytes());
    hasher.update(&entry.modified.0.to_be_bytes());
    hasher.update(&entry.modified.1.to_be_bytes());
    hasher.update(&entry.inode.to_be_bytes());
    hasher.update(&entry.path);
    *hasher.finalize().as_bytes()
}

/// A record's checksum. It covers the source and the record's number, so that a record is valid only in its place.
fn proof(source: &Hash, number: u64, value: &Hash) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(source);
    hasher.update(&number.to_be_bytes());
    hasher.update(value);
    hasher.finalize().as_bytes()[..8].try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn entry(size: u64) -> Entry {
        Entry { modified: (5, 6), inode: 7, ..Entry::file(Bytes::from_static(b"a/b"), size) }
    }

    #[test]
    fn what_was_written_is_read_and_what_is_torn_is_not() {
        let file = || tempfile::tempfile().unwrap();
        let (values, disk) = ([[1; 32], [2; 32], [3; 32]], file());
        let open = |entry: &Entry| Journal::open(disk.try_clone().unwrap(), entry).unwrap();
        let (mut journal, known) = open(&entry(9));
        assert_eq!(known, [[0; 32]; 0]);
        journal.append(&values[..2]).unwrap();
        journal.append(&values[2..]).unwrap();
        assert_eq!(open(&entry(9)).1, values);
        disk.set_len(disk.metadata().unwrap().len() - 1).unwrap();
        let (mut journal, known) = open(&entry(9));
        assert_eq!(known, values[..2], "the last record is torn");
        journal.append(&[[4; 32]]).unwrap();
        assert_eq!(open(&entry(9)).1, [[1; 32], [2; 32], [4; 32]]);
        let mut disk_again = disk.try_clone().unwrap();
        disk_again.seek(SeekFrom::Start((HEAD + RECORD + 3) as u64)).unwrap();
        disk_again.write_all(b"x").unwrap();
        assert_eq!(open(&entry(9)).1, values[..1], "a bit has changed in the second record");
        open(&entry(9)).0.cut(0).unwrap();
        assert_eq!(open(&entry(9)).1, [[0; 32]; 0]);
    }

    #[test]
    fn a_changed_source_has_no_journal() {
        let disk = tempfile::tempfile().unwrap();
        let open = |entry: &Entry| Journal::open(disk.try_clone().unwrap(), entry).unwrap();
        for changed in [
            entry(10),
            Entry { inode: 8, ..entry(9) },
            Entry { modified: (5, 7), ..entry(9) },
            Entry { path: Bytes::from_static(b"a"), ..entry(9) },
        ] {
            open(&entry(9)).0.append(&[[1; 32]]).unwrap();
            assert_eq!(open(&Entry { mode: 0o600, ..entry(9) }).1.len(), 1, "permissions are not content");
            assert_eq!(open(&changed).1, [[0; 32]; 0], "{changed:?}");
        }
    }
}
