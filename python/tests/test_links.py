"""Links over blocking sockets and over asyncio, against each other and against plain sockets."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
import uvloop

import unstick
import unstick.aio


def in_thread(run):
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_whole_messages_both_ways():
    with unstick.listen("127.0.0.1:0", "u32be") as listener:

        def serve():
            with listener.accept() as link:
                for message in link:
                    link.send(message.upper())

        server = in_thread(serve)
        with unstick.connect(listener.address, frame="u32be", timeout=20) as link:
            link.send(b"hello")
            assert link.recv() == b"HELLO"
            link.send_all([b"a", b"b" * 100_000, b""])
            link.finish()
            assert list(link) == [b"A", b"B" * 100_000, b""]
            assert link.recv() is None
        server.join()


def test_unix_sockets(tmp_path):
    address = f"unix:{tmp_path / 's'}"
    with unstick.listen(address, "line") as listener, unstick.connect(address, "line") as link:
        assert listener.address == address
        with listener.accept() as served:
            link.send(b"one")
            assert served.recv() == b"one"


def test_a_time_out_loses_nothing():
    one, other = socket.socketpair()
    with unstick.wrap(one, "struct:!I") as link, other:
        link.settimeout(0.01)
        other.sendall(b"\0\0\0\x05hel")
        with pytest.raises(OSError, match="timed out"):
            link.recv()
        other.sendall(b"lo")
        assert link.recv() == b"hello"


@pytest.mark.parametrize("timeout", [None, 20])
def test_a_message_that_no_buffer_holds_arrives_whole(timeout):
    one, other = socket.socketpair()
    messages = [b"%d" % number * 1_000_000 for number in range(5)]
    with unstick.wrap(one, "u32be") as link, unstick.wrap(other, "u32be") as peer:
        link.settimeout(timeout)

        def send():
            for message in messages:
                link.send(message)
            link.finish()

        sender = in_thread(send)
        assert list(peer) == messages
        sender.join()


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_a_send_to_a_peer_that_does_not_read_ends(timeout):
    one, other = socket.socketpair()
    with unstick.wrap(one, "u32be") as link, other:
        link.settimeout(timeout)
        with pytest.raises(OSError) as failed:
            while True:
                link.send(b"x" * 100_000)
        assert isinstance(failed.value, BlockingIOError if timeout == 0 else socket.timeout)
        link.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            link.send(b"x")


def test_a_full_buffer_waits_for_the_time_out():
    one, other = socket.socketpair()
    with unstick.wrap(one, "u32be") as link, other:
        link.settimeout(0)
        with pytest.raises(BlockingIOError):
            while True:
                one.send(b"x")
        link.settimeout(0.05)
        with pytest.raises(socket.timeout):
            link.send(b"hello")


def test_a_socket_that_is_more_than_the_systems_sends_for_itself():
    class Counts(socket.socket):
        sent = 0

        def sendall(self, data):
            self.sent += len(data)
            super().sendall(data)

    one, other = socket.socketpair()
    with unstick.wrap(Counts(fileno=one.detach()), "u32be") as link, unstick.wrap(other, "u32be") as peer:
        link.settimeout(20)
        link.send(b"hello")
        assert link.socket.sent == 9, "TLS of the standard library would have been left out"
        assert peer.recv() == b"hello"


def test_an_end_inside_a_message_is_an_error_and_so_is_a_reset():
    one, other = socket.socketpair()
    with unstick.wrap(one, "u32be") as link:
        other.sendall(b"\0\0\0\x01a\0\0\0\x05hel")
        other.close()
        assert link.recv() == b"a"
        with pytest.raises(unstick.IncompleteMessage):
            link.recv()


@pytest.mark.parametrize(
    ("address", "why"),
    [("nothing", "is not an address"), ("ws://host:1", "speaks tcp:// and unix:"), ("::1:80", "stands in brackets")],
)
def test_addresses_that_are_none(address, why):
    with pytest.raises(ValueError, match=why):
        unstick.connect(address, "line")


def test_a_datagram_socket_needs_no_framing():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(ValueError, match="a datagram is"):
        unstick.wrap(sock, "line")


def test_a_keyboard_interrupt_ends_a_receive(tmp_path):
    import signal
    import subprocess
    import sys

    # Python leaves the signal ignored if whoever started it ignores it, as a shell does for what runs in the background.
    script = (
        "import signal, socket, unstick\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "a, b = socket.socketpair()\nprint('waits', flush=True)\nunstick.wrap(a, 'line').recv()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"waits\n"
        child.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in child.stderr.read()
        child.wait(20)


# ---- asyncio ----


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on the loop of the standard library, and on uvloop."""

    def running(coroutine):
        loop = request.param()
        try:
            return loop.run_until_complete(asyncio.wait_for(coroutine, 30))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    return running


async def echo(link):
    async for message in link:
        await link.send(message)


async def served(serve, frame):
    server = await unstick.aio.serve(serve, "127.0.0.1:0", frame)
    return server, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def test_asyncio_both_ways(run):
    async def talk():
        server, address = await served(echo, "u32be")
        async with unstick.aio.connect(address, frame="u32be") as link:
            await link.send(b"hello")
            assert await link.recv() == b"hello"
            messages = [b"%d" % number for number in range(1000)]
            await link.send_all(messages)
            link.finish()
            assert [message async for message in link] == messages
        server.close()

    run(talk())


def test_asyncio_holds_the_peer_back_while_no_task_receives(run):
    async def talk():
        stop = asyncio.Event()

        async def sends(link):
            sent = 0
            try:
                while True:
                    await link.send(b"x" * 65536)
                    sent += 1
                    counts.append(sent)
            except OSError:
                stop.set()

        counts = []
        server, address = await served(sends, "u32be")
        async with unstick.aio.connect(address, "u32be") as link:
            assert len(await link.recv()) == 65536
            seen = -1
            while seen != len(counts):
                seen = len(counts)
                await asyncio.sleep(0.2)
            assert seen < 500, "32 MiB went out to a peer that does not receive"
            assert link._waiting < 2 * unstick.aio.HIGH_WATER
        await stop.wait()
        server.close()

    run(talk())


def test_asyncio_tells_of_an_end_inside_a_message_and_of_a_reset(run):
    async def talk():
        async def breaks(link):
            link.transport.write(b"\0\0\0\x01a\0\0\0\x05hel")

        server, address = await served(breaks, "u32be")
        link = await unstick.aio.connect(address, "u32be")
        assert await link.recv() == b"a"
        with pytest.raises(unstick.IncompleteMessage):
            await link.recv()
        await link.close()
        server.close()

    run(talk())


def test_a_receive_that_is_cancelled_loses_nothing(run):
    async def talk():
        server, address = await served(echo, "line")
        async with unstick.aio.connect(address, "line") as link:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(link.recv(), 0.01)
            await link.send(b"hello")
            assert await link.recv() == b"hello"
        server.close()

    run(talk())
