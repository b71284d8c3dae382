"""Datagrams into a listener, as fast as it takes them."""

import os
import tempfile
import time

from measure import Bar, Row, Side
from processes import PATIENCE, port_of, running

# Bytes of a datagram.
DATAGRAM = 64

# Seconds between two looks at what has come out.
LOOK = 0.002

HOW = (
    "`udp_blast` sends 64 B datagrams from one socket faster than the peers take them, 60 with each call, which the kernel "
    "cuts into datagrams (`UDP_SEGMENT`); what a program has printed into a file in memory is counted, from the first time "
    "that something is there. Ours: `unstick listen --count N`, which receives in one piece what was sent in one piece "
    "(`UDP_GRO`, up to 32 of these a `recvmmsg`), prints a line a datagram and ends by itself. `socat -u UDP-RECV: -` and "
    "`ncat -u -l`, as they come: one datagram a system call. Named as well: datagrams that pass the stack one by one "
    "(`sendmmsg` without `UDP_SEGMENT`), where the one sender is what limits both, at some 300 k/s here."
)


def datagrams(listen, printed, full, quick, sent="together"):
    """Datagrams a second out of a listener that prints so many bytes for each."""

    def once(bench):
        count = bench.scale(full, quick)
        with tempfile.NamedTemporaryFile(dir=bench.memory) as file:
            with running(listen(bench, count), stdout=file) as listener:
                port = str(port_of(listener, "udp"))
                with running([bench.c("udp_blast"), sent, port, str(PATIENCE)]):
                    return timed(file.fileno(), printed, count)

    return once


def timed(file, printed, count):
    """Waits until `count` are there, and returns how many a second came."""
    bound = time.monotonic() + PATIENCE
    first = None
    while time.monotonic() < bound:
        now, have = time.monotonic(), os.fstat(file).st_size // printed
        if have >= count:
            if first is None:
                raise RuntimeError(f"all {count} datagrams came at once: too few to be timed")
            return (have - first[1]) / (now - first[0])
        if first is None and have > 0:
            first = (now, have)
        time.sleep(LOOK)
    raise RuntimeError(f"fewer than {count} datagrams came in {PATIENCE} s")


def unstick(bench, count):
    return [bench.built["unstick"], "listen", "udp://127.0.0.1:0", "--count", str(count)]


def socat(_bench, _count):
    return ["socat", "-u", "UDP-RECV:0,bind=127.0.0.1", "STDOUT"]


def ncat(_bench, _count):
    return ["ncat", "-u", "-l", "127.0.0.1", "0"]


ROWS = [
    Row(
        name="udp",
        what="UDP 64 B datagrams received a second by `listen --count`",
        unit="datagrams/s",
        more_is_better=True,
        sides=[
            Side("unstick", datagrams(unstick, DATAGRAM + 1, 3_000_000, 500_000)),
            Side("socat", datagrams(socat, DATAGRAM, 100_000, 20_000)),
            Side("ncat", datagrams(ncat, DATAGRAM, 150_000, 30_000)),
            Side("one by one: unstick", datagrams(unstick, DATAGRAM + 1, 150_000, 30_000, "each"), aside=True),
            Side("one by one: ncat", datagrams(ncat, DATAGRAM, 150_000, 30_000, "each"), aside=True),
        ],
        bar=Bar("at_least", 2),
        how=HOW,
        needs=frozenset({"unstick"}),
    )
]
