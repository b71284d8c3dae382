"""The library's link over TCP loopback: one way against tokio-util and libzmq, and there and back against C."""

import re
import subprocess

from measure import Bar, Row, Side
from processes import PATIENCE, line_of, output_of, running

ONE_WAY = (
    "A process at each end, the same program at both; the clock of the receiver runs from the first message to the last. "
    "Ours: `Sender::send_all` with 1024 messages a call, `Receiver::arrival` and `try_next`, each end a tokio runtime of one "
    "thread, write queue 256 KiB, reads of 8 to 256 KiB, TCP_NODELAY. "
)
TOKIO_UTIL = (
    "Peer: `LengthDelimitedCodec` in `FramedWrite::feed`, which is its own way to batch (write buffer and its boundary set to "
    "64 KiB; the default of 8 KiB is slower), `FramedRead` with a 64 KiB buffer, the same runtime, TCP_NODELAY. Named as "
    "well: ours with `Sender::send`, message by message: two atomic operations each, for any task may send."
)
LIBZMQ = "Peer: PUSH and PULL in C with default options, thus libzmq's own batching and its I/O thread."
PING_PONG = (
    "A frame of 4 + 64 bytes goes to an echo and comes back, 20,000 times; the median of the round trips. Ours: "
    "`Link::send` and `recv`, at both ends, tokio runtimes of one thread. Peer: blocking sockets in C, one `send` and one "
    "`recv` of up to 64 KiB a message, TCP_NODELAY, at both ends."
)
CALLS = (
    "System calls of the asking process a round trip, by `strace -c -f`: the difference of a long and a short run, so that "
    "start and end do not count. One `sendto`, one `epoll_wait`, one `recvfrom`."
)


def one_way(program, receive, send, full, quick):
    """Messages a second, as the receiver sees them."""

    def once(bench):
        path = bench.c(program) if program == "zmq_pipe" else bench.rust(program)
        count = str(bench.scale(full, quick))
        with running([path, receive, count], stdout=subprocess.PIPE) as receiver:
            subprocess.run([path, send, line_of(receiver), count], timeout=PATIENCE, check=True)
            messages, seconds = line_of(receiver).split()
        return float(messages) / float(seconds)

    return once


def round_trip(find):
    """The median of the round trips, in microseconds."""

    def once(bench):
        path = find(bench)
        with running([path, "serve"], stdout=subprocess.PIPE) as echo:
            rounds = str(bench.scale(20_000, 5_000))
            return float(output_of([path, "ask", line_of(echo), rounds])) / 1000

    return once


def system_calls(bench, rounds):
    """All system calls of an asking process."""
    path = bench.rust("link_unstick")
    with running([path, "serve"], stdout=subprocess.PIPE) as echo:
        command = ["strace", "-c", "-f", path, "ask", line_of(echo), str(rounds)]
        traced = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    total = re.search(r"^100\.00 +\S+ +\S+ +(\d+)", traced.stderr, re.MULTILINE)
    if not total:
        raise RuntimeError("strace printed no total")
    return int(total.group(1))


def calls_a_message(bench):
    few, many = 200, 2200
    return (system_calls(bench, many) - system_calls(bench, few)) / (many - few)


ROWS = [
    Row(
        name="link-tokio-util",
        what="64 B messages one way, TCP loopback, the library's link",
        unit="messages/s",
        more_is_better=True,
        sides=[
            Side("unstick", one_way("link_unstick", "receive", "send-all", 20_000_000, 1_000_000)),
            Side("tokio-util Framed", one_way("link_tokio_util", "receive", "send", 10_000_000, 1_000_000)),
            Side("unstick by `send`", one_way("link_unstick", "receive", "send", 10_000_000, 1_000_000), aside=True),
        ],
        bar=Bar("at_least", 2),
        how=ONE_WAY + TOKIO_UTIL,
    ),
    Row(
        name="link-libzmq",
        what="the same",
        unit="messages/s",
        more_is_better=True,
        sides=[
            Side("unstick", one_way("link_unstick", "receive", "send-all", 20_000_000, 1_000_000)),
            Side("libzmq PUSH/PULL", one_way("zmq_pipe", "pull", "push", 3_000_000, 500_000)),
        ],
        bar=Bar("at_least", 2),
        how=ONE_WAY + LIBZMQ,
    ),
    Row(
        name="ping-pong",
        what="64 B ping-pong, median",
        unit="µs",
        more_is_better=False,
        sides=[
            Side("unstick", round_trip(lambda bench: bench.rust("link_unstick"))),
            Side("blocking C", round_trip(lambda bench: bench.c("pingpong"))),
        ],
        bar=Bar("at_most", 1.15),
        how=PING_PONG,
    ),
    Row(
        name="ping-pong-calls",
        what="64 B ping-pong, system calls a message",
        unit="calls",
        more_is_better=False,
        sides=[Side("unstick", calls_a_message)],
        # One each of three; the hundredths are for a timer or a signal in between.
        bar=Bar("under", 3.01),
        how=CALLS,
        rounds=3,
    ),
]
