"""The same for `unittest`, by running the program: `python -m unittest test_with_unittest`."""

import subprocess
import sys
import unittest
from pathlib import Path

SERVER = f"{sys.executable} {Path(__file__).with_name('server.py')} {{port}}"


class Survives(unittest.TestCase):
    def test_every_cut(self):
        words = [sys.executable, "-m", "unstick", "shake", "--to", ":0", "--start", SERVER, "-f", "u32be", "--send", "hello"]
        done = subprocess.run(words, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
