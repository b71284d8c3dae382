"""Rows, sides and bars: runs the sides of a row in turn, and says what the medians come to.

Not here: what a row runs (`rows/`), how results look (`report.py`).
"""

import statistics
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

# No single process of a row may take longer, in seconds: a bench that hangs is a bug.
PATIENCE = 120


@dataclass
class Bench:
    """Where things are, and how much to do."""

    quick: bool
    home: Path
    built: dict = field(default_factory=dict)  # program -> path, of those that were built for the run
    versions: dict = field(default_factory=dict)  # program -> version

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


@dataclass
class Bar:
    """The floor: `at_least` so many times better than the best peer, `at_most` so many times worse, or `under` a number."""

    kind: str
    value: float

    def __str__(self):
        if self.kind == "under":
            return f"at most {self.value:g}"
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
    medians: dict
    best: str | None  # the peer that the ratio is against
    ratio: float | None
    spread: tuple | None

    @property
    def met(self):
        if self.row.bar.kind == "under":
            return self.medians[self.row.sides[0].name] <= self.row.bar.value
        if self.row.bar.kind == "at_most":
            return self.ratio <= self.row.bar.value
        return self.ratio >= self.row.bar.value


def run_row(bench, row, say):
    """Runs the sides of a row in turn (A B A B ...): what slows the machine down for a while meets them all."""
    values = {side.name: [] for side in row.sides}
    for _ in range(row.rounds or bench.rounds):
        for side in row.sides:
            values[side.name].append(side.once(bench))
            say(".")
    return judge(row, values)


def judge(row, values):
    medians = {name: statistics.median(found) for name, found in values.items()}
    ours, *peers = [side.name for side in row.sides]
    if not peers:
        return Outcome(row, medians, None, None, None)
    best = (max if row.more_is_better else min)(peers, key=medians.get)
    # Each round gives a ratio of neighbours in time; their median is steadier than the ratio of the medians.
    pairs = sorted(times(row, mine, theirs) for mine, theirs in zip(values[ours], values[best]))
    return Outcome(row, medians, best, statistics.median(pairs), (pairs[0], pairs[-1]))


def times(row, mine, theirs):
    """How many times better we are; where the bar is `at most`, how many times worse."""
    better = mine / theirs if row.more_is_better else theirs / mine
    return 1 / better if row.bar.kind == "at_most" else better


def output_of(command, **options):
    """Standard output of a program that has to succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=True, **options)
    return done.stdout.decode()


@contextmanager
def running(command, **options):
    """A program beside the measured one: ended by its process when the measurement is over, however it is over."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
