"""What a connected client that says nothing costs a listener."""

import subprocess
import time

from measure import Bar, Row, Side
from processes import PATIENCE, line_of, open_files, port_of, resident, running

CLIENTS = 10_000

HOW = (
    f"`unstick listen --io line` (framing `line`), and one process in C that opens {CLIENTS:,} connections and holds them. "
    "What is in memory of the listener (`Rss` of its `smaps_rollup`) when all are accepted, less what was before the first, "
    "divided by their number. The kernel's own memory for sockets is not in it."
)


def bytes_each(bench):
    listen = [bench.built["unstick"], "listen", "--io", "line", "tcp://127.0.0.1:0"]
    with running(listen, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as listener:
        port, files, before = str(port_of(listener)), open_files(listener.pid), resident(listener.pid)
        clients = [bench.c("idle_clients"), port, str(CLIENTS)]
        with running(clients, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
            if line_of(held) != "open":
                raise RuntimeError("the clients could not connect")
            bound = time.monotonic() + PATIENCE
            while open_files(listener.pid) < files + CLIENTS:
                if time.monotonic() > bound:
                    raise RuntimeError("not every client was accepted")
                time.sleep(0.01)
            return settled(listener.pid, bound) - before


def settled(pid, bound):
    """What is in memory once that has stopped growing: the last connections may still be on their way to their tasks."""
    known, now = 0, resident(pid)
    while known != now and time.monotonic() < bound:
        time.sleep(0.1)
        known, now = now, resident(pid)
    return now


ROWS = [
    Row(
        name="idle-clients",
        what=f"{CLIENTS:,} idle TCP clients of `listen`, resident memory each",
        unit="B",
        more_is_better=False,
        sides=[Side("unstick", lambda bench: bytes_each(bench) / CLIENTS)],
        bar=Bar("under", 4096),
        how=HOW,
        needs=frozenset({"unstick"}),
        rounds=3,
    )
]
