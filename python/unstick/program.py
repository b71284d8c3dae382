"""Where the program of this package is."""

from __future__ import annotations

import os
import shutil
import sysconfig


def path() -> str:
    """The path of the program ``unstick``: the one that was installed with this package, else the first on the PATH.

    ``UNSTICK`` in the environment names another one. Raises :class:`FileNotFoundError` where there is none.
    """
    if named := os.environ.get("UNSTICK"):
        return named
    beside = os.path.join(sysconfig.get_path("scripts"), "unstick")
    if os.access(beside, os.X_OK):
        return beside
    if found := shutil.which("unstick"):
        return found
    raise FileNotFoundError(
        "the program `unstick` is neither beside this Python nor on the PATH; the source package does not contain it: "
        "`cargo install unstick-cli` builds it, and UNSTICK in the environment names another"
    )
