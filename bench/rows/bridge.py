"""Bridges: bulk bytes, added latency, and what many connections at once cost."""

import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from measure import Bar, Row, Side
from processes import PATIENCE, line_of, open_files, output_of, port_of, resident, running

from .idle import settled

CONNECTIONS = 5_000

SETUP = (
    "`unstick listen 0 --to PORT`; `socat TCP-LISTEN:0,fork,reuseaddr TCP:PORT`; HAProxy in `mode tcp` with `option "
    "splice-auto` and its defaults otherwise: one client through one proxy to one server, TCP on 127.0.0.1. "
)
BULK = (
    "4 GiB, a sender and a receiver in C, blocking, 256 KiB a call; the receiver takes the time from its first read to its "
    "last. socat once more with `-b 262144`, to be named. Ours reads and writes while reads are small, and splices through a "
    "pipe of 1 MiB once two reads in a row have brought 64 KiB."
)
LATENCY = (
    "A frame of 4 + 64 bytes to an echo in C and back, 20,000 times: the median round trip through the proxy, less the median "
    "without one taken right before. TCP_NODELAY at both ends; for socat `nodelay` is asked, the others set it unasked."
)
REFRAMED = (
    "A sender in C writes frames of 4 + 64 bytes, 256 KiB a call, a receiver in C takes lines of 64 bytes and LF, with the "
    "time from its first read to its last. `unstick listen 0 -f u32be --to PORT --to-frame line`; `websocat -u -t "
    "lengthprefixed:tcp-l: msg2line:tcp:` (a 4-byte big-endian length as well). 5,000,000 messages, and 150,000 for websocat."
)
MEMORY = (
    f"One process in C opens {CONNECTIONS:,} connections, another one accepts their partners; nothing is said. What is in "
    "memory of `unstick listen 0 --to PORT` (`Rss` of its `smaps_rollup`) when all are bridged, less what was before the "
    "first, divided by their number. The kernel's own memory for sockets is not in it."
)

MANY = (
    "An echo and its clients in C, each one thread with epoll. Short conversations: connect, 64 B, their answer, close, 64 at "
    "once, 10,000 in all. Round trips: 1,000 connections that stay, 64 B there and back on each, 100,000 in all, timed from when "
    "every one has had its first answer. Both have a thread for each processor, as they come."
)

HAPROXY = """\
global
    maxconn 2000
defaults
    mode tcp
    option splice-auto
    timeout connect 10s
    timeout client 1m
    timeout server 1m
listen bridge
    bind 127.0.0.1:{port}
    server target 127.0.0.1:{to}
"""


@contextmanager
def ours(bench, to):
    """Our bridge to this port: its process and its port."""
    with running([bench.built["unstick"], "listen", "127.0.0.1:0", "--to", f"127.0.0.1:{to}"]) as bridge:
        yield bridge, port_of(bridge)


def socat(*options, nodelay=""):
    @contextmanager
    def bridge(_, to):
        listen = f"TCP-LISTEN:0,bind=127.0.0.1,fork,reuseaddr{nodelay}"
        with running(["socat", *options, listen, f"TCP:127.0.0.1:{to}{nodelay}"]) as process:
            yield process, port_of(process)

    return bridge


