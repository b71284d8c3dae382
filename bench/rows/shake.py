"""How many conversations `shake` runs a second, against a server that runs: every cut proven."""

import json
import shutil
import socket
import tempfile
from pathlib import Path

from measure import Bar, Row, Side
from processes import output_of, port_of, running

HOW = (
    "`unstick shake --to nginx --send-file request --json`, no client process: a GET request of 300 bytes, cut once at "
    "each of its 299 places, by `--case` eleven times over; nginx (one process) answers with a file of 1,600 bytes. Cases "
    "divided by the time that the report tells, runs without cuts included; the row fails unless all were the same and every "
    "cut was proven by the kernel's table."
)
REQUEST = 300
ROUNDS_OF_CUTS = 11
CONF = """
{user} daemon off; master_process off; pid {root}/pid; error_log stderr; events {{ }}
http {{
    access_log off; client_body_temp_path {root}; proxy_temp_path {root}; fastcgi_temp_path {root};
    uwsgi_temp_path {root}; scgi_temp_path {root};
    server {{ listen 127.0.0.1:{port} backlog=511; root {root}; }}
}}
"""


def request():
    """A GET of exactly so many bytes."""
    head = "GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: "
    return head + "x" * (REQUEST - len(head) - 4) + "\r\n\r\n"


def free_port():
    """nginx cannot choose one itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def cases_a_second(bench):
    with tempfile.TemporaryDirectory() as directory:
        root, port = Path(directory), free_port()
        (root / "page").write_text("hello " * 267)
        (root / "request").write_text(request())
        (root / "nginx.conf").write_text(CONF.format(root=root, port=port, user="user root;"))
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
        if not nginx:
            # Not from here: Debian's package starts a server of its own, unless it is installed as ./check does.
            raise RuntimeError("nginx is missing: ./check peers installs it")
        with running([nginx, "-e", "stderr", "-p", directory, "-c", str(root / "nginx.conf")]) as server:
            return shaken(bench, port_of(server), root / "request")


def shaken(bench, port, path):
    cuts = [f"--case=c2s:cut@{at}" for at in range(1, REQUEST)] * bench.scale(ROUNDS_OF_CUTS, 3)
    command = [bench.built["unstick"], "shake", "--to", f"127.0.0.1:{port}", "--send-file", str(path), "--json", *cuts]
    report = json.loads(output_of(command))
    if report["verdict"] != "same" or report["delivered"] != report["planned"]:
        raise RuntimeError(f"{report['verdict']}, {report['delivered']} of {report['planned']} delivered")
    return report["cases"] / report["seconds"]


ROWS = [
    Row(
        name="shake-nginx",
        what="single cuts of a 300 B HTTP request against a local nginx, every cut proven",
        unit="cases/s",
        more_is_better=True,
        sides=[Side("unstick", cases_a_second)],
        bar=Bar("over", 2000),
        how=HOW,
        needs=frozenset({"unstick"}),
    )
]
