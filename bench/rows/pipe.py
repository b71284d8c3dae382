"""Pipe to pipe through two programs and TCP loopback: raw bytes, and a framed message a line."""

import subprocess

from measure import Bar, Row, Side
from processes import PATIENCE, port_of, running

SETUP = (
    "`fill | CONNECT`, TCP on 127.0.0.1, `LISTEN | drain`: `fill` writes blocks of 256 KiB, `drain` reads up to 256 KiB "
    "and takes the time from its first read to its last; standard input of the listener is /dev/null. "
)
RAW = (
    "1 GiB. `unstick connect PORT` and `unstick listen 0`; `nc -N` and `nc -l`; `ncat` and `ncat -l`; `socat -u - TCP:` and "
    "`socat -u TCP-LISTEN: -`: the ratio is against the best of these as they come (buffers of 16 KiB, 8 KiB and 8 KiB); "
    "socat once more with `-b 262144`, to be named. Ours moves the bytes with `splice` and makes its pipes 1 MiB."
)
FRAMED = (
    "Lines of 64 B and LF. `unstick connect -f u32be --io line` to `unstick listen -f u32be --io line --once`; `websocat -u -b "
    "line2msg:- lengthprefixed:tcp:` to `websocat -u -b lengthprefixed:tcp-l: -` (a 4-byte big-endian length as well; its "
    "message holds the LF, because its option to strip it sends the LF as a message of its own). 5,000,000 lines, and "
    "150,000 for websocat."
)


def through(listen, connect, size, line=None):
    """Seconds from the first byte out to the last. `listen` and `connect` make commands, of the bench and the port."""

    def once(bench):
        feed = [bench.c("fill"), str(size), *([str(line)] if line else [])]
        with (
            running(listen(bench), stdout=subprocess.PIPE) as listener,
            running([bench.c("drain"), str(size)], stdin=listener.stdout, stdout=subprocess.PIPE) as drain,
        ):
            port = str(port_of(listener))
            with (
                running(feed, stdout=subprocess.PIPE) as fill,
                running(connect(bench, port), stdin=fill.stdout, stdout=subprocess.DEVNULL),
            ):
                said, _ = drain.communicate(timeout=PATIENCE)
        if drain.returncode != 0:
            raise RuntimeError("bytes were lost on the way")
        return float(said)

    return once


def raw(listen, connect):
    def once(bench):
        size = bench.scale(1 << 30, 1 << 27)
        return size / through(listen, connect, size)(bench)

    return once


def framed(listen, connect, full, quick):
    def once(bench):
        lines = bench.scale(full, quick)
        return lines / through(listen, connect, lines * 65, line=65)(bench)

    return once


def unstick(listening=(), both=()):
    """Our two commands."""
    return (
        lambda bench: [bench.built["unstick"], "listen", *both, *listening, "tcp://127.0.0.1:0"],
        lambda bench, port: [bench.built["unstick"], "connect", *both, f"127.0.0.1:{port}"],
    )


def websocat():
    """Its two commands."""
    return (
        lambda bench: [bench.built["websocat"], "-u", "-b", "lengthprefixed:tcp-l:127.0.0.1:0", "-"],
        lambda bench, port: [bench.built["websocat"], "-u", "-b", "line2msg:-", f"lengthprefixed:tcp:127.0.0.1:{port}"],
    )


def socat(*options):
    return raw(
        lambda bench: ["socat", *options, "-u", "TCP-LISTEN:0,bind=127.0.0.1", "STDOUT"],
        lambda bench, port: ["socat", *options, "-u", "STDIN", f"TCP:127.0.0.1:{port}"],
    )


def netcat(listen, connect):
    return raw(lambda bench: [*listen, "127.0.0.1", "0"], lambda bench, port: [*connect, "127.0.0.1", port])


ROWS = [
    Row(
        name="pipe-raw",
        what="1 GiB through `connect` and `listen` in a pipe",
        unit="B/s",
        more_is_better=True,
        sides=[
            Side("unstick", raw(*unstick())),
            Side("netcat-openbsd", netcat(["nc", "-l"], ["nc", "-N"])),
            Side("ncat", netcat(["ncat", "-l"], ["ncat"])),
            Side("socat", socat()),
            Side("socat -b 262144", socat("-b", "262144"), aside=True),
        ],
        bar=Bar("at_least", 1.3),
        how=SETUP + RAW,
        needs=frozenset({"unstick"}),
        rounds=7,
    ),
    Row(
        name="pipe-framed",
        what="a framed 64 B message a line, pipe to pipe",
        unit="messages/s",
        more_is_better=True,
        sides=[
            Side("unstick", framed(*unstick(["--once"], ["-f", "u32be", "--io", "line"]), 5_000_000, 500_000)),
            Side("websocat lengthprefixed:", framed(*websocat(), 150_000, 15_000)),
        ],
        bar=Bar("at_least", 25),
        how=SETUP + FRAMED,
        needs=frozenset({"unstick", "websocat"}),
    ),
]
