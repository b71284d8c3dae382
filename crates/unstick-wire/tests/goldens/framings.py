"""Goldens of framings that no preset uses, by other implementations.

python3 -m venv venv && venv/bin/pip install pyiso8583==4.0.1 && venv/bin/python framings.py
(and GNU ar of binutils on the path; `readuntil` is CPython's own)
"""

import asyncio
import copy
import platform
import subprocess
import tempfile
from pathlib import Path

import iso8583
from iso8583.specs import default_ascii

HERE = Path(__file__).resolve().parent


def write(name, title, source, made, framing, lines):
    text = f"# {title}\n# source: {source}\n# made: by framings.py with {made}\n# framing: {framing}\n"
    (HERE / f"{name}.golden").write_text(text + "".join(line + "\n" for line in lines))
    print(f"{name}.golden")


def bcd():
    """Fields of ISO 8583 whose length stands in two digits a byte."""
    for name, kind, width in [("framing-bcd-1", "LLVAR", 1), ("framing-bcd-2", "LLLVAR", 2)]:
        lines = []
        for count in (0, 5, 19, 42, 99) + ((100, 256, 999) if width == 2 else ()):
            spec = copy.deepcopy(default_ascii)
            spec["48"] = {"data_enc": "ascii", "len_enc": "bcd", "len_type": width, "max_len": 999 if width == 2 else 99,
                          "desc": "private data"}
            text = ("abcdefghij" * 100)[:count]
            _, encoded = iso8583.encode({"t": "0200", "48": text}, spec)
            lines.append(f"> {encoded['48']['len'].hex()} [\"{encoded['48']['data'].decode()}\"]")
        write(name, f"ISO 8583 field, {kind} with its length in BCD",
              "ISO 8583:1987 section 4.4, variable length fields; length indicator in BCD",
              f"pyiso8583 {iso8583.__version__}", f"length:width={width},bcd=yes", lines)


def ascii_with_offset():
    """Members of an archive: a header of 60 bytes, whose size is decimal digits at byte 48, two bytes before its end."""
    version = subprocess.run(["ar", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0].split()[-1]
    with tempfile.TemporaryDirectory() as folder:
        # Even sizes: behind an odd one ar writes a line end that belongs to no member.
        members = {"a.txt": b"hello\n", "empty": b"", "long.bin": bytes(range(256)) * 5}
        for name, content in members.items():
            Path(folder, name).write_bytes(content)
        subprocess.run(["ar", "rcD", "all.a", *members], cwd=folder, check=True, capture_output=True)
        archive = Path(folder, "all.a").read_bytes()
    lines = [f"> {archive[:8].hex()}"]
    at = 8
    for content in members.values():
        end = at + 60 + len(content)
        assert archive[at + 60:end] == content
        lines.append(f"> {archive[at:end].hex()}")
        at = end
    assert at == len(archive)
    write("framing-ascii-off", "Unix archive: its magic, then its members", "ar(5): the common archive format",
          f"ar {version}", "fixed:8/ascii:10,off=48,adj=2", lines)


async def read_all(stream, separator):
    reader = asyncio.StreamReader()
    reader.feed_data(stream)
    reader.feed_eof()
    messages = []
    while not reader.at_eof():
        messages.append(await reader.readuntil(separator))
    return messages


def delim_kept():
    """Messages that keep their delimiter, as a reader of CPython returns them."""
    for name, delimiter in [("framing-delim-keep", b"\n"), ("framing-delim-keep-two", b"\x1c\r")]:
        stream = delimiter.join([b"one", b"", b"three\rfour\x1c", b"\x1c" + bytes([0x80, 0xff]), b"last"]) + delimiter
        messages = asyncio.run(read_all(stream, delimiter))
        assert b"".join(messages) == stream
        write(name, f"Messages up to and with {delimiter.hex()}",
              "CPython library reference, asyncio streams: StreamReader.readuntil", f"CPython {platform.python_version()}",
              f"delim:{delimiter.hex()},keep", [f"> [{message.hex()}]" for message in messages])


if __name__ == "__main__":
    bcd()
    ascii_with_offset()
    delim_kept()
