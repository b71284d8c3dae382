"""Decoding in memory, against tokio-util's codecs."""

from measure import Bar, Row, Side
from processes import output_of

HOW = (
    "One thread, no I/O: a wire image of 2 MiB is gone through again and again, each 64 KiB of it copied into the "
    "decoder's buffer as a read would. Ours: `Decoder::feed`, then `{ours}` until it has no more. Peer: "
    "`{peer}::decode` on a `BytesMut` that `extend_from_slice` extends; it gives out {given}, and has no borrowed way."
)


def decode(program, case, way):
    def once(bench):
        return float(output_of([bench.rust(program), case, way, str(bench.scale(400, 100))]))

    return once


def row(case, way, what, bar):
    lines = case.startswith("line")
    ours = {"borrowed": "next", "owned": "next_bytes"}[way]
    if lines and way == "owned":
        ours = "next, to_vec, String::from_utf8"
    how = HOW.format(
        ours=ours,
        peer="LinesCodec" if lines else "LengthDelimitedCodec",
        given="a `String`" if lines else "a `BytesMut` split off the buffer" + (", frozen" if way == "owned" else ""),
    )
    return Row(
        name=f"decode-{case}-{way}",
        what=what,
        unit="messages/s",
        more_is_better=True,
        sides=[
            Side("unstick", decode("decode_unstick", case, way)),
            Side("tokio-util", decode("decode_tokio_util", case, way)),
        ],
        bar=Bar("at_least", bar),
        how=how,
    )


ROWS = [
    row("u32be-64", "borrowed", "decode `u32be`, 64 B, borrowed", 4),
    row("u32be-1024", "borrowed", "decode `u32be`, 1 KiB, borrowed", 1.5),
    row("u32be-64", "owned", "decode `u32be`, 64 B, owned `Bytes`", 2.5),
    row("u32be-1024", "owned", "decode `u32be`, 1 KiB, owned `Bytes`", 1.3),
    row("line-80", "borrowed", "80 B lines, borrowed", 3),
    row("line-80", "owned", "80 B lines, owned UTF-8", 1.5),
]
