"""Captures that others made: fetches the source packages that hold them, and unpacks what their authors released.

Not here: what the captures are used for (`guess`, `captures`).
"""

import os
import pathlib
import platform
import re
import subprocess

# Debian's source packages with captures in their tests.
PACKAGES = ["ndpi", "tcpdump", "tcpflow", "wireshark"]

# What is unpacked of them, if that is not all.
PARTS = {"wireshark": ["--wildcards", "*/test/captures/*"]}
KINDS = re.compile(r"\.(pcap|pcapng|cap)(\.gz)?$")
MIRROR = "http://deb.debian.org/debian"


def fetch(folder):
    """Fetches into this folder what is not there yet, and returns it. apt gets a list of its own, so that it needs neither root nor
    `deb-src` lines in the system's list."""
    folder = pathlib.Path(folder).resolve()
    done = folder / "complete"
    if done.exists() and done.read_text() == " ".join(PACKAGES):
        return folder
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME")
    if not codename:
        raise SystemExit("the captures are fetched by Debian's apt-get: elsewhere give a folder with them")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / "apt" / name).mkdir(parents=True, exist_ok=True)
    lines = folder / "apt/sources.list"
    lines.write_text(f"deb-src {MIRROR} {codename} main\n")
    options = {"Dir::Etc::sourcelist": lines, "Dir::Etc::sourceparts": "-", "Dir::State::lists": folder / "apt/lists", "Dir::Cache": folder / "apt/cache", "Acquire::Retries": 3}
    if os.geteuid() == 0:
        options["APT::Sandbox::User"] = "root"  # its usual user may not write here
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
    subprocess.run([*apt, "update"], check=True, timeout=300)
    # --tar-only: what the authors released, without Debian's changes, which older indexes name and newer mirrors no longer have.
    subprocess.run([*apt, "source", "--download-only", "--tar-only", *PACKAGES], cwd=folder, check=True, timeout=900)
    for archive in folder.glob("*.orig.tar.*"):
        if archive.suffix != ".asc":
            parts = PARTS.get(archive.name.split("_")[0], [])
            subprocess.run(["tar", "--extract", "--file", archive, *parts], cwd=folder, check=True, timeout=300)
            archive.unlink()
    done.write_text(" ".join(PACKAGES))
    return folder


def captures(folder):
    """The captures in this folder, in the order of their names."""
    return sorted(path for path in pathlib.Path(folder).rglob("*") if KINDS.search(path.name) and path.is_file())
