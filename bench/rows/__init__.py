"""The rows, in the order of the table."""

from . import ask, decode, idle, link, pipe, udp

ROWS = [*decode.ROWS, *link.ROWS, *pipe.ROWS, *udp.ROWS, *idle.ROWS, *ask.ROWS]
