//! All entries of a transfer, checked as a whole before anything is written.

use std::hash::{DefaultHasher, Hasher};

use super::entry::{Entry, Kind};
use super::violation::Violation;
use crate::limits::{
    MAX_TRANSFER_DEPTH, MAX_TRANSFER_ENTRIES, MAX_TRANSFER_NAME, MAX_TRANSFER_PATH, MAX_TRANSFER_PATHS,
    MAX_TRANSFER_SIZE,
};

/// The directory in which a receiver keeps what is not complete: no entry may go there.
pub const RESERVED: &str = ".unstick";

/// Whether a link at `path` leads to something below the receiver's directory, whatever other links of the same kind are there:
/// its target is not absolute, climbs only at its beginning, and no further than that directory.
pub fn stays_inside(path: &[u8], target: &[u8]) -> bool {
    let depth = path.iter().filter(|byte| **byte == b'/').count();
    let parts = || target.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let climbs = parts().take_while(|part| *part == b"..").count();
    !target.starts_with(b"/") && climbs <= depth && parts().skip(climbs).all(|part| part != b"..")
}

/// What the receiver's system takes for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Anything but `/` and zero bytes.
    Unix,
    /// Besides, no characters and names that mean a device, a drive or another directory there.
    Windows,
}

/// The entries of a transfer, in the order of the sender: an entry's number is its place.
#[derive(Debug, Default)]
pub struct Manifest {
    entries: Vec<Entry>,
    paths: usize,
    size: u64,
}

impl Manifest {
    /// Adds an entry, within the limits.
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

    /// Makes a list out of entries that this side has found.
    ///
    /// # Errors
    ///
    /// Where they cross a limit, or break a rule of [`check`](Self::check).
    pub fn of(entries: impl IntoIterator<Item = Entry>, naming: Naming) -> Result<Self, Violation> {
        let mut manifest = Self::default();
        entries.into_iter().try_for_each(|entry| manifest.push(entry))?;
        manifest.check(naming)?;
        Ok(manifest)
    }

    /// The entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// One of them.
    pub fn get(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number as usize)
    }

    /// Bytes of all files whose size is known.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// A stream has ended: how long it was.
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

    /// Checks every path, and all of them against each other: none leaves the directory, none is there twice, none lies below a
    /// file.
    ///
    /// # Errors
    ///
    /// The first that does.
    pub fn check(&self, naming: Naming) -> Result<(), Violation> {
        for entry in &self.entries {
            check_path(&entry.path, naming).map_err(|why| about(&entry.path, why))?;
            if entry.kind == Kind::Link && (entry.target.is_empty() || entry.target.contains(&0)) {
                return Err(about(&entry.path, "is a link to nothing"));
            }
        }
        let path_of = |number: u32| &self.entries[number as usize].path[..];
        // Numbers alone: a copy of every path would be the most memory that a transfer needs.
        let mut sorted: Vec<u32> = (0..self.entries.len() as u32).collect();
        sorted.sort_unstable_by(|one, other| path_of(*one).cmp(path_of(*other)));
        if let Some(pair) = sorted.windows(2).find(|pair| path_of(pair[0]) == path_of(pair[1])) {
            return Err(about(path_of(pair[0]), "is there twice"));
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

    /// Refuses paths that a file system takes for one which does not tell capitals from small letters.
    ///
    /// # Errors
    ///
    /// The first two that collide.
    pub fn check_folded(&self) -> Result<(), Violation> {
        let hashed = self.entries.iter().map(|entry| fingerprint(&folded(&entry.path)));
        let mut sorted: Vec<(u64, u32)> = hashed.zip(0..).collect();
        sorted.sort_unstable();
        // Equal hashes are nearly always equal paths: only those are looked at.
        for run in sorted.chunk_by(|one, other| one.0 == other.0).filter(|run| run.len() > 1) {
            let mut paths: Vec<_> = run.iter().map(|(_, at)| (folded(&self.entries[*at as usize].path), *at)).collect();
            paths.sort_unstable();
            if let Some(pair) = paths.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                let path = &self.entries[pair[1].1 as usize].path;
                return Err(about(path, "is another only in capitals, which are one here"));
            }
        }
        Ok(())
    }
}

/// A number for a path. Who makes two paths of one number gains nothing: they are compared.
fn fingerprint(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(path);
    hasher.finish()
}

fn about(path: &[u8], why: &str) -> Violation {
    Violation::new(format!("the path \"{}\" {why}", path.escape_ascii()))
}

/// As file systems compare that fold: what has both cases is small. Bytes that are no text stay as they are.
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
            return Err("is where the receiver keeps what is not complete");
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

/// Names of devices there, in whatever directory, with or without an ending.
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
