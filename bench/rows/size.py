"""What the installed program takes on a disk."""

from pathlib import Path

from measure import Bar, Row, Side

HOW = "Bytes of the program that `cargo build --release` makes, which is stripped."


def size(bench):
    return Path(bench.built["unstick"]).stat().st_size


ROWS = [
    Row(
        name="size",
        what="the installed program",
        unit="B",
        more_is_better=False,
        sides=[Side("unstick", size)],
        bar=Bar("under", 9_000_000),
        how=HOW,
        needs=frozenset({"unstick"}),
        rounds=1,
    )
]
