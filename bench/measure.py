"""Rows, sides and bars: runs the sides of a row in turn, and says what the medians come to.

Not here: what a row runs (`rows/`), how results look (`report.py`).
"""

import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

# A row that has taken so many seconds ends with the rounds that it has, if they are enough for a median.
ROW_SECONDS = 75
ENOUGH_ROUNDS = 3


@dataclass
class Bench:
    """Where things are, and how much to do."""

    quick: bool
    home: Path
    built: dict = field(default_factory=dict)  # program -> path, of those that were built for the run
    versions: dict = field(default_factory=dict)  # program -> version
    # Where files are in memory; elsewhere than on Linux they may not be.
    memory: str | None = "/dev/shm" if Path("/dev/shm").is_dir() else None

    @property
    def rounds(self):
        return 3 if self.quick else 11

    def scale(self, full, quick):
        return quick if self.quick else full

    def rust(self, name):
        return str(self.home / "target/release" / name)

    def c(self, name):
        return str(self.home / "target/c" / name)


@dataclass
class Side:
    """One contestant: its name, and what measures it once."""

    name: str
    once: Callable[[Bench], float]
    aside: bool = False  # named, but not what the ratio is made of


@dataclass
class Bar:
    """The floor: `at_least` so many times better than the best peer, `at_most` so many times worse, `under` or `over` a number."""

    kind: str
    value: float

    def __str__(self):
        if self.kind == "under":
            return f"at most {self.value:g}"
        if self.kind == "over":
            return f"at least {self.value:g}"
        return f"{self.kind.replace('_', ' ')} {self.value:g}×"


@dataclass
class Row:
    """One line of the table. The first side is ours."""

    name: str
    what: str
    unit: str
    more_is_better: bool
    sides: list
    bar: Bar
    how: str
    needs: frozenset = frozenset()  # beyond the Rust and C programs: "unstick", "websocat"
    rounds: int | None = None


@dataclass
class Outcome:
    """What the runs of a row came to."""

    row: Row
    medians: dict = field(default_factory=dict)
    rounds: int = 0
    best: str | None = None  # the peer that the ratio is against
    ratio: float | None = None
    spread: tuple | None = None
    failure: str | None = None  # why there is no result

    @property
    def met(self):
        if self.failure:
            return False
        if self.row.bar.kind == "under":
            return self.medians[self.row.sides[0].name] <= self.row.bar.value
        if self.row.bar.kind == "over":
            return self.medians[self.row.sides[0].name] >= self.row.bar.value
        if self.row.bar.kind == "at_most":
            return self.ratio <= self.row.bar.value
        return self.ratio >= self.row.bar.value


def run_row(bench, row, say):
    """Runs the sides of a row in turn (A B A B ...): what slows the machine down for a while meets them all.

    A side that fails ends its row, and no other.
    """
    values = {side.name: [] for side in row.sides}
    bound = time.monotonic() + ROW_SECONDS
    try:
        for turn in range(min(row.rounds or bench.rounds, bench.rounds)):
            if turn >= ENOUGH_ROUNDS and time.monotonic() > bound:
                break
            for side in row.sides:
                values[side.name].append(side.once(bench))
                say(".")
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        return Outcome(row, failure=f"{side.name}: {error}")
    return judge(row, values)


def judge(row, values):
    medians = {name: statistics.median(found) for name, found in values.items()}
    ours, *peers = row.sides
    outcome = Outcome(row, medians, rounds=len(values[ours.name]))
    peers = [side.name for side in peers if not side.aside]
    if not peers:
        return outcome
    outcome.best = (max if row.more_is_better else min)(peers, key=medians.get)
    # Each round gives a ratio of neighbours in time; their median is steadier than the ratio of the medians.
    pairs = sorted(times(row, mine, theirs) for mine, theirs in zip(values[ours.name], values[outcome.best]))
    outcome.ratio, outcome.spread = statistics.median(pairs), (pairs[0], pairs[-1])
    return outcome


def times(row, mine, theirs):
    """How many times better we are; where the bar is `at most`, how many times worse."""
    better = mine / theirs if row.more_is_better else theirs / mine
    return 1 / better if row.bar.kind == "at_most" else better
