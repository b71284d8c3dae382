"""`u32be` and presets decoded in memory, against a loop written by hand for that protocol."""

from measure import Bar, Row, Side
from processes import output_of

HOW = (
    "One thread, no I/O, frames of 64 B behind their header: a wire image of 2 MiB is gone through again and again, 64 KiB at "
    "a time. Ours: `Decoder::feed` and the cursor `Decoder::messages` with the preset. By hand: each read is appended to a `Vec`, the length read where "
    "this protocol has it and checked against a limit, the frame handed out as a slice, the rest moved to the front."
)

PRESETS = ["u32be", "kafka", "dns", "postgres", "mongodb", "tls", "modbus", "http2", "mqtt"]


def decode(preset, side):
    def once(bench):
        return float(output_of([bench.rust("decode_presets"), preset, side, str(bench.scale(400, 100))]))

    return once


ROWS = [
    Row(
        name=f"decode-{preset}",
        what=f"decode `{preset}`, 64 B, borrowed",
        unit="messages/s",
        more_is_better=True,
        sides=[Side("unstick", decode(preset, "preset")), Side("by hand", decode(preset, "hand"))],
        bar=Bar("at_least", 0.9),
        how=HOW,
    )
    for preset in PRESETS
]
