//! Where an outcome stops being what is expected, beside a run that is as it should be.

use unstick_wire::shake::Direction;

/// The places, in bytes as they were sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Misfits {
    ways: [Option<Misfit>; 2],
    /// In what a client prints.
    pub(super) output: Option<Place>,
}

/// The place in a direction of one of the connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Misfit {
    pub(super) connection: usize,
    pub(super) place: Place,
}

/// The same place in two runs: offsets differ where what stands before it is not always as long.
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
    /// Of two byte strings that should be the same.
    pub(super) fn of(before: &[u8], now: &[u8]) -> Self {
        let same = before.iter().zip(now).take_while(|(one, other)| one == other).count();
        Self { before: same, now: same }
    }
}
