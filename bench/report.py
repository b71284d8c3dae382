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
    if outcome.failure:
        return [row.what, "FAILED", outcome.failure, "", str(row.bar), "**no**"]
    if outcome.best is None:
        return [row.what, f"{number(medians[ours])} {row.unit}", "", "", str(row.bar), "yes" if outcome.met else "**no**"]
    low, high = outcome.spread
    return [
        row.what,
        f"{number(medians[ours])} {row.unit}",
        ", ".join(f"{name} {number(medians[name])}" for name in medians if name != ours),
        f"{outcome.ratio:.2f}× ({low:.2f} to {high:.2f})",
        str(row.bar),
        "yes" if outcome.met else "**no**",
    ]


def line(outcome):
    what, ours, peers, ratio, bar, met = cells(outcome)
    return f"{outcome.row.name:24} {ours:>16}  {peers}  {ratio}  bar {bar}: {met.strip('*')}"


def processor():
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            return text.split(":", 1)[1].strip()
    return platform.machine()


def write(path, bench, outcomes, load):
    """Writes the file that the docs quote."""
    today = datetime.date.today().isoformat()
    versions = ", ".join(f"{name} {version}" for name, version in sorted(bench.versions.items()))
    lines = [
        "# unstick beside its peers",
        "",
        "Written by `bench/run`. Every row is one run of all its sides in turn (A B A B ...); figures are medians, the",
        "ratio is the median of the rounds' ratios (their least and greatest behind it), taken against the best peer.",
        "",
        f"{today}, {processor()}, {os.cpu_count()} cores, Linux {platform.release()}; load when it began {load[0]:.2f},",
        f"when it ended {load[1]:.2f} (over 1 is the bench itself, or a neighbour). {bench.rounds} rounds where the row says nothing else.",
        f"{versions}.",
        "",
        "| what | unstick | peers | ratio | bar | met |",
        "|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(cells(outcome)) + " |" for outcome in outcomes]
    lines += ["", "## What each row runs", ""]
    for outcome in outcomes:
        lines += [f"**{outcome.row.name}** ({outcome.row.what}). {outcome.row.how}", ""]
    path.write_text("\n".join(lines))
