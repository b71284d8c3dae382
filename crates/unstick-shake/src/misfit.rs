//! The places where an outcome begins to differ from an expected run.

use unstick_wire::shake::Direction;

/// The places where a run stops being as expected, as offsets in the bytes that were sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Misfits {
    ways: [Option<Misfit>; 2],
    /// The place in what a client prints.
    pub(super) output: Option<Place>,
}

/// The place in one direction of one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Misfit {
    pub(super) connection: usize,
    pub(super) place: Place,
}

/// The same place in two runs. Its offsets differ if what comes before it has another length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) before: usize,
    pub(super) now: usize,
}

impl Misfits {
    pub(super) fn of(&self, way: Direction) -> Option<Misfit> {
        self.ways[way.index()]
    }

    pub(super) fn of_mut(&mut self, way: Direction) -> &mut Option<Misfit> {
        &mut self.ways[way.index()]
    }
}

impl Place {
    /// Finds where two byte strings that should be the same begin to differ.
    pub(super) fn of(before: &[u8], now: &[u8]) -> Self {
        let same = before.iter().zip(now).take_while(|(one, other)| one == other).count();
        Self { before: same, now: same }
    }
}
