//! All entries of a transfer, checked as a whole before the receiver writes anything.

use std::hash::{DefaultHasher, Hasher};

use super::entry::{Entry, Kind};
use super::violation::Violation;
use crate::limits::{
    MAX_TRANSFER_DEPTH, MAX_TRANSFER_ENTRIES, MAX_TRANSFER_NAME, MAX_TRANSFER_PATH, MAX_TRANSFER_PATHS,
    MAX_TRANSFER_SIZE,
};

/// The directory in which a receiver keeps incomplete files. No entry may go there.
pub const RESERVED: &str = ".unstick";

/// Whether a link at `path` leads to a place below the receiver's directory, whatever other links of this kind are
/// there. Its target must not be absolute. It may have `..` only at its beginning, and must not climb above that
/// directory.
pub fn stays_inside(path: &[u8], target: &[u8]) -> bool {
    let depth = path.iter().filter(|byte| **byte == b'/').count();
    let parts = || target.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let climbs = parts().take_while(|part| *part == b"..").count();
    !target.starts_with(b"/") && climbs <= depth && parts().skip(climbs).all(|part| part != b"..")
}

/// The names that the receiver's system accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Any bytes except `/` and zero.
    Unix,
    /// As for Unix; and no characters or names that mean a device, a drive or another directory on Windows.
    Windows,
}

/// The entries of a transfer, in the sender's order. The number of an entry is its position.
#[derive(Debug, Default)]
pub struct Manifest {
    entries: Vec<Entry>,
    paths: usize,
    size: u64,
}

impl Manifest {
    /// Adds an entry, if that stays within the limits.
    pub(super) fn push(&mut self, entry: Entry) -> Result<(), Violation> {
        if self.entries.len() >= MAX_TRANSFER_ENTRIES {
            return Err(Violation::new(format!("over {MAX_TRANSFER_ENTRIES} entries")));
        }
        self.paths += entry.path.len() + entry.target.len();
        if self.paths > MAX_TRANSFER_PATHS {
            return Err(Violation::new(format!("over {MAX_TRANSFER_PATHS} bytes of paths")));
        }
        self.size = self.size.saturating_add(entry.size);
        if self.size > MAX_TRANSFER_SIZE {
            return Err(Violation::new(format!("over {MAX_TRANSFER_SIZE} bytes in all")));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Makes a list of entries that this side has found.
    ///
    /// # Errors
    ///
    /// If the entries exceed a limit, or break a rule of [`check`](Self::check).
    pub fn of(entries: impl IntoIterator<Item = Entry>, naming: Naming) -> Result<Self, Violation> {
        let mut manifest = Self::default();
        entries.into_iter().try_for_each(|entry| manifest.push(entry))?;
        manifest.check(naming)?;
        Ok(manifest)
    }

    /// All entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry with this number.
    pub fn get(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number as usize)
    }

    /// Sum of the sizes of all files, in bytes. Streams do not count.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Records the length of a stream that has ended.
    pub(super) fn measured(&mut self, number: u32, size: u64) {
        if let Some(place) = self.entries.get_mut(number as usize).filter(|place| place.kind == Kind::Stream) {
            place.size = size;
        }
    }

    pub(super) fn replace(&mut self, number: u32, entry: Entry) {
        if let Some(place) = self.entries.get_mut(number as usize) {
            self.size = self.size.saturating_sub(place.size).saturating_add(entry.size);
            *place = entry;
        }
    }

    /// Checks every path, alone and against all others. No path may leave the directory, occur twice, or lie below a
    /// file or link.
    ///
    /// # Errors
    ///
    /// The first path that breaks a rule.
    pub fn check(&self, naming: Naming) -> Result<(), Violation> {
        for entry in &self.entries {
            check_path(&entry.path, naming).map_err(|why| about(&entry.path, why))?;
            if entry.kind == Kind::Link && (entry.target.is_empty() || entry.target.contains(&0)) {
                return Err(about(&entry.path, "is a link to nothing"));
            }
        }
        let path_of = |number: u32| &self.entries[number as usize].path[..];
        // Sorts numbers, not paths: copies of all paths would take more memory than anything else in a transfer.
        let mut sorted: Vec<u32> = (0..self.entries.len() as u32).collect();
        sorted.sort_unstable_by(|one, other| path_of(*one).cmp(path_of(*other)));
        if let Some(pair) = sorted.windows(2).find(|pair| path_of(pair[0]) == path_of(pair[1])) {
            return Err(about(path_of(pair[0]), "is in the list twice"));
        }
        for path in sorted.iter().map(|number| path_of(*number)) {
            let parents = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at]);
            for parent in parents {
                let found = sorted.binary_search_by(|other| path_of(*other).cmp(parent));
                if found.is_ok_and(|at| self.entries[sorted[at] as usize].kind != Kind::Directory) {
                    return Err(about(path, "lies below a file"));
                }
            }
        }
        Ok(())
    }

    /// Refuses two paths that differ only in upper and lower case. For file systems that ignore case.
    ///
    /// # Errors
    ///
    /// The first two paths that collide.
    pub fn check_folded(&self) -> Result<(), Violation> {
        let hashed = self.entries.iter().map(|entry| fingerprint(&folded(&entry.path)));
        let mut sorted: Vec<(u64, u32)> = hashed.zip(0..).collect();
        sorted.sort_unstable();
        // Paths with equal hashes are nearly always equal. So only those are compared.
        for run in sorted.chunk_by(|one, other| one.0 == other.0).filter(|run| run.len() > 1) {
            let mut paths: Vec<_> = run.iter().map(|(_, at)| (folded(&self.entries[*at as usize].path), *at)).collect();
            paths.sort_unstable();
            if let Some(pair) = paths.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                let path = &self.entries[pair[1].1 as usize].path;
                return Err(about(path, "differs from another only in case, which the receiver's file system ignores"));
            }
        }
        Ok(())
    }
}

