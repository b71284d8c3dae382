#!/usr/bin/env python3
"""Draws the pictures of the README from real runs, as SVG for light and dark pages.

Usage: pip install pyte; cargo build; PATH=target/debug:$PATH docs/pictures/make.py

Each scene runs in a network namespace of its own, on terminals of its own. Only what appears there is drawn.
"""
import fcntl
import html
import os
import pathlib
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pyte

HERE = pathlib.Path(__file__).resolve().parent
WIDTH, LINE, LEFT, TOP = 8.4, 18, 14, 34  # a character, a row, and the margins, in pixels
LIGHT = {"default": "#1f2328", "dim": "#656d76", "red": "#cf222e", "green": "#116329", "brown": "#7d4e00",
         "blue": "#0550ae", "magenta": "#6639ba", "cyan": "#1b7c83"}
DARK = {"default": "#e6edf3", "dim": "#8b949e", "red": "#ff7b72", "green": "#7ee787", "brown": "#f2cc60",
        "blue": "#79c0ff", "magenta": "#d2a8ff", "cyan": "#76e3ea"}


class Window:
    """A shell on a terminal, in the scene's network."""

    def __init__(self, title, columns=96, rows=30):
        self.title, self.screen = title, pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.process, self.master = pty.fork()
        if self.process == 0:
            os.environ.update(PS1="$ ", TERM="xterm-256color")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)
        self.shows("$")

    def types(self, line):
        os.write(self.master, line.encode() + b"\r")

    def shows(self, text, patience=60):
        """Reads until the text stands on the screen."""
        end = time.monotonic() + patience
        while not any(text in row for row in self.screen.display):
            if not select.select([self.master], [], [], 0.1)[0]:
                if time.monotonic() > end:
                    sys.exit(f"waited for {text!r}; the screen:\n" + "\n".join(self.screen.display))
                continue
            self.stream.feed(os.read(self.master, 65536))

    def rows(self):
        """The rows in runs of one colour: [(column, text, class)], down to the last one with text."""
        found = []
        for number in range(self.screen.lines):
            runs, cells = [], self.screen.buffer[number]
            for column in range(self.screen.columns):
                cell = cells[column]
                colour = cell.fg if cell.fg in LIGHT else "default"
                style = colour + (" bold" if cell.bold else "")
                if runs and runs[-1][2] == style:
                    runs[-1][1] += cell.data
                else:
                    runs.append([column, cell.data, style])
            found.append([run for run in runs if run[1].strip()])
        while found and not found[-1]:
            found.pop()
        if found and [run[1].strip() for run in found[-1]] == ["$"]:
            found.pop()  # the prompt behind the last command
        return found


def style(colours):
    return "".join(f".{name}{{fill:{value}}}" for name, value in colours.items())


def draw(name, alternative, windows):
    """Writes the windows one below the other."""
    body, y = [], 0
    columns = max(window.screen.columns for window in windows)
    width = round(columns * WIDTH + 2 * LEFT)
    for window in windows:
        rows = window.rows()
        height = TOP + len(rows) * LINE + 8
        body.append(f'<g transform="translate(0,{y})"><rect class="paper" x=".5" y=".5" width="{width - 1}" '
                    f'height="{height - 1}" rx="8"/><text class="dim" x="{LEFT}" y="20">{html.escape(window.title)}</text>')
        for number, runs in enumerate(rows):
            for column, text, look in runs:
                text = text.rstrip()
                shown = html.escape(text)
                body.append(f'<text xml:space="preserve" class="{look}" x="{LEFT + column * WIDTH:.1f}" y="{TOP + (number + 1) * LINE - 4}" '
                            f'textLength="{len(text) * WIDTH:.1f}">{shown}</text>')
        body.append("</g>")
        y += height + 10
    sheet = ("text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}"
             ".bold{font-weight:700}.paper{fill:#f6f8fa;stroke:#d0d7de}" + style(LIGHT) +
             "@media(prefers-color-scheme:dark){.paper{fill:#0d1117;stroke:#30363d}" + style(DARK) + "}")
    picture = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y - 10}" width="{width}" height="{y - 10}" '
               f'role="img"><title>{html.escape(alternative)}</title><style>{sheet}</style>\n' + "\n".join(body) + "\n</svg>\n")
    (HERE / f"{name}.svg").write_text(picture)
    print(f"{name}.svg: {len(picture)} bytes")


def shake():
    window = Window("does a server survive partial reads?", rows=34)
    window.types("unstick shake --to 127.0.0.1:0 --start 'python3 server.py {port}' -f struct:i --send Hello")
    window.shows("run it again")
    window.shows("--case")
    draw("shake", "unstick shake finds that a server breaks when a header is cut", [window])


def chat():
    server = Window("an unstick listener", rows=16, columns=80)
    server.types("unstick listen 8080 -f struct:i")
    server.shows("nobody>")
    client = Window("a plain Python script", rows=6, columns=80)
    client.types("python3 client.py 127.0.0.1 8080 'Grüße aus Python'")
    server.shows("1> Grüße aus Python")
    server.types("and greetings back")
    client.shows("answer: and greetings back")
    server.shows("peer 1 left")
    server.shows("nobody>")
    draw("chat", "A chat in length-prefixed messages with a Python script", [server, client])


def bridge():
    server = Window("a server that speaks lines", rows=8, columns=80)
    server.types("unstick listen 7000 -f line --each 'tr a-z A-Z'")
    server.shows("listening")
    between = Window("a bridge that shows what passes", rows=14)
    between.types("unstick listen 7001 -f u32be --to :7000 --to-frame line --dump")
    between.shows("listening")
    client = Window("a client that speaks length-prefixed messages", rows=6)
    client.types("unstick ask 127.0.0.1:7001 -f u32be 'how are you?'")
    client.shows("HOW ARE YOU?")
    between.shows("left")
    draw("bridge", "A bridge between two framings prints each message", [between, client])


SCENES = {"shake": shake, "chat": chat, "bridge": bridge}

if __name__ == "__main__":
    if len(sys.argv) == 1:
        for name in SCENES:
            # In a folder where the examples have short names.
            script = 'ip link set lo up; cd "$(mktemp -d)"; cp "$2"/struct_server.py .; ' \
                     'cp "$2"/struct_client.py client.py; ' \
                     'printf "%s\\n" "import sys, runpy" "sys.argv = [\'\', \'127.0.0.1\', sys.argv[1]]" ' \
                     '"runpy.run_path(\'struct_server.py\', run_name=\'__main__\')" > server.py; exec "$0" "$1" "$3"'
            examples = HERE.parent.parent / "examples/python"
            subprocess.run(["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child",
                            "sh", "-c", script, sys.executable, __file__, str(examples), name], check=True)
    else:
        SCENES[sys.argv[1]]()
