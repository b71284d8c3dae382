"""WebSocket to TCP: small messages through a bridge."""

import socket
import subprocess

from measure import Bar, Row, Side
from processes import PATIENCE, line_of, port_of, running

SIZE = 64
HOW = (
    "`ws_blast` connects and sends binary messages of 64 B, masked, in blocks of 256 KiB; `tcp_sink` takes what they hold, one "
    "behind the other, and the time from its first byte to its last. `unstick listen ws://127.0.0.1:0 --to 127.0.0.1:PORT "
    "--to-frame raw`; `websocat -b ws-l:127.0.0.1:0 tcp:127.0.0.1:PORT`; `websockify 127.0.0.1:FREE 127.0.0.1:PORT` (Debian's, "
    "in Python with its part in C). 5,000,000 messages, and 200,000 for the others."
)


def bridged(bridge, full, quick):
    """Messages a second. `bridge` makes a command of the bench and the port that it connects to."""

    def once(bench):
        messages = bench.scale(full, quick)
        with running([bench.c("tcp_sink"), str(messages * SIZE)], stdout=subprocess.PIPE) as sink:
            with running(bridge(bench, line_of(sink))) as between:
                blast = [bench.c("ws_blast"), str(port_of(between)), str(messages), str(SIZE)]
                with running(blast):
                    said, _ = sink.communicate(timeout=PATIENCE)
        if sink.returncode != 0:
            raise RuntimeError("messages were lost on the way")
        return messages / float(said)

    return once


def unstick(bench, port):
    return [bench.built["unstick"], "listen", "ws://127.0.0.1:0", "--to", f"127.0.0.1:{port}", "--to-frame", "raw"]


def websocat(bench, port):
    return [bench.built["websocat"], "-b", "ws-l:127.0.0.1:0", f"tcp:127.0.0.1:{port}"]


def websockify(_bench, port):
    with socket.create_server(("127.0.0.1", 0)) as held:
        free = held.getsockname()[1]
    return ["websockify", f"127.0.0.1:{free}", f"127.0.0.1:{port}"]


ROWS = [
    Row(
        name="ws-bridge",
        what="64 B WebSocket messages passed on to TCP",
        unit="messages/s",
        more_is_better=True,
        sides=[
            Side("unstick", bridged(unstick, 5_000_000, 500_000)),
            Side("websocat", bridged(websocat, 200_000, 20_000)),
            Side("websockify", bridged(websockify, 200_000, 20_000)),
        ],
        bar=Bar("at_least", 5),
        how=HOW,
        needs=frozenset({"unstick", "websocat"}),
    ),
]
