"""Measures the package beside what people write by hand, in one run: `python measure.py`, with the package installed.

Figures are medians of five; the ratios matter.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import struct
import subprocess
import sys
import time

import unstick
from unstick.shaking import shake_decoder

MESSAGE = b"x" * 64
COUNT = 200_000
ROUNDS = 5


def median(run, count):
    def once():
        begun = time.perf_counter()
        run()
        return count / (time.perf_counter() - begun)

    return statistics.median(once() for _ in range(ROUNDS))


# ---- decoding what has been read already ----

WIRE = unstick.Framing("u32be").encoder().encode_all([MESSAGE] * COUNT)
SEGMENTS = [WIRE[at : at + 65536] for at in range(0, len(WIRE), 65536)]


def decode_by_hand():
    rest, count = bytearray(), 0
    for segment in SEGMENTS:
        rest += segment
        at = 0
        while len(rest) - at >= 4:
            (length,) = struct.unpack_from(">I", rest, at)
            if len(rest) - at - 4 < length:
                break
            bytes(rest[at + 4 : at + 4 + length])
            at += 4 + length
            count += 1
        del rest[:at]
    assert count == COUNT


def decode():
    decoder, count = unstick.Framing("u32be").decoder(), 0
    for segment in SEGMENTS:
        for _ in decoder.feed(segment):
            count += 1
    assert count == COUNT


def decode_with_readexactly():
    async def read():
        reader = asyncio.StreamReader(limit=1 << 30)
        for segment in SEGMENTS:
            reader.feed_data(segment)
        for _ in range(COUNT):
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            await reader.readexactly(length)

    asyncio.run(read())


# ---- over loopback: one process sends, this one receives ----


def over_loopback(send, receive):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = os.fork()
        if child == 0:
            with socket.create_connection(listener.getsockname()) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                send(sock)
            os._exit(0)
        sock, _ = listener.accept()
        with sock:
            receive(sock)
        os.waitpid(child, 0)


def send_by_hand(sock):
    for _ in range(COUNT):
        sock.sendall(struct.pack(">I", len(MESSAGE)) + MESSAGE)


def send_ready(sock):
    """The system call alone: the frame is encoded already."""
    frame = struct.pack(">I", len(MESSAGE)) + MESSAGE
    for _ in range(COUNT):
        sock.sendall(frame)


def timed(send):
    def sending(sock):
        sock.settimeout(20)
        send(sock)

    return sending


def receive_by_hand(sock):
    def exactly(count):
        data = b""
        while len(data) < count:
            data += sock.recv(count - len(data))
        return data

    for _ in range(COUNT):
        (length,) = struct.unpack(">I", exactly(4))
        exactly(length)


def send_each(sock):
    link = unstick.wrap(sock, "u32be")
    for _ in range(COUNT):
        link.send(MESSAGE)


def send_together(sock):
    link = unstick.wrap(sock, "u32be")
    for _ in range(COUNT // 100):
        link.send_all([MESSAGE] * 100)


def receive(sock):
    assert sum(1 for _ in unstick.wrap(sock, "u32be")) == COUNT


# ---- the rest ----


def start(code):
    subprocess.run([sys.executable, "-c", code], check=True)


class Lines:
    def __init__(self):
        self.rest = b""

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        return lines


def main():
    by_hand, ours, exactly = (median(run, COUNT) for run in (decode_by_hand, decode, decode_with_readexactly))
    print(f"decode 64 B, million a second: {ours / 1e6:.2f}; by hand {by_hand / 1e6:.2f}, readexactly {exactly / 1e6:.2f}")
    print(f"  {ours / by_hand:.1f} times the loop by hand (bar 5), {ours / exactly:.1f} times readexactly (bar 15)")
    by_hand = median(lambda: over_loopback(send_by_hand, receive_by_hand), COUNT)
    each = median(lambda: over_loopback(send_each, receive), COUNT)
    together = median(lambda: over_loopback(send_together, receive), COUNT)
    print(f"loopback 64 B, thousand a second: send {each / 1e3:.0f}, send_all {together / 1e3:.0f}; by hand {by_hand / 1e3:.0f}")
    print(f"  {each / by_hand:.1f} and {together / by_hand:.1f} times the loop by hand (bar 3)")
    ready = median(lambda: over_loopback(send_ready, receive), COUNT)
    print(f"  one sendall for each message, encoded already: {ready / 1e3:.0f}, {ready / by_hand:.1f} times")
    by_hand = median(lambda: over_loopback(timed(send_by_hand), receive_by_hand), COUNT)
    each = median(lambda: over_loopback(timed(send_each), receive), COUNT)
    print(f"  with a time-out: send {each / 1e3:.0f}, by hand {by_hand / 1e3:.0f}: {each / by_hand:.1f} times")
    bare, with_it = (1e3 / median(lambda code=code: start(code), 1) for code in ("pass", "import unstick"))
    print(f"import: {with_it - bare:.0f} ms (bar 30)")
    data = b"a line of text\n" * 69
    begun = time.perf_counter()
    cases = shake_decoder(Lines, data[:1024])
    print(f"shake.decoder, {cases} cases of 1 KiB: {(time.perf_counter() - begun) * 1e3:.0f} ms (bar 100)")


if __name__ == "__main__":
    main()
