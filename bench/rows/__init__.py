"""The rows, in the order of the table."""

from . import ask, bridge, decode, idle, link, pipe, secure, udp, websocket

ROWS = [*decode.ROWS, *link.ROWS, *pipe.ROWS, *udp.ROWS, *bridge.ROWS, *secure.ROWS, *websocket.ROWS, *idle.ROWS, *ask.ROWS]