/// Hashes a path. A peer gains nothing from two paths with the same hash, because the paths are compared then.
fn fingerprint(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(path);
    hasher.finish()
}

fn about(path: &[u8], why: &str) -> Violation {
    Violation::new(format!("the path \"{}\" {why}", path.escape_ascii()))
}

/// The path in lower case, as file systems that ignore case compare it. Bytes that are not UTF-8 stay as they are.
fn folded(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        let letters = chunk.valid().chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        out.extend_from_slice(letters.collect::<String>().as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    out
}

fn check_path(path: &[u8], naming: Naming) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("is empty");
    }
    if path.len() > MAX_TRANSFER_PATH {
        return Err("is over 4095 bytes long");
    }
    if path.contains(&0) {
        return Err("has a zero byte");
    }
    if path[0] == b'/' {
        return Err("is absolute");
    }
    let mut depth = 0;
    for name in path.split(|byte| *byte == b'/') {
        depth += 1;
        check_name(name, naming)?;
        if depth == 1 && name.eq_ignore_ascii_case(RESERVED.as_bytes()) {
            return Err("is where the receiver keeps incomplete files");
        }
    }
    if depth > MAX_TRANSFER_DEPTH { Err("is over 128 directories deep") } else { Ok(()) }
}

fn check_name(name: &[u8], naming: Naming) -> Result<(), &'static str> {
    match name {
        b"" => Err("has an empty component"),
        b"." | b".." => Err("has a component that means another directory"),
        name if name.len() > MAX_TRANSFER_NAME => Err("has a component of over 255 bytes"),
        name if naming == Naming::Windows && !is_plain_on_windows(name) => {
            Err("has a component that Windows takes for something else")
        }
        _ => Ok(()),
    }
}

/// Names of devices on Windows. They are reserved in every directory, with or without an extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

fn is_plain_on_windows(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let is_port = ["com", "lpt"].iter().any(|port| {
        stem.strip_prefix(port).is_some_and(|number| matches!(number, "¹" | "²" | "³") || is_one_digit(number))
    });
    let has_special = name.chars().any(|letter| letter < ' ' || "\\:*?\"<>|".contains(letter));
    !has_special && !is_port && !DEVICES.contains(&stem.as_str()) && !name.ends_with(['.', ' '])
}

fn is_one_digit(text: &str) -> bool {
    text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_digit())
}
