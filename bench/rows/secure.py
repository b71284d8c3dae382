"""TLS: one connection's bytes, pipe to pipe and from bridge to bridge."""

import subprocess

from measure import Bar, Row, Side
from processes import PATIENCE, line_of, port_of, running
from rows.pipe import SETUP, raw

PIPE = (
    "1 GiB, a certificate with a P-256 key that nobody verifies. `unstick listen tls://127.0.0.1:0 --cert --key`, `unstick connect "
    "tls://... --insecure`; `socat -u OPENSSL-LISTEN: -`, `socat -u - OPENSSL:...,verify=0` (buffers of 8 KiB), and with `-b "
    "262144`, to be named. The cipher is what each pair agrees on: AES-256-GCM in TLS 1.3."
)
BRIDGE = (
    "1 GiB from `fill` through `unstick connect` (which splices) over plain TCP to a client of TLS, over TLS to its server, over plain "
    "TCP to a sink that takes the time from its first byte to its last. `unstick listen 127.0.0.1:0 --to tls://... --insecure` "
    "and `unstick listen tls://... --to 127.0.0.1:PORT`; `stunnel` with `client = yes`, and `stunnel`."
)


def certificate(bench):
    """Files with a certificate and its key, made once."""
    made = bench.home / "target/tls"
    made.mkdir(parents=True, exist_ok=True)
    key, cert, both = made / "key.pem", made / "cert.pem", made / "both.pem"
    if not both.exists():
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "3650", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
        both.write_text(key.read_text() + cert.read_text())
    return str(key), str(cert), str(both)


def unstick_listen(bench, *more):
    key, cert, _ = certificate(bench)
    return [bench.built["unstick"], "listen", "tls://127.0.0.1:0", "--cert", cert, "--key", key, *more]


def unstick():
    def connect(bench, port):
        return [bench.built["unstick"], "connect", f"tls://127.0.0.1:{port}", "--insecure"]

    return raw(unstick_listen, connect)


def socat(*options):
    def listen(bench):
        address = f"OPENSSL-LISTEN:0,bind=127.0.0.1,cert={certificate(bench)[2]},verify=0"
        return ["socat", *options, "-u", address, "STDOUT"]

    return raw(listen, lambda bench, port: ["socat", *options, "-u", "STDIN", f"OPENSSL:127.0.0.1:{port},verify=0"])


def bridged(server, client):
    """`server` and `client` make a command of the bench and the port that they connect to."""

    def once(bench):
        size = bench.scale(1 << 30, 1 << 27)
        with running([bench.c("tcp_sink"), str(size)], stdout=subprocess.PIPE) as sink:
            end = line_of(sink)
            with running(server(bench, end)) as far, running(client(bench, str(port_of(far)))) as near:
                front = [bench.built["unstick"], "connect", f"127.0.0.1:{port_of(near)}"]
                with (
                    running([bench.c("fill"), str(size)], stdout=subprocess.PIPE) as fill,
                    running(front, stdin=fill.stdout, stdout=subprocess.DEVNULL),
                ):
                    said, _ = sink.communicate(timeout=PATIENCE)
        if sink.returncode != 0:
            raise RuntimeError("bytes were lost on the way")
        return size / float(said)

    return once


def unstick_bridge():
    def client(bench, port):
        return [bench.built["unstick"], "listen", "127.0.0.1:0", "--to", f"tls://127.0.0.1:{port}", "--insecure"]

    return bridged(lambda bench, port: unstick_listen(bench, "--to", f"127.0.0.1:{port}"), client)


def stunnel():
    def configured(bench, name, lines):
        path = bench.home / f"target/tls/{name}.conf"
        path.write_text("\n".join(["foreground = yes", "pid =", "debug = 3", "[it]", "accept = 127.0.0.1:0", *lines, ""]))
        return ["stunnel", str(path)]

    def server(bench, port):
        return configured(bench, "server", [f"connect = 127.0.0.1:{port}", f"cert = {certificate(bench)[2]}"])

    def client(bench, port):
        return configured(bench, "client", ["client = yes", f"connect = 127.0.0.1:{port}"])

    return bridged(server, client)


ROWS = [
    Row(
        name="tls-pipe",
        what="1 GiB through `connect tls://` and `listen tls://` in a pipe",
        unit="B/s",
        more_is_better=True,
        sides=[
            Side("unstick", unstick()),
            Side("socat", socat()),
            Side("socat -b 262144", socat("-b", "262144"), aside=True),
        ],
        bar=Bar("at_least", 1.2),
        how=SETUP + PIPE,
        needs=frozenset({"unstick"}),
        rounds=7,
    ),
    Row(
        name="tls-bridge",
        what="1 GiB from TCP into TLS and out of it again",
        unit="B/s",
        more_is_better=True,
        sides=[Side("unstick", unstick_bridge()), Side("stunnel", stunnel())],
        bar=Bar("at_least", 1.2),
        how=BRIDGE,
        needs=frozenset({"unstick"}),
        rounds=7,
    ),
]
