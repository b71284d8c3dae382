"""`shake` on nine small programs that are broken, one after the other: how long until it has said where."""

import subprocess
import time
from contextlib import nullcontext

from measure import Bar, Row, Side
from processes import line_of, output_of, running

HOW = (
    "The programs lie in `crates/unstick-cli/tests/all/shake_finds`, and `shake` is asked for what the tests there ask for: "
    "clients and a program on pipes are started for each case, so is the server that breaks; the others run on. Every report must "
    "say that the program is broken, every cut delivered. The time is that of all nine, their servers' starts not counted."
)
PUBLISH = b"\x32\xa5\x01\x00\x0broom/window\x00\x07" + b"t" * 150
CONNECT = b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06sensor"
HEADERS = b"Host: example.org\r\nAccept: text/plain\r\n\r\n"
REQUESTS = ('{"id": 1, "text": "hello"}', '{"id": 2, "text": "world"}')
BROKEN = 6


def sent(*messages):
    return [word for message in messages for word in ("--send", message)]


def sent_hex(*messages):
    return [word for message in messages for word in ("--send-hex", message.hex())]


def seconds(bench):
    return sum(shaken(bench, *subject) for subject in subjects(bench))


def subjects(bench):
    """What serves, and what `shake` is told beside where that is; `{to}` is where."""
    home = bench.home.parent
    place = home / "crates/unstick-cli/tests/all/shake_finds"
    system = [output_of(["python3", "-c", "import sys; print(sys.executable)"]).strip(), "-S"]
    packages = [output_of([home / ".ci/python-peers"]).strip()]
    node = ["env", f"NODE_PATH={output_of([home / '.ci/node-peers']).strip()}", "node"]

    def script(name, by=None):
        return [*(by or system), str(place / name)]

    client = ["{host}", "{port}"]
    start = " ".join([*script("recv_four_server.py"), "{port}"])
    to = ["--to", "127.0.0.1:{to}"]
    return [
        (script("length_server.py") + ["0"], [*to, "--", *script("length_client.py"), *client]),
        (script("two_sends_server.py") + ["0"], [*to, "--output", "--", *script("two_receives_client.py"), *client]),
        (None, ["--to", "127.0.0.1:0", "--start", start, "-f", "u32be", *sent("hello")]),
        (script("first_line_server.py"), [*to, "-f", "line", *sent("one", "two", "three")]),
        (script("text_server.js", node), [*to, *sent("naïve café, 5 €")]),
        (script("line_end_server.py"), [*to, *sent_hex(HEADERS)]),
        (script("mqtt_server.js", node), [*to, *sent_hex(CONNECT, PUBLISH, b"\xe0\x00")]),
        (script("modbus_server.py", packages), [*to, *sent_hex(bytes.fromhex("000100000006010300000002"))]),
        (None, ["--stdio", "-f", "line", *sent(*REQUESTS), "--", *script("requests_program.py")]),
    ]


def shaken(bench, server, told):
    with running(server, stdout=subprocess.PIPE) if server else nullcontext() as process:
        port = line_of(process).rpartition(" ")[2] if process else ""
        command = [bench.built["unstick"], "shake", *(word.replace("{to}", port) for word in told)]
        begun = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        took = time.monotonic() - begun
    if done.returncode != BROKEN:
        raise RuntimeError(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return took


ROWS = [
    Row(
        name="shake-finds",
        what="`shake` on nine broken programs, all of them",
        unit="s",
        more_is_better=False,
        sides=[Side("unstick", seconds)],
        bar=Bar("under", 20),
        how=HOW,
        needs=frozenset({"unstick"}),
        rounds=3,
    )
]
