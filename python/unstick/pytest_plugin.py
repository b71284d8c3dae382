"""The pytest plug-in: the fixtures ``shake``, ``shake_server`` and ``bridge``, the marker ``shake``, and the options
``--shake-time``, ``--shake-depth`` and ``--shake-seed``."""

from __future__ import annotations

import base64
import contextlib
import json
import shlex
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from .program import path
from .serving import Server
from .shaking import Broken, Inconclusive, shake_decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .serving import Command
    from .shaking import Make


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("unstick", "tests that programs survive partial reads")
    group.addoption("--shake-time", metavar="TIME", help="stop each shake after TIME, such as 30s")
    group.addoption("--shake-depth", metavar="BYTES", type=int, help="try every single cut in the first BYTES")
    group.addoption("--shake-seed", metavar="N", type=int, help="the seed of random cases")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "shake: shakes a program or a parser (select with -m shake)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "shake" in getattr(item, "fixturenames", ()):
            item.add_marker("shake")


class Shake:
    """Runs ``unstick shake``. Each method returns the report. A broken program fails the test; a run without a verdict is an
    error.

    ``in_order=True`` tries the cases one after another, in the same order each time: for a program with a state that one
    conversation leaves to the next. Otherwise several conversations run at once where the program allows it.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def server(
        self,
        start: str,
        *,
        frame: str | None = None,
        send: Sequence[bytes] = (),
        options: Sequence[str] = (),
        in_order: bool = False,
    ) -> str:
        """A server that is started with ``start`` for each case, on the port that takes the place of ``{port}``."""
        return self._run(["--to", ":0", "--start", start, *_frame(frame), *_send(send), *_order(in_order), *options])

    def running(
        self,
        address: Server | str,
        *,
        frame: str | None = None,
        send: Sequence[bytes] = (),
        options: Sequence[str] = (),
        in_order: bool = False,
    ) -> str:
        """A server that runs already: at an address, or from the fixture ``shake_server``."""
        words = ["--to", _address(address), *_frame(frame), *_send(send), *_order(in_order), *options]
        with self._output_of(address):
            return self._run(words)

    def client(
        self,
        command: Sequence[str] | str,
        to: Server | str,
        *,
        frame: str | None = None,
        options: Sequence[str] = (),
        in_order: bool = False,
    ) -> str:
        """A client that is started for each case. ``{host}`` and ``{port}`` lead it to the server at ``to``."""
        words = ["--to", _address(to), *_frame(frame), *_order(in_order), *options, "--", *_words(command)]
        with self._output_of(to):
            return self._run(words)

    def stdio(
        self,
        command: Sequence[str] | str,
        *,
        frame: str | None = None,
        send: Sequence[bytes] = (),
        options: Sequence[str] = (),
        in_order: bool = False,
    ) -> str:
        """A program on pipes, such as a server of the Model Context Protocol or of the Language Server Protocol."""
        return self._run(["--stdio", *_frame(frame), *_send(send), *_order(in_order), *options, "--", *_words(command)])

    def decoder(self, make: Make, data: bytes) -> int:
        """A parser in this process: see :func:`unstick.shaking.shake_decoder`. Returns the cases tried."""
        depth = self._request.config.getoption("--shake-depth") or 4096
        try:
            count = shake_decoder(make, data, depth)
        except Broken as broken:
            self._note("broken", str(broken), ("shake_case", broken.case))
            pytest.fail(str(broken), pytrace=False)
        except Inconclusive as told:
            self._note("inconclusive", str(told))
            raise
        self._note("same", f"{count} cases gave the same messages", ("shake_cases", str(count)))
        return count

    def _run(self, arguments: list[str]) -> str:
        command = [path(), "shake", *self._options(), *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        report = done.stdout.strip()
        verdict = {0: "same", 6: "broken", 7: "inconclusive"}.get(done.returncode)
        # Where it is broken, the report has the command that shows the smallest case again.
        _, named, after = report.partition("--case ")
        case = [("shake_case", after.split()[0])] if named and verdict == "broken" else []
        self._note(verdict or f"status {done.returncode}", report, *case)
        if verdict == "same":
            return report
        if verdict == "broken":
            pytest.fail(f"{report}\n\n$ {shlex.join(command)}", pytrace=False)
        what = report if verdict == "inconclusive" else done.stderr.strip()
        raise Inconclusive(f"{what}\n\n$ {shlex.join(command)}")

    def _options(self) -> list[str]:
        config = self._request.config
        given = [(name, config.getoption(f"--shake-{name}")) for name in ("time", "depth", "seed")]
        return [word for name, value in given if value is not None for word in (f"--{name}", str(value))]

    @contextlib.contextmanager
    def _output_of(self, at: Server | str) -> Iterator[None]:
        """Where the test fails, its report has what the server printed."""
        try:
            yield
        except BaseException:
            if isinstance(at, Server):
                self._request.node.add_report_section("call", "server", at.output)
            raise

    def _note(self, verdict: str, report: str, *properties: tuple[str, str]) -> None:
        """For reports: JUnit's has the properties, among others. They are text, which the workers of pytest-xdist can pass on."""
        item = self._request.node
        item.user_properties += [("shake", verdict), *properties]
        item.add_report_section("call", "shake", report)


