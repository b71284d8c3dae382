"""Conversations in messages for asyncio, over its protocols: no threads. While no task receives, the peer has to wait.

::

    async with unstick.aio.connect("127.0.0.1:8080", frame="line") as link:
        await link.send(b"hello")
        async for message in link:
            print(message)
"""

from __future__ import annotations

import asyncio
from collections import deque

from ._unstick import Decoder, Encoder, Framing
from .link import parse_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from types import TracebackType

    from .link import Buffer, Frame, Role

#: Received bytes that wait for a task before this side stops reading.
HIGH_WATER = 256 * 1024

#: It reads again when so few of them are left.
LOW_WATER = HIGH_WATER // 4


class Link(asyncio.Protocol):
    """One conversation in whole messages. Made by :func:`connect` or :func:`serve`; iterating gives the messages up to the end.

    One task receives at a time. A receive that is cancelled loses nothing.
    """

    def __init__(self, frame: Frame, role: Role = "client") -> None:
        self.framing = frame if isinstance(frame, Framing) else Framing(frame)
        self._encoder: Encoder
        self._decoder: Decoder
        self._encoder, self._decoder = self.framing.conversation(role)
        self._transport: asyncio.Transport | None = None
        self._ready: deque[bytes] = deque()
        self._waiting = 0
        self._paused = False
        self._ended = False
        self._error: BaseException | None = None
        self._receiver: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] | None = None
        self._is_full = False

    # ---- for the user ----

    @property
    def transport(self) -> asyncio.Transport:
        """The transport underneath, which knows the addresses (``get_extra_info``)."""
        if self._transport is None:
            raise RuntimeError("the link is not connected")
        return self._transport

    async def send(self, message: Buffer) -> None:
        """Sends one message, whole; waits while the peer does not read.

        Raises :class:`unstick.MessageError` if the framing cannot carry it, and :class:`ConnectionError` if the connection is
        closed. A send that is cancelled while it waits has queued the whole message.
        """
        await self._write(self._encoder.encode(message))

    async def send_all(self, messages: Iterable[Buffer]) -> None:
        """Sends several messages in one write. Encodes all of them first."""
        await self._write(self._encoder.encode_all(messages))

    async def recv(self) -> bytes | None:
        """Returns the next message; ``None`` after the peer has closed its sending side.

        Raises :class:`unstick.FramingError` if the bytes break the framing, :class:`unstick.IncompleteMessage` if the peer
        closes inside a message, and :class:`OSError` if the connection breaks.
        """
        while not self._ready:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            if self._receiver is not None:
                raise RuntimeError("another task receives from this link")
            self._receiver = asyncio.get_running_loop().create_future()
            try:
                await self._receiver
            finally:
                self._receiver = None
        message = self._ready.popleft()
        self._waiting -= len(message)
        if self._paused and self._waiting <= LOW_WATER:
            self._paused = False
            if not self._ended:
                self.transport.resume_reading()
        return message

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (message := await self.recv()) is not None:
            yield message

    def finish(self) -> None:
        """Shuts down the sending side (half-close) after everything has been sent; the peer may still answer."""
        if self.transport.can_write_eof():
            self.transport.write_eof()

    async def close(self) -> None:
        """Sends the queued messages, closes, and waits until the connection is closed. May be called twice."""
        self.transport.close()
        if self._closed is not None:
            await self._closed

    async def __aenter__(self) -> Link:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # ---- for asyncio ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A stream's transport has both sides. uvloop's is one without being a subclass, so this is not checked.
        self._transport = transport  # type: ignore[assignment]
        self._closed = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if self._error is None:
            self._take(lambda: self._decoder.feed(data))

    def eof_received(self) -> bool:
        if self._error is None:
            self._take(self._decoder.finish)
        self._ended = True
        self._wake()
        # Keeps this side open: only the peer has closed its sending side.
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None and self._error is None:
            self._error = error
        self._ended = True
        self._wake()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        self._is_full = True
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        self._is_full = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # ---- inside ----

    def _take(self, messages: Callable[[], Iterable[bytes]]) -> None:
        try:
            for message in messages():
                self._ready.append(message)
                self._waiting += len(message)
        except Exception as error:
            self._error = error
        if self._waiting > HIGH_WATER and not self._paused and not self._ended:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def _wake(self) -> None:
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)

    async def _write(self, data: bytes) -> None:
        if self.transport.is_closing():
            raise self._error if isinstance(self._error, OSError) else ConnectionResetError("the link is closed")
        self.transport.write(data)
        if self._is_full and self._writable is not None:
            await asyncio.shield(self._writable)
            if self.transport.is_closing() and isinstance(self._error, OSError):
                raise self._error


class _Connecting:
    """What :func:`connect` returns: awaited, or entered."""

    def __init__(self, address: str, frame: Frame) -> None:
        self._address = address
        self._frame = frame
        self._link: Link | None = None

    async def _connect(self) -> Link:
        loop = asyncio.get_running_loop()
        place = parse_address(self._address)
        link = Link(self._frame)
        if isinstance(place, str):
            await loop.create_unix_connection(lambda: link, place)
        else:
            await loop.create_connection(lambda: link, *place)
        return link

    def __await__(self):  # type: ignore[no-untyped-def]
        return self._connect().__await__()

    async def __aenter__(self) -> Link:
        self._link = await self._connect()
        return self._link

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._link is not None:
            await self._link.close()


def connect(address: str, frame: Frame) -> _Connecting:
    """Connects to ``HOST:PORT``, ``tcp://HOST:PORT`` or ``unix:PATH``: ``async with connect(...)`` or ``await connect(...)``.

    ``asyncio.timeout`` bounds it. Raises :class:`OSError` if the server does not answer.
    """
    return _Connecting(address, frame)


async def serve(serve_link: Callable[[Link], Awaitable[None]], address: str, frame: Frame) -> asyncio.Server:
    """Listens, and runs ``serve_link`` for each peer, in a task of its own; its link is closed when it returns.

    An exception of one peer's task ends that peer's conversation alone, and goes to the loop's exception handler. Returns the
    server of asyncio; its ``sockets`` know the port.
    """
    loop = asyncio.get_running_loop()
    framing = frame if isinstance(frame, Framing) else Framing(frame)
    tasks: set[asyncio.Task[None]] = set()

    class Served(Link):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            task = loop.create_task(self._serve())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async def _serve(self) -> None:
            try:
                async with self:
                    await serve_link(self)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                loop.call_exception_handler(
                    {"message": "the task of a peer failed", "exception": error, "transport": self._transport}
                )

    place = parse_address(address)
    if isinstance(place, str):
        return await loop.create_unix_server(lambda: Served(framing, "server"), place)
    return await loop.create_server(lambda: Served(framing, "server"), *place)
