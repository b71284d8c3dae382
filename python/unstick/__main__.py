"""``python -m unstick``: the program."""

import os
import sys

from .program import path

if __name__ == "__main__":
    program = path()
    os.execv(program, [program, *sys.argv[1:]])