class Bridge:
    """A running bridge: its address, and the messages that have passed."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        #: The address for clients, ``HOST:PORT``.
        self.address = address
        self.host, _, port = address.rpartition(":")
        self.port = int(port)
        self._process = process
        self._passed: list[tuple[str, bytes]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def messages(self) -> list[tuple[str, bytes]]:
        """The messages that have passed so far: ``("client", message)`` if the client sent it, else ``("server", message)``."""
        return list(self._passed)

    def close(self) -> None:
        """Ends the bridge, and waits until everything that passed is in :meth:`messages`."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = _message(json.loads(line))
            if message is not None:
                self._passed.append(message)


def _frame(spec: str | None) -> list[str]:
    return [] if spec is None else ["--frame", spec]


def _send(messages: Sequence[bytes]) -> list[str]:
    return [word for message in messages for word in ("--send-hex", bytes(message).hex())]


def _address(at: Server | str) -> str:
    return at.address if isinstance(at, Server) else at


def _order(in_order: bool) -> list[str]:
    return ["--jobs", "1"] if in_order else []


def _words(command: Sequence[str] | str) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else list(command)


def _message(event: dict[str, Any]) -> tuple[str, bytes] | None:
    if event.get("event") not in ("message", "segment"):
        return None
    data = event["text"].encode() if "text" in event else base64.b64decode(event["base64"])
    return ("client" if event["direction"] == "c2s" else "server"), data


@pytest.fixture
def bridge() -> Iterator[Callable[..., Bridge]]:
    """Starts bridges between a client and a server under test: ``bridge(to=port, frame="line", fault="loss=5%")``.

    ``to`` is a port or an address; ``fault`` one or several faults as ``--fault`` takes them. They end with the test.
    """
    running: list[Bridge] = []

    def start(to: int | str, *, frame: str | None = None, fault: str | Sequence[str] = (), options: Sequence[str] = ()) -> Bridge:
        faults = [fault] if isinstance(fault, str) else fault
        words = [path(), "listen", "127.0.0.1:0", "--to", f":{to}" if isinstance(to, int) else to, "--dump", "--json"]
        words += [*_frame(frame), *(word for one in faults for word in ("--fault", one)), *options]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline()
        if not first:
            raise RuntimeError(process.stderr.read().strip())
        # From now on no thread reads it, and the program must not wait for that.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        made = Bridge(process, json.loads(first)["address"].removeprefix("tcp://"))
        running.append(made)
        return made

    yield start
    for made in running:
        made.close()


@pytest.fixture(scope="session")
def shake_server() -> Iterator[Callable[..., Server]]:
    """Starts servers that run until the session ends: ``server = shake_server("python3 server.py {port}")``.

    It returns a :class:`unstick.serving.Server` once the server listens. The last one started ends first. Each worker of
    pytest-xdist has servers of its own. For one module or one test, use ``Server`` in a ``with`` statement.
    """
    with contextlib.ExitStack() as running:

        def start(command: Command, *, timeout: float = 20.0) -> Server:
            return running.enter_context(Server(command, timeout=timeout))

        yield start


@pytest.fixture
def shake(request: pytest.FixtureRequest) -> Shake:
    """Tests that a program survives partial reads: every cut of the same bytes must give the same answers."""
    return Shake(request)
