"""Captures and recordings: how fast they are read, guessed and written."""

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from measure import Bar, Row, Side
from processes import PATIENCE, line_of, port_of, running

from .bridge import BULK, bulk, ours

CAPTURE = (
    "A capture of PostgreSQL's CopyData, 16 connections, payloads of 64 B to 1 KiB, written by `bench/c/capture.c`; it lies in memory "
    "(/dev/shm). `unstick decode FILE --json` to /dev/null, on 1 GiB. "
)
TSHARK = "`tshark -r FILE -T json` to /dev/null, on 32 MiB, because it needs minutes and much memory for 1 GiB. Bytes of the file a second."
TCPFLOW = "`tcpflow -r FILE -o FOLDER` on the same 1 GiB, with FOLDER in memory: it writes the bytes of each direction, and knows no messages."
RECORDED = (
    BULK + " Both copy to and from a server on this machine; one records to a file in memory (/dev/shm). Of 4 GiB, which the recording cannot "
    "take so fast, the row `record-kept` says how much it has."
)
GUESSED = "The first 1 MiB of that capture, from the start of the program to its exit; it has to name `postgres`."


def folder_in_memory(bench):
    return bench.memory or bench.home / "target"


def capture(bench, size):
    """Return the path of a capture of this size, which is made once in a run."""
    path = Path(folder_in_memory(bench)) / f"unstick-bench-{size}-{os.getpid()}.pcap"
    if not path.exists():
        atexit.register(path.unlink)
        with open(path, "wb") as file:
            subprocess.run([bench.c("capture"), str(size)], stdout=file, timeout=PATIENCE, check=True)
    return path


def reading(command, full, quick=32 << 20):
    """Bytes of a capture that are read in a second. `command` gets the program, the file and an empty folder."""

    def once(bench):
        path = capture(bench, bench.scale(full, quick))
        with tempfile.TemporaryDirectory(dir=folder_in_memory(bench), prefix="unstick-bench-") as folder:
            words = command(bench, str(path), folder)
            begun = time.perf_counter()
            subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE, check=True)
            return path.stat().st_size / (time.perf_counter() - begun)

    return once


def decode(bench, path, _):
    return [bench.built["unstick"], "decode", path, "--json"]


def tshark(_, path, __):
    return ["tshark", "-r", path, "-T", "json"]


def tcpflow(_, path, folder):
    return ["tcpflow", "-r", path, "-o", folder]


@contextmanager
def recorded(bench, to, path=None):
    """Our bridge to this port, recorded."""
    with tempfile.TemporaryDirectory(dir=folder_in_memory(bench), prefix="unstick-bench-") as folder:
        path = path or str(Path(folder) / "session.jsonl")
        command = [bench.built["unstick"], "listen", "127.0.0.1:0", "--to", f"127.0.0.1:{to}", "--record", path]
        with running(command) as bridge:
            yield bridge, port_of(bridge)


def kept(bench):
    """The share of the bytes in bulk that a recording has; the rest it must have counted as lost."""
    size = bench.scale(4 << 30, 1 << 29)
    folder = tempfile.mkdtemp(dir=folder_in_memory(bench), prefix="unstick-bench-")
    path = str(Path(folder) / "session.jsonl")
    try:
        with running([bench.c("bulk"), "sink", str(size)], stdout=subprocess.PIPE) as sink:
            with recorded(bench, line_of(sink), path) as (_, port):
                subprocess.run([bench.c("bulk"), "source", str(port), str(size)], timeout=PATIENCE, check=True)
                line_of(sink)
        there, lost = counted(path)
        if there + lost != size:
            raise RuntimeError(f"the recording has {there} bytes and counts {lost} as lost, of {size}")
        return 100 * there / size
    finally:
        shutil.rmtree(folder)


def counted(path):
    there = lost = 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith('{"event":"segment"'):
                there += int(line.split('"bytes":', 1)[1].split(",", 1)[0])
            elif line.startswith('{"event":"lost"'):
                lost += json.loads(line)["bytes"]
    return there, lost


def guessed(bench):
    """Seconds."""
    path = capture(bench, 1 << 20)
    begun = time.perf_counter()
    command = [bench.built["unstick"], "guess", str(path), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=True)
    taken = time.perf_counter() - begun
    if b'"postgres"' not in done.stdout:
        raise RuntimeError("guess does not name postgres")
    return taken


def against(name, peer, command, full, bar, how):
    return Row(
        name=name,
        what=f"a capture of 1 GiB decoded to JSON, against {peer}",
        unit="B/s",
        more_is_better=True,
        sides=[Side("unstick", reading(decode, 1 << 30)), Side(peer, reading(command, full))],
        bar=Bar("at_least", bar),
        how=CAPTURE + how,
        needs=frozenset({"unstick"}),
        rounds=5,
    )


ROWS = [
    against("capture-tshark", "tshark", tshark, 32 << 20, 20, TSHARK),
    against("capture-tcpflow", "tcpflow", tcpflow, 1 << 30, 1, TCPFLOW),
    Row(
        name="record-bulk",
        what="bulk TCP through a bridge with `--record`, against the same without",
        unit="B/s",
        more_is_better=True,
        sides=[Side("recorded", bulk(recorded)), Side("not recorded", bulk(ours))],
        bar=Bar("at_least", 0.5),
        how=RECORDED,
        needs=frozenset({"unstick"}),
        rounds=5,
    ),
    Row(
        name="record-kept",
        what="of that bulk, the share that the recording has, in percent",
        unit="%",
        more_is_better=True,
        sides=[Side("unstick", kept)],
        bar=Bar("over", 0),
        how="As `record-bulk`. What is missing must have been counted as lost, byte for byte. A conversation never waits for its recording.",
        needs=frozenset({"unstick"}),
        rounds=3,
    ),
    Row(
        name="guess",
        what="`unstick guess` on 1 MiB, start to exit",
        unit="s",
        more_is_better=False,
        sides=[Side("unstick", guessed)],
        bar=Bar("under", 0.2),
        how=CAPTURE + GUESSED,
        needs=frozenset({"unstick"}),
    ),
]
