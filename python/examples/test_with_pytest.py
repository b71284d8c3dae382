"""That the server beside this file survives partial reads, and a parser of its own too: run with `pytest`."""

import sys
from pathlib import Path

import pytest

SERVER = f"{sys.executable} {Path(__file__).with_name('server.py')} {{port}}"


class Parser:
    """The same framing by hand, as a parser without a socket."""

    def __init__(self):
        self.rest = b""

    def feed(self, data):
        self.rest += data
        while len(self.rest) >= 4:
            end = 4 + int.from_bytes(self.rest[:4], "big")
            if len(self.rest) < end:
                return
            yield self.rest[4:end]
            self.rest = self.rest[end:]


def test_the_server_survives_every_cut(shake):
    shake.server(SERVER, frame="u32be", send=[b"hello", b"world"])


@pytest.fixture(scope="session")
def server(shake_server):
    """The server, started once for all tests that name it."""
    return shake_server(SERVER)


def test_the_server_that_keeps_running_survives_too(shake, server):
    shake.running(server, frame="u32be", send=[b"hello", b"world"], in_order=True)


def test_the_parser_survives_every_cut(shake):
    shake.decoder(Parser, b"\0\0\0\x05hello\0\0\0\x00\0\0\0\x05world")
