"""Whole messages over any socket.

TCP gives a stream: two sends can arrive as one read, one send as three. This package finds the messages in it::

    with unstick.connect("127.0.0.1:8080", frame="struct:i") as link:
        link.send(b"Hello")
        for message in link:
            print(message)

    decoder = unstick.Framing("u32be").decoder()  # does no I/O
    for message in decoder.feed(data):
        print(message)

    link = unstick.wrap(sock, "struct:!I")  # around a socket that exists already

Under :mod:`unstick.aio` is the same for asyncio. The program ``unstick`` comes with the package, and a pytest plug-in whose
fixture ``shake`` tests that a program survives partial reads.
"""

from ._unstick import Decoder, Encoder, Framing, __version__
from .errors import (
    FramingError,
    IncompleteMessage,
    MessageError,
    MessageTooLong,
    SpecError,
    UnstickError,
)
from .link import Link, Listener, connect, listen, wrap

__all__ = [
    "Decoder",
    "Encoder",
    "Framing",
    "FramingError",
    "IncompleteMessage",
    "Link",
    "Listener",
    "MessageError",
    "MessageTooLong",
    "SpecError",
    "UnstickError",
    "__version__",
    "connect",
    "listen",
    "wrap",
]
