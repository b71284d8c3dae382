"""Writes goldens: a frame a line, with the message in brackets. Knows no protocol and no framing."""

import importlib.metadata
import itertools
import pathlib
import sys

HERE = pathlib.Path(__file__).parent


class Golden:
    """One file. `head` and `tail` are how many bytes of a frame stand outside of its message; both None: none do."""

    def __init__(self, name, title, source, *packages):
        self.name = name
        made = ", ".join(p if " " in p else f"{p} {importlib.metadata.version(p)}" for p in packages) or "struct alone: by hand"
        script = pathlib.Path(sys.argv[0]).name
        self.lines = [f"# {title}", f"# source: {source}", f"# made: by {script} with {made}"]

    def client(self, frame, note="", head=None, tail=0, parts=None):
        self._add(">", frame, note, head, tail, parts)

    def server(self, frame, note="", head=None, tail=0, parts=None):
        self._add("<", frame, note, head, tail, parts)

    def _add(self, way, frame, note, head, tail, parts):
        frame = bytes(frame)
        if parts is None and head is None:
            text = self._hex(frame)
        else:
            # Where messages lie: pairs of their first byte and the one behind their last.
            parts = parts or [(head, len(frame) - tail)]
            text, at = "", 0
            for start, end in parts:
                text += f"{self._hex(frame[at:start])} [{self._hex(frame[start:end])}] "
                at = end
            text = (text + self._hex(frame[at:])).strip()
        self.lines.append(f"{way} {text}" + (f" ; {note}" if note else ""))

    @staticmethod
    def _hex(part):
        # A long run of one byte is written once, with how often it stands there.
        runs = ((byte, len(list(run))) for byte, run in itertools.groupby(part))
        return "".join(f"{byte:02x}*{count} " if count >= 40 else f"{byte:02x}" * count for byte, count in runs).strip()

    def write(self):
        path = HERE / f"{self.name}.golden"
        path.write_text("\n".join(self.lines) + "\n")
        print(path.name)
