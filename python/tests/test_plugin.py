"""The pytest plug-in, on servers and parsers that are right and wrong."""

from __future__ import annotations

import socket
import textwrap
from xml.etree import ElementTree

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
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--shake-depth", "12", "--junit-xml", "junit.xml")
    result.assert_outcomes(**{outcome: 1})
    properties = {one.get("name"): one.get("value") for one in ElementTree.parse(pytester.path / "junit.xml").iter("property")}
    if outcome == "passed":
        assert properties == {"shake": "same"}
    else:
        assert properties["shake"] == "broken"
        assert properties["shake_case"].startswith("c2s:cut@")
        result.stdout.fnmatch_lines(["*BROKEN*", "*c2s:cut@*", "*unstick shake*--case*"])


def test_workers_of_xdist_shake_side_by_side(pytester):
    script = server(pytester.path / "server.py", SOUND)
    broken = server(pytester.path / "broken.py", BROKEN)
    pytester.makepyfile(f"""
        import sys, pytest
        @pytest.mark.parametrize("script", [{str(script)!r}, {str(broken)!r}, {str(script)!r}])
        def test_it(shake, script):
            shake.server(sys.executable + f" {{script}} {{{{port}}}}", frame="u32be", send=[b"hello", b"world"])
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--shake-depth", "6", "-n", "2")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*BROKEN*", "*unstick shake*--case*"])


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_junit_has_verdict_and_report(pytester, workers):
    pytester.makepyfile("""
        def by_line(data):
            return data.splitlines(True)

        def whole():
            kept = bytearray()
            def feed(data):
                kept.extend(data)
                while (end := kept.find(10)) >= 0:
                    yield bytes(kept[:end])
                    del kept[: end + 1]
            return feed

        def test_broken(shake):
            shake.decoder(lambda: by_line, b"one\\ntwo\\n")

        def test_sound(shake):
            assert shake.decoder(whole, b"one\\ntwo\\n") == 9
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--junit-xml", "junit.xml", *workers)
    result.assert_outcomes(passed=1, failed=1)
    cases = {case.get("name"): case for case in ElementTree.parse(pytester.path / "junit.xml").iter("testcase")}
    properties = {name: {one.get("name"): one.get("value") for one in case.iter("property")} for name, case in cases.items()}
    assert properties == {
        "test_broken": {"shake": "broken", "shake_case": "cut@1"},
        "test_sound": {"shake": "same", "shake_cases": "9"},
    }


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
