"""Starts a server for tests, waits until it listens, and ends it with everything that it has started."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Union

    Command = Union[str, Sequence[str]]

#: Bytes of a server's output that are kept: the last ones, which say why it ended.
OUTPUT_KEPT = 64 * 1024
#: Seconds that a server has to end after SIGTERM. Then it is killed.
END_TIME = 5.0
#: Number of starts if another program takes the chosen port just before the server does.
STARTS = 3
#: Seconds between two looks whether the server listens.
PAUSE = 0.02


class StartError(RuntimeError):
    """The server ended, or did not listen in time. The message has the last lines of its output."""


class Server:
    """A server that runs: made, it listens. Use it in a ``with`` statement, or call :meth:`close`.

    ``command`` is a line for the shell, or a sequence of words. ``{port}`` and the variable ``UNSTICK_PORT`` are a free port,
    ``{host}`` is 127.0.0.1. Raises :class:`StartError` if the server ends, or does not listen within ``timeout`` seconds. The
    server has a process group of its own, so closing it ends what it has started too.
    """

    _ended: bool
    _reader: threading.Thread

    def __init__(self, command: Command, *, timeout: float = 20.0) -> None:
        self.command = command if isinstance(command, str) else shlex.join(command)
        self.host = "127.0.0.1"
        until = time.monotonic() + timeout
        for left in reversed(range(STARTS)):
            #: The free port that the server was given.
            self.port = _free_port(self.host)
            self._start(command)
            try:
                self._wait(until, timeout)
                return
            except BaseException as error:
                self.close()
                if not (isinstance(error, StartError) and left and _lost_port(self.output)):
                    raise

    @property
    def address(self) -> str:
        """``HOST:PORT``, as :func:`unstick.connect` takes it."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The process that was started. For a line with several commands it is the shell's."""
        return self._process.pid

    @property
    def output(self) -> str:
        """The last 64 KiB that the server has printed so far. Control characters are shown as escapes."""
        text = bytes(self._kept).decode(errors="replace").replace("\r\n", "\n")
        return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)

    def close(self) -> None:
        """Ends the server: SIGTERM, and SIGKILL after five seconds. May be called twice."""
        if self._ended:
            return
        try:
            self._signal(signal.SIGTERM)
            until = time.monotonic() + END_TIME
            # Not only the first process: a shell ends before the server that it has started.
            while self._is_running() and time.monotonic() < until:
                time.sleep(PAUSE)
        finally:
            if self._is_running():
                self._signal(signal.SIGKILL)
            self._process.wait()
            self._ended = True
            # A process that has left the group may hold the pipe open.
            self._reader.join(0.5)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<unstick.serving.Server {self.command!r} on {self.address}>"

    def _start(self, command: Command) -> None:
        def filled(word: str) -> str:
            return word.replace("{port}", str(self.port)).replace("{host}", self.host)

        line = isinstance(command, str)
        words = ["sh", "-c", filled(self.command)] if line else [filled(word) for word in command]
        self._kept = bytearray()
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "UNSTICK_PORT": str(self.port)},
            start_new_session=True,
        )
        self._ended = False
        self._reader = threading.Thread(target=self._read, args=(self._process, self._kept), daemon=True)
        self._reader.start()

    def _wait(self, until: float, timeout: float) -> None:
        while not _listens(self.host, self.port):
            status = self._process.poll()
            if status is not None:
                self._reader.join(0.5)
                raise StartError(f"the server `{self.command}` ended with status {status} before it listened{self._said()}")
            if time.monotonic() >= until:
                raise StartError(
                    f"the server `{self.command}` does not listen on {self.address} after {timeout:g} seconds; "
                    f"it must take its port from {{port}} or UNSTICK_PORT{self._said()}"
                )
            time.sleep(PAUSE)

    def _said(self) -> str:
        lines = self.output.strip().splitlines()[-20:]
        return ":\n  " + "\n  ".join(lines) if lines else ". It printed nothing"

    def _is_running(self) -> bool:
        """Whether a process of the group runs."""
        leader = self._process.poll() is None
        try:
            os.killpg(self._process.pid, 0)
            return True
        except (ProcessLookupError, PermissionError):
            return leader

    def _signal(self, number: int) -> None:
        # The group may have no member any more. macOS reports one whose members have all ended as not permitted.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    @staticmethod
    def _read(process: subprocess.Popen[bytes], kept: bytearray) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            while data := os.read(stream.fileno(), 4096):
                kept += data
                del kept[:-OUTPUT_KEPT]


def _free_port(host: str) -> int:
    with socket.socket() as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def _lost_port(output: str) -> bool:
    return re.search("address already in use|EADDRINUSE", output, re.IGNORECASE) is not None


def _listens(host: str, port: int) -> bool:
    """Whether a program listens on the port. Asks the kernel where it can: a connection would be one more that the server
    sees, and some servers serve only one."""
    tables = []
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{name}") as table:
                tables.append(table.read())
        except OSError:
            continue
    if tables:
        # Columns: number, local address, remote address, state. 0A is LISTEN.
        return any(re.search(rf"^ *\d+: [0-9A-F]+:{port:04X} [0-9A-F:]+ 0A ", table, re.MULTILINE) for table in tables)
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False
