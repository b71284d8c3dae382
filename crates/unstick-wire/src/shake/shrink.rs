//! Finds which edits of a failing case matter: delta debugging (Zeller and Hildebrandt, 2002: `ddmin`).

use super::case::{Case, Direction, Edit};
use super::plan::Conversation;

/// One edit that can be left out.
type Atom = (Direction, Edit);

/// Splits a case into single cuts and joins, so that each can be left out. Cuts beyond the recorded bytes are dropped.
pub fn atoms(case: &Case, conversation: &Conversation) -> Vec<(Direction, Edit)> {
    let mut atoms = Vec::new();
    for (direction, edit) in case.edits() {
        let length = conversation.of(*direction).bytes.len() as u64;
        match edit {
            Edit::Every(step, to) => {
                let last = to.unwrap_or(u64::MAX).min(length.saturating_sub(1));
                atoms.extend((1..=last / step).map(|times| (*direction, Edit::Cut(times * step))));
            }
            Edit::Cut(at) if *at >= length => {}
            other => atoms.push((*direction, *other)),
        }
    }
    atoms.sort_unstable();
    atoms.dedup();
    atoms
}

/// Finds a subset of the edits that still fails, and from which no edit can be left out.
///
/// Call [`next`](Self::next) for a case, run it, and report whether it [failed](Self::told). When there is no next
/// case, [`smallest`](Self::smallest) is the result.
#[derive(Debug)]
pub struct Shrink {
    atoms: Vec<Atom>,
    /// Number of parts into which the atoms are divided.
    parts: usize,
    /// The part that is tried next.
    part: usize,
    /// Whether the rest without a part is tried, instead of the part alone.
    complement: bool,
}

impl Shrink {
    /// Starts with edits that fail together.
    pub fn new(atoms: Vec<(Direction, Edit)>) -> Self {
        Self { atoms, parts: 2, part: 0, complement: false }
    }

    /// The case to try next; `None` when nothing can be left out any more.
    #[allow(clippy::should_implement_trait)] // What comes next depends on the answer.
    pub fn next(&mut self) -> Option<Case> {
        loop {
            if self.atoms.len() < 2 {
                return None;
            }
            self.parts = self.parts.min(self.atoms.len());
            if self.part < self.parts {
                return Some(self.candidate().into_iter().collect());
            }
            self.part = 0;
            // With two parts, the rest without one is the other.
            if !self.complement && self.parts > 2 {
                self.complement = true;
            } else if self.parts < self.atoms.len() {
                self.complement = false;
                self.parts *= 2;
            } else {
                return None;
            }
        }
    }

    /// Reports whether the case from [`next`](Self::next) fails too.
    pub fn told(&mut self, fails: bool) {
        if !fails {
            self.part += 1;
            return;
        }
        self.atoms = self.candidate();
        self.parts = if self.complement { (self.parts - 1).max(2) } else { 2 };
        self.part = 0;
        self.complement = false;
    }

    /// The smallest case that is known to fail.
    pub fn smallest(&self) -> Case {
        self.atoms.iter().copied().collect()
    }

    fn candidate(&self) -> Vec<Atom> {
        let count = self.atoms.len();
        let (from, to) = (self.part * count / self.parts, (self.part + 1) * count / self.parts);
        if self.complement { [&self.atoms[..from], &self.atoms[to..]].concat() } else { self.atoms[from..to].to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Direction = Direction::ServerToClient;

    fn shrunk(count: u64, fails: impl Fn(&[u64]) -> bool) -> (Vec<u64>, usize) {
        let mut shrink = Shrink::new((1..=count).map(|at| (WAY, Edit::Cut(at))).collect());
        let places = |case: &Case| -> Vec<u64> {
            let at = |edit| if let Edit::Cut(at) = edit { at } else { 0 };
            case.of(WAY).map(at).collect()
        };
        let mut tried = 0;
        while let Some(case) = shrink.next() {
            tried += 1;
            shrink.told(fails(&places(&case)));
        }
        (places(&shrink.smallest()), tried)
    }

    #[test]
    fn only_what_matters_is_left() {
        let (left, tried) = shrunk(100, |cuts| cuts.contains(&37));
        assert_eq!(left, [37]);
        assert!(tried < 30, "{tried}");
        assert_eq!(shrunk(100, |cuts| cuts.contains(&3) && cuts.contains(&77)).0, [3, 77]);
        assert_eq!(shrunk(9, |cuts| cuts.len() >= 4).0.len(), 4);
        assert_eq!(shrunk(8, |cuts| cuts.len() == 8).0.len(), 8, "all of them matter");
        assert_eq!(shrunk(1, |_| true), (vec![1], 0));
    }
}