@contextmanager
def haproxy(_, to):
    """It cannot be given port 0 and be asked for the port it got: it is given one that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=port, to=to))
        with running(["haproxy", "-db", "-f", str(config)]) as process:
            yield process, port_of(process)


def bulk(through):
    """Bytes a second."""

    def once(bench):
        size = bench.scale(4 << 30, 1 << 29)
        with running([bench.c("bulk"), "sink", str(size)], stdout=subprocess.PIPE) as sink:
            to = line_of(sink)
            with through(bench, to) as (_, port):
                source = [bench.c("bulk"), "source", str(port), str(size)]
                subprocess.run(source, timeout=PATIENCE, check=True)
                return size / float(line_of(sink))

    return once


def many(through, how, at_once, full, quick):
    """Conversations or round trips a second."""

    def once(bench):
        total = bench.scale(full, quick)
        with running([bench.c("conversations"), "serve"], stdout=subprocess.PIPE) as echo:
            with through(bench, line_of(echo)) as (_, port):
                clients = [bench.c("conversations"), how, str(port), str(at_once), str(total)]
                return total / float(output_of(clients))

    return once


def reframed(through, full, quick):
    """Messages a second."""

    def once(bench):
        count = bench.scale(full, quick)
        with running([bench.c("bulk"), "sink", str(count * 65)], stdout=subprocess.PIPE) as sink:
            with through(bench, line_of(sink)) as (_, port):
                subprocess.run([bench.c("bulk"), "frames", str(port), str(count)], timeout=PATIENCE, check=True)
                return count / float(line_of(sink))

    return once


@contextmanager
def frames_to_lines(bench, to):
    command = [bench.built["unstick"], "listen", "127.0.0.1:0", "-f", "u32be", "--to", f"127.0.0.1:{to}"]
    with running([*command, "--to-frame", "line"]) as bridge:
        yield bridge, port_of(bridge)


@contextmanager
def websocat(bench, to):
    ends = ["lengthprefixed:tcp-l:127.0.0.1:0", f"msg2line:tcp:127.0.0.1:{to}"]
    with running([bench.built["websocat"], "-u", "-t", *ends]) as bridge:
        yield bridge, port_of(bridge)


def round_trip(bench, through=None):
    """The median of the round trips, in microseconds."""
    rounds = str(bench.scale(20_000, 5_000))
    with running([bench.c("pingpong"), "serve"], stdout=subprocess.PIPE) as echo:
        to = line_of(echo)
        if through is None:
            return float(output_of([bench.c("pingpong"), "ask", to, rounds])) / 1000
        with through(bench, to) as (_, port):
            return float(output_of([bench.c("pingpong"), "ask", str(port), rounds])) / 1000


def added(through):
    def once(bench):
        direct = round_trip(bench)
        return round_trip(bench, through) - direct

    return once


def bytes_each(bench):
    with (
        running([bench.c("holding_server")], stdout=subprocess.PIPE) as server,
        ours(bench, line_of(server)) as (bridge, port),
    ):
        files, before = open_files(bridge.pid), resident(bridge.pid)
        clients = [bench.c("idle_clients"), str(port), str(CONNECTIONS)]
        with running(clients, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
            if line_of(held) != "open":
                raise RuntimeError("the clients could not connect")
            bound = time.monotonic() + PATIENCE
            while open_files(bridge.pid) < files + 2 * CONNECTIONS:
                if time.monotonic() > bound:
                    raise RuntimeError("not every client was bridged")
                time.sleep(0.01)
            return (settled(bridge.pid, bound) - before) / CONNECTIONS


def against_haproxy(name, what, at_once, unit, load):
    """A row with many connections; `load` says what they do, how many at once, and how often."""
    return Row(
        name=name,
        what=f"{what} a second through `listen A --to B`, {at_once}",
        unit=f"{unit}/s",
        more_is_better=True,
        sides=[Side("unstick", many(ours, *load)), Side("HAProxy", many(haproxy, *load))],
        bar=Bar("at_least", 1.05),
        how=SETUP + MANY,
        needs=frozenset({"unstick"}),
    )


ROWS = [
    Row(
        name="bridge-bulk-socat",
        what="bulk TCP through `listen A --to B`",
        unit="B/s",
        more_is_better=True,
        sides=[
            Side("unstick", bulk(ours)),
            Side("socat", bulk(socat())),
            Side("socat -b 262144", bulk(socat("-b", "262144")), aside=True),
        ],
        bar=Bar("at_least", 1.3),
        how=SETUP + BULK,
        needs=frozenset({"unstick"}),
        rounds=5,
    ),
    Row(
        name="bridge-bulk-haproxy",
        what="the same, against HAProxy with splice",
        unit="B/s",
        more_is_better=True,
        sides=[Side("unstick", bulk(ours)), Side("HAProxy with splice", bulk(haproxy))],
        bar=Bar("at_least", 1.1),
        how=SETUP + BULK,
        needs=frozenset({"unstick"}),
        rounds=7,
    ),
    against_haproxy("bridge-short", "short conversations", "64 at once", "conversations", ("short", 64, 10_000, 2_000)),
    against_haproxy(
        "bridge-round-trips", "round trips", "1,000 connections", "round trips", ("round", 1_000, 100_000, 20_000)
    ),
    Row(
        name="bridge-latency",
        what="latency that `listen A --to B` adds to a 64 B ping-pong, median",
        unit="µs",
        more_is_better=False,
        sides=[
            Side("unstick", added(ours)),
            Side("socat", added(socat(nodelay=",nodelay"))),
            Side("HAProxy with splice", added(haproxy)),
        ],
        bar=Bar("at_most", 1),
        how=SETUP + LATENCY,
        needs=frozenset({"unstick"}),
    ),
    Row(
        name="bridge-reframed",
        what="`u32be` to `line`, 64 B messages re-framed",
        unit="messages/s",
        more_is_better=True,
        sides=[
            Side("unstick", reframed(frames_to_lines, 5_000_000, 500_000)),
            Side("websocat", reframed(websocat, 150_000, 15_000)),
        ],
        bar=Bar("at_least", 20),
        how=REFRAMED,
        needs=frozenset({"unstick", "websocat"}),
    ),
    Row(
        name="bridge-memory",
        what=f"{CONNECTIONS:,} bridged connections at once, resident memory each",
        unit="B",
        more_is_better=False,
        sides=[Side("unstick", bytes_each)],
        bar=Bar("under", 16 << 10),
        how=MEMORY,
        needs=frozenset({"unstick"}),
        rounds=3,
    ),
]
