"""From the start of `ask` to its exit, against netcat doing the same."""

import subprocess

from measure import Bar, Row, Side
from processes import line_of, output_of, running

HOW = (
    "`start_to_exit` in C starts the command 100 times, one after the other, without a shell, takes the time from "
    "`posix_spawn` to `waitpid`, and checks what was printed; the median. The echo is a process in C that closes when its "
    "client has ended. `unstick ask 127.0.0.1:PORT hello`; `nc -N 127.0.0.1 PORT` with `hello` and LF on standard input."
)
LINE = "hello\n"


def start_to_exit(command):
    """Milliseconds."""

    def once(bench):
        runs = str(bench.scale(100, 20))
        with running([bench.c("echo")], stdout=subprocess.PIPE) as echo:
            measured = [bench.c("start_to_exit"), runs, LINE, *command(bench, line_of(echo))]
            return float(output_of(measured)) / 1e6

    return once


def ask(bench, port):
    return [bench.built["unstick"], "ask", f"127.0.0.1:{port}", LINE.strip()]


ROWS = [
    Row(
        name="ask",
        what="start to exit of `ask` on a local echo",
        unit="ms",
        more_is_better=False,
        sides=[
            Side("unstick", start_to_exit(ask)),
            Side("netcat-openbsd", start_to_exit(lambda _, port: ["nc", "-N", "127.0.0.1", port])),
        ],
        bar=Bar("at_most", 1.6),
        how=HOW,
        needs=frozenset({"unstick"}),
    )
]
