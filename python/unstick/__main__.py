"""``python -m unstick``: the program."""

import os
import sys

from .program import path

if __name__ == "__main__":
    try:
        program = path()
    except FileNotFoundError as error:
        sys.exit(str(error))
    os.execv(program, [program, *sys.argv[1:]])
