"""The rows, in the order of the table."""

from . import decode

ROWS = [*decode.ROWS]
