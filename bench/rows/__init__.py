"""The rows, in the order of the table."""

from . import ask, bridge, captures, decode, idle, link, pipe, presets, secure, shake, shake_finds, size, transfer, udp, websocket

IN_MEMORY = [*decode.ROWS, *presets.ROWS]
OVER_SOCKETS = [*link.ROWS, *pipe.ROWS, *udp.ROWS, *bridge.ROWS, *secure.ROWS, *websocket.ROWS]
ROWS = [*IN_MEMORY, *OVER_SOCKETS, *transfer.ROWS, *captures.ROWS, *idle.ROWS, *ask.ROWS, *size.ROWS, *shake.ROWS, *shake_finds.ROWS]
