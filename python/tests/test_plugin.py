"""The pytest plug-in, on servers and parsers that are right and wrong."""

from __future__ import annotations

import socket
import textwrap

import pytest

import unstick

SERVER = """
    import socket, sys
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        connection, _ = listener.accept()
        with connection:
            serve(connection)
"""

BROKEN = textwrap.dedent("""
    def serve(connection):
        while data := connection.recv(4096):  # takes each read for a message
            connection.sendall(data[:4] + data[4:].upper())
""")

SOUND = textwrap.dedent("""
    import unstick
    def serve(connection):
        link = unstick.wrap(connection, "u32be", role="server")
        for message in link:
            link.send(message.upper())
""")


def server(path, body):
    path.write_text(body + textwrap.dedent(SERVER))
    return path


@pytest.mark.parametrize(("body", "outcome"), [(SOUND, "passed"), (BROKEN, "failed")])
def test_a_server(pytester, body, outcome):
    script = server(pytester.path / "server.py", body)
    pytester.makepyfile(f"""
        import sys
        def test_it(shake):
            shake.server(sys.executable + " {script} {{port}}", frame="u32be", send=[b"hello", b"world"])
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--shake-depth", "12")
    result.assert_outcomes(**{outcome: 1})
    if outcome == "failed":
        result.stdout.fnmatch_lines(["*BROKEN*", "*c2s:cut@*", "*unstick shake*--case*"])


def test_what_cannot_be_told_is_no_pass(pytester):
    pytester.makepyfile("""
        def test_it(shake):
            shake.stdio("false", send=[b"hello"])
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Inconclusive*"])


class Lines:
    """Sound."""

    def __init__(self):
        self.rest = b""

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        return lines


class Forgets(Lines):
    """Forgets what a piece leaves over."""

    def feed(self, data):
        return [line for line in data.split(b"\n") if line]


def test_a_parser_that_is_sound(shake):
    data = b"one\ntwo\nthree\n" * 70
    assert shake.decoder(Lines, data) == len(data) + 1
    assert shake.decoder(lambda: unstick.Framing("line").decoder(), data) == len(data) + 1


def test_a_parser_that_is_broken(pytester):
    pytester.makepyfile("""
        class Forgets:
            def feed(self, data):
                return [line for line in data.split(b"\\n") if line]

        def test_it(shake):
            shake.decoder(Forgets, b"one\\ntwo\\n")
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*BROKEN: the messages differ when the bytes arrive as cut@1", "*o | ne*", "*takes each piece*"])


def test_a_bridge_records_what_passes_and_injects_faults(bridge):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = bridge(to=listener.getsockname()[1], frame="line", fault="delay=1ms")
        with unstick.connect(over.address, "line", timeout=20) as link:
            link.send(b"hello")
            connection, _ = listener.accept()
            with unstick.wrap(connection, "line", role="server") as served:
                assert served.recv() == b"hello"
                served.send(b"world")
                assert link.recv() == b"world"
        over.close()
        assert over.messages() == [("client", b"hello"), ("server", b"world")]
