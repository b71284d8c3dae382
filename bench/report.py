"""Outcomes as the table on the terminal and as RESULTS.md.

Not here: how anything is measured (`measure.py`, `rows/`).
"""

import datetime
import os
import platform
from pathlib import Path


def number(value):
    """Three digits that matter, with a letter for the thousands."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def cells(outcome):
    row, medians = outcome.row, outcome.medians
    ours = row.sides[0].name
    met = "yes" if outcome.met else "**no**"
    if outcome.failure:
        return [row.what, "FAILED", outcome.failure, "", str(row.bar), met]
    if outcome.best is None:
        return [row.what, f"{number(medians[ours])} {row.unit}", "", "", str(row.bar), met]
    low, high = outcome.spread
    return [
        row.what,
        f"{number(medians[ours])} {row.unit}",
        ", ".join(f"{name} {number(medians[name])}" for name in medians if name != ours),
        f"{outcome.ratio:.2f}× ({low:.2f} to {high:.2f})",
        str(row.bar),
        met,
    ]


def line(outcome):
    _, ours, peers, ratio, bar, met = cells(outcome)
    return f"{outcome.row.name:26} {ours:>17}  {peers}  {ratio}  bar {bar}: {met.strip('*')}"


def processor():
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            return text.split(":", 1)[1].strip()
    return platform.machine()


READING = """\
# unstick beside its peers

Written by `bench/run`; `bench/run --list` names the rows, `bench/run NAME` measures one.

**How to read it.** Each row runs its sides in turn (A B A B ...), so that what slows the machine for a while meets them
all. *unstick* and *peers* are the medians of a side's rounds; read them as what this machine does, no more. *ratio* is
the median of the rounds' own ratios, each of two neighbours in time, with the least and the greatest round behind it:
where these lie far apart the machine was busy with something else. It is taken against the best of the peers as they
come; a side that says how it was tuned is there to be compared, and is not what the ratio is made of. "At least 2×" asks
for twice the peer's rate, "at most 2×" allows twice its time, and a bar is a floor that is not lowered. What each side is,
its API, its buffers and what is counted at both ends stands below the table, under the row's name.

Time is noise on a shared machine. What must not get worse unseen is counted in instructions on every change
(`.ci/instructions`).
"""


def write(path, bench, outcomes, load):
    """Writes the file that the docs quote."""
    today = datetime.date.today().isoformat()
    versions = ", ".join(f"{name} {version}" for name, version in sorted(bench.versions.items()))
    lines = [
        READING,
        f"{today}, {processor()}, {os.cpu_count()} cores, Linux {platform.release()}; load when it began {load[0]:.2f},",
        f"when it ended {load[1]:.2f}: over 2 there was a neighbour besides the bench itself.",
        f"{versions}.",
        "",
        "| what | unstick | peers | ratio | bar | met |",
        "|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(cells(outcome)) + " |" for outcome in outcomes]
    lines += ["", "## What each row runs", ""]
    for outcome in outcomes:
        rounds = f"{outcome.rounds} rounds." if outcome.rounds else ""
        lines += [f"**{outcome.row.name}**: {outcome.row.what}. {rounds} {outcome.row.how}", ""]
    path.write_text("\n".join(lines))
