"""The rows, in the order of the table."""

from . import ask, bridge, decode, idle, link, pipe, presets, secure, shake, shake_finds, size, transfer, udp, websocket

IN_MEMORY = [*decode.ROWS, *presets.ROWS]
OVER_SOCKETS = [*link.ROWS, *pipe.ROWS, *udp.ROWS, *bridge.ROWS, *secure.ROWS, *websocket.ROWS]
ROWS = [*IN_MEMORY, *OVER_SOCKETS, *transfer.ROWS, *idle.ROWS, *ask.ROWS, *size.ROWS, *shake.ROWS, *shake_finds.ROWS]
