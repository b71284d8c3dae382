"""The exceptions of this package. Their texts are the sentences that the program prints."""

from __future__ import annotations


class UnstickError(Exception):
    """Any error of this package. ``hint`` says what to do, if that is known."""

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.hint = hint


class SpecError(UnstickError, ValueError):
    """A framing spec without a meaning, or an impossible request."""

    def __str__(self) -> str:
        return f"{self.args[0]}\n  hint: {self.hint}" if self.hint else str(self.args[0])


class MessageError(UnstickError, ValueError):
    """A message that the framing cannot carry unchanged. The conversation can go on."""


class FramingError(UnstickError):
    """Bytes of a stream that are not what its framing says: the boundaries are lost, and the stream has to be closed."""

    def __init__(self, text: str, hint: str | None = None, offset: int = 0, pending: bytes = b"") -> None:
        super().__init__(text, hint)
        #: Where in the stream the broken frame begins, in bytes.
        self.offset = offset
        #: The bytes of it that had arrived.
        self.pending = pending


class MessageTooLong(FramingError):
    """A message over ``max``."""


class IncompleteMessage(FramingError, EOFError):
    """The stream ended inside a message. ``pending`` holds the bytes of it that had arrived."""
