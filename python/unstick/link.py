"""Conversations in messages over blocking sockets of the standard library."""

from __future__ import annotations

import os
import socket

from ._unstick import Decoder, Encoder, Framing

# Importing typing takes longer than all the rest of the package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Literal, TypeVar, Union

    Buffer = Union[bytes, bytearray, memoryview]
    Frame = Union[str, Framing]
    Role = Literal["client", "server"]
    Self = TypeVar("Self", bound="_Closing")

#: Bytes of one read: large enough that one system call brings many messages.
READ_SIZE = 64 * 1024

#: Whether ``os.write`` takes a socket's descriptor.
WRITES_SOCKETS = os.name == "posix"


class _Closing:
    """Closes at the end of a ``with`` statement."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Link(_Closing):
    """One conversation in whole messages, over a connected stream socket.

    Made by :func:`connect`, :func:`wrap` or a :class:`Listener`. Iterating gives the messages up to the peer's end of file.
    One thread may send while another receives. Two threads must not receive at once.
    """

    def __init__(self, sock: socket.socket, frame: Frame, role: Role = "client") -> None:
        self.framing = frame if isinstance(frame, Framing) else Framing(frame)
        #: The socket underneath. Its time-out and options apply, and it knows its addresses.
        self.socket = sock
        self._encoder: Encoder
        self._decoder: Decoder
        self._encoder, self._decoder = self.framing.conversation(role)
        self._ready: Iterator[bytes] = iter(())
        self._ended = False

    def send(self, message: Buffer) -> None:
        """Sends one message, whole, with one system call. Blocks while the peer does not read, up to the socket's time-out.

        Raises :class:`MessageError` if the framing cannot carry the message, and then sends nothing. After a time-out a part
        of the message may have been sent: close the link.
        """
        frame: Buffer = self._encoder.encode(message)
        sock = self.socket
        if sock.gettimeout() is not None and type(sock) is socket.socket and WRITES_SOCKETS:
            # With a time-out `sendall` calls poll() before it sends, which costs a third of a small message. A write that fits
            # into the socket's buffer needs none: such a socket is non-blocking.
            try:
                sent = os.write(sock.fileno(), frame)
            except BlockingIOError:
                sent = 0
            if sent == len(frame):
                return
            frame = memoryview(frame)[sent:]
        sock.sendall(frame)

    def send_all(self, messages: Iterable[Buffer]) -> None:
        """Sends several messages in as few writes as possible. Encodes all of them first."""
        self.socket.sendall(self._encoder.encode_all(messages))

    def recv(self) -> bytes | None:
        """Returns the next message; ``None`` after the peer has closed its sending side.

        After a time-out nothing is lost: the next call continues. Raises :class:`FramingError` if the bytes break the framing,
        and :class:`IncompleteMessage` if the peer closes or resets the connection inside a message.
        """
        while True:
            for message in self._ready:
                return message
            if self._ended:
                return None
            data = self.socket.recv(READ_SIZE)
            if data:
                self._ready = iter(self._decoder.feed(data))
            else:
                self._ended = True
                self._ready = iter(self._decoder.finish())

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield from self._ready
            if self._ended:
                return
            message = self.recv()
            if message is None:
                return
            yield message

    def finish(self) -> None:
        """Shuts down the sending side (half-close): the peer sees the end of file, and may still answer."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Closes the connection. May be called twice."""
        self.socket.close()

    def fileno(self) -> int:
        """The descriptor of the socket, for :mod:`select`. It does not show messages that were read already."""
        return self.socket.fileno()

    def settimeout(self, seconds: float | None) -> None:
        """Sets the longest time of one send or receive in seconds; ``None`` waits for ever."""
        self.socket.settimeout(seconds)

    def __repr__(self) -> str:
        return f"<unstick.Link {self.framing.spec} over {self.socket!r}>"


class Listener(_Closing):
    """Accepts conversations. Iterating gives a :class:`Link` for each peer."""

    def __init__(self, sock: socket.socket, frame: Frame) -> None:
        self.framing = frame if isinstance(frame, Framing) else Framing(frame)
        self.socket = sock

    @property
    def address(self) -> str:
        """The address, as :func:`connect` takes it."""
        return _shown(self.socket)

    def accept(self) -> Link:
        """Waits for the next peer."""
        connection, _ = self.socket.accept()
        return wrap(connection, self.framing, role="server")

    def close(self) -> None:
        """Stops accepting; open conversations continue."""
        self.socket.close()

    def __iter__(self) -> Iterator[Link]:
        while True:
            yield self.accept()


def connect(address: str, frame: Frame, *, timeout: float | None = None) -> Link:
    """Connects to ``HOST:PORT``, ``tcp://HOST:PORT`` or ``unix:PATH``, and speaks as the client.

    ``timeout`` is the longest time of connecting and of each send and receive, in seconds. Raises :class:`OSError` if
    the server does not answer.
    """
    framing = frame if isinstance(frame, Framing) else Framing(frame)
    place = parse_address(address)
    if isinstance(place, str):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect(place)
        except BaseException:
            sock.close()
            raise
    else:
        sock = socket.create_connection(place, timeout)
    return wrap(sock, framing)


def listen(address: str, frame: Frame, *, backlog: int = 128) -> Listener:
    """Listens on ``HOST:PORT``, ``PORT`` (loopback), ``tcp://HOST:PORT`` or ``unix:PATH``. Port 0 takes a free one."""
    framing = frame if isinstance(frame, Framing) else Framing(frame)
    place = parse_address(address)
    if isinstance(place, str):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(place)
            sock.listen(backlog)
        except BaseException:
            sock.close()
            raise
    else:
        family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        sock = socket.create_server(place, family=family, backlog=backlog)
    return Listener(sock, framing)


def wrap(sock: socket.socket, frame: Frame, *, role: Role = "client") -> Link:
    """Wraps a connected stream socket that exists already. The link owns the socket from now on.

    ``role`` is what this side is, where the framing of the two differs: ``frame="http"`` sends requests as the client.
    """
    if sock.type != socket.SOCK_STREAM:
        raise ValueError("unstick.wrap needs a stream socket: a datagram is a message already")
    if sock.family != getattr(socket, "AF_UNIX", None):
        # Without this a message may wait for the acknowledgement of the one before.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Link(sock, frame, role)


def parse_address(address: str) -> str | tuple[str, int]:
    """The path of a Unix socket, or host and port."""
    if address.startswith("unix:"):
        return address[len("unix:") :]
    rest = address[len("tcp://") :] if address.startswith("tcp://") else address
    if "://" in rest:
        scheme = rest.split("://", 1)[0]
        raise ValueError(f"{address!r}: this package speaks tcp:// and unix:, not {scheme}://")
    host, _, port = rest.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is not an address: write HOST:PORT or unix:PATH")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{address!r}: an IPv6 address stands in brackets, [::1]:{port}")
    return host or "127.0.0.1", int(port)


def _shown(sock: socket.socket) -> str:
    name = sock.getsockname()
    if sock.family == getattr(socket, "AF_UNIX", None):
        return f"unix:{name}"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
