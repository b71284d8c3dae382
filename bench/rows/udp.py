"""Datagrams into a listener, as fast as it takes them."""

import os
import tempfile
import time

from measure import Bar, Row, Side
from processes import PATIENCE, port_of, processor_time, running

# Bytes of a datagram.
DATAGRAM = 64

# Seconds between two looks at what has come out.
LOOK = 0.002

HOW = (
    "`udp_blast` sends 64 B datagrams from one socket faster than the peers take them, 60 with each call, which the kernel "
    "cuts into datagrams (`UDP_SEGMENT`); what a program has printed into a file in memory is counted, from the first time "
    "that something is there. Ours: `unstick listen --count N`, which receives in one piece what was sent in one piece "
    "(`UDP_GRO`, up to 32 of these a `recvmmsg`), prints a line a datagram and ends by itself. `socat -u UDP-RECV: -` and "
    "`ncat -u -l`, as they come: one datagram a system call."
)

ONE_BY_ONE = (
    "The same programs, and a sender that puts every datagram through the stack by itself (`sendmmsg` without `UDP_SEGMENT`), "
    "as most programs' datagrams come. With a processor each the sender is the slower end, and the rate says nothing of the "
    "receivers. So both have one processor between them, and the receiver the lower priority (nice 10): it always finds more "
    "than it takes. What is measured is the processor time of the receiver (`schedstat` of all its threads, user and system) "
    "from the first datagrams printed to the last, by their number. The kernel's work on the way in is the sender's time on "
    "loopback."
)


def datagrams(listen, printed, full, quick):
    """Datagrams a second out of a listener that prints so many bytes for each."""

    def rate(count, taken):
        return count / taken

    return measured(listen, printed, full, quick, "together", lambda _pid: time.monotonic(), rate)


def processor_time_each(listen, printed, full, quick):
    """Nanoseconds of processor time that a listener takes for a datagram."""
    # Told to wait for more, a listener that counts has not ended at the last look.

    def each(count, taken):
        return taken * 1e9 / count

    return measured(listen, printed, full, quick, "each", processor_time, each, spare=full, crowded=True)


def measured(listen, printed, full, quick, sent, clock, result, spare=0, crowded=False):
    """What comes of the datagrams that a listener prints, and of what its clock says that they took."""

    def once(bench):
        count = bench.scale(full, quick)
        with tempfile.NamedTemporaryFile(dir=bench.memory) as file:
            with running(listen(bench, count + spare), stdout=file, preexec_fn=behind if crowded else None) as listener:
                port = str(port_of(listener, "udp"))
                blast = [bench.c("udp_blast"), sent, port, str(PATIENCE)]
                with running(blast, preexec_fn=together if crowded else None):
                    return result(*timed(file.fileno(), printed, count, lambda: clock(listener.pid)))

    return once


def together():
    """In the process to be: on one processor, the same for all."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def behind():
    """The same, and only when the sender has had its turn."""
    together()
    os.nice(10)


def timed(file, printed, count, clock):
    """Waits until `count` are there; returns how many came since the first look at some, and how long they took."""
    bound = time.monotonic() + PATIENCE
    first = None
    while time.monotonic() < bound:
        have, now = os.fstat(file).st_size // printed, clock()
        if have >= count:
            if first is None:
                raise RuntimeError(f"all {count} datagrams came at once: too few to be timed")
            return have - first[1], now - first[0]
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
        ],
        bar=Bar("at_least", 2),
        how=HOW,
        needs=frozenset({"unstick"}),
    ),
    Row(
        name="udp-processor",
        what="the same, sent one by one: processor time of the receiver for each",
        unit="ns",
        more_is_better=False,
        sides=[
            Side("unstick", processor_time_each(unstick, DATAGRAM + 1, 100_000, 20_000)),
            Side("socat", processor_time_each(socat, DATAGRAM, 30_000, 6_000)),
            Side("ncat", processor_time_each(ncat, DATAGRAM, 60_000, 12_000)),
        ],
        bar=Bar("at_least", 2),
        how=ONE_BY_ONE,
        needs=frozenset({"unstick"}),
    ),
]
