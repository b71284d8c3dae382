"""Tests that a parser gives the same messages however its bytes are cut: in the process, without a socket."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Protocol, Union

    class Parser(Protocol):
        def feed(self, data: bytes) -> Any: ...

    Make = Union[Callable[[], Parser], Callable[[], Callable[[bytes], Any]]]


class Broken(AssertionError):
    """The same bytes gave different messages when they were cut."""

    def __init__(self, case: str, report: str) -> None:
        super().__init__(report)
        #: The case, as ``unstick shake`` writes it: ``cut@5``, ``bytes``.
        self.case = case


class Inconclusive(Exception):
    """No verdict: without any cut, the parser gives nothing, or different messages each time."""


def shake_decoder(make: Make, data: bytes, depth: int = 4096) -> int:
    """Feeds ``data`` to new parsers, whole and in every two pieces, byte by byte, and in threes; returns the cases tried.

    ``make`` makes a parser: an object with ``feed(data)``, or a function that takes data. Its messages are what ``feed`` returns
    (an iterable; ``None`` is none), and where it has an attribute ``messages`` what stands there at the end. Single cuts are
    tried in the first ``depth`` bytes. An exception is an outcome as any other.

    Raises :class:`Broken` for the first case that goes otherwise, and :class:`Inconclusive` where nothing can be compared.
    """
    whole = _outcome(make, [data])
    if _outcome(make, [data]) != whole:
        raise Inconclusive("two runs without any cut gave different messages")
    if not whole[0]:
        raise Inconclusive(f"without any cut there was no message ({whole[1] or 'no error'})")
    count = 0
    for case, pieces in _cases(data, depth):
        count += 1
        seen = _outcome(make, pieces)
        if seen != whole:
            raise Broken(case, _report(case, data, pieces, whole, seen))
    return count


def _cases(data: bytes, depth: int) -> Iterator[tuple[str, list[bytes]]]:
    for at in range(1, min(len(data), depth + 1)):
        yield f"cut@{at}", [data[:at], data[at:]]
    yield "bytes", [data[at : at + 1] for at in range(len(data))]
    yield "every@3", [data[at : at + 3] for at in range(0, len(data), 3)]


def _outcome(make: Make, pieces: Iterable[bytes]) -> tuple[list[Any], str]:
    parser = make()
    feed: Callable[[bytes], Any] = getattr(parser, "feed", None) or parser  # type: ignore[assignment]
    messages: list[Any] = []
    try:
        for piece in pieces:
            given = feed(piece)
            if given is not None:
                messages.extend(given)
    except Exception as error:
        return messages, f"{type(error).__name__}: {error}"
    kept = getattr(parser, "messages", None)
    if kept is not None:
        messages.extend(kept() if callable(kept) else kept)
    return messages, ""


def _report(
    case: str,
    data: bytes,
    pieces: list[bytes],
    whole: tuple[list[Any], str],
    seen: tuple[list[Any], str],
) -> str:
    at = len(pieces[0])
    before, after = data[max(0, at - 24) : at], data[at : at + 24]
    lines = [
        f"BROKEN: the messages differ when the bytes arrive as {case}",
        f"  cut       ...{_text(before)} | {_text(after)}...",
        f"  without   {_messages(whole)}",
        f"  {case:<9} {_messages(seen)}",
        f"  cause     {_cause(whole, seen)}",
        f"  again     shake.decoder(make, {'data' if len(data) > 40 else repr(data)})  # {case}",
    ]
    return "\n".join(lines)


def _cause(whole: tuple[list[Any], str], seen: tuple[list[Any], str]) -> str:
    if seen[1] and not whole[1]:
        return "it fails where a piece ends: it takes each piece for a whole message"
    if len(seen[0]) > len(whole[0]):
        return "it gives more messages: it takes each piece for a message"
    if len(seen[0]) < len(whole[0]):
        return "it gives fewer messages: it forgets what one piece leaves over for the next"
    return "a message differs: it mixes up where one piece ends and the next begins"


def _text(data: bytes) -> str:
    return repr(data)[2:-1]


def _messages(outcome: tuple[list[Any], str]) -> str:
    messages, error = outcome
    shown = ", ".join(repr(message)[:60] for message in messages[:6])
    more = f" and {len(messages) - 6} more" if len(messages) > 6 else ""
    text = f"{len(messages)}: {shown}{more}" if messages else "no message"
    return f"{text}, then {error}" if error else text
