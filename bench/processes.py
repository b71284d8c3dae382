"""Processes of a row: started, found ready by their sockets, timed out, and ended by their own ids.

Not here: which programs a row runs (`rows/`).
"""

import os
import subprocess
import time
from contextlib import contextmanager

# No single process of a row may take longer, in seconds: a bench that hangs is a bug.
PATIENCE = 40

# How long a listener may take to stand, and a process to end once it is asked to, in seconds.
SOON = 10

# What the kernel calls a socket that listens: the table to look in, and the state in that table.
LISTENING = {"tcp": ("/proc/net/tcp", "0A"), "udp": ("/proc/net/udp", "07")}


def output_of(command, **options):
    """Standard output of a program that has to succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=True, **options)
    return done.stdout.decode()


@contextmanager
def running(command, **options):
    """A program beside the measured one: ended when the measurement is over, however it is over."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stderr", subprocess.DEVNULL)
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        end(process)


def end(process):
    """Asks a process to end, and after a while makes it."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=SOON)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def line_of(process):
    """The next line that a process says on its standard output."""
    line = process.stdout.readline().decode().strip()
    if not line:
        raise RuntimeError(f"{process.args[0]} said nothing")
    return line


def port_of(process, transport="tcp"):
    """The port on which a process listens on 127.0.0.1, once it does: any program, whatever it says about it."""
    bound = time.monotonic() + SOON
    while time.monotonic() < bound:
        ports = listening(sockets_of(process.pid), transport)
        if ports:
            return ports[0]
        if process.poll() is not None:
            raise RuntimeError(f"{' '.join(process.args)} ended with {process.returncode} before it listened")
        time.sleep(0.005)
    raise RuntimeError(f"{' '.join(process.args)} does not listen")


def sockets_of(pid):
    """The inodes of a process's sockets."""
    found = set()
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            target = os.readlink(entry.path)
            if target.startswith("socket:["):
                found.add(target[len("socket:[") : -1])
    except OSError:
        pass  # a descriptor that has just been closed, or the process has just gone
    return found


def listening(inodes, transport):
    table, state = LISTENING[transport]
    with open(table, encoding="ascii") as lines:
        entries = [line.split() for line in lines.read().splitlines()[1:]]
    return [int(entry[1].rpartition(":")[2], 16) for entry in entries if entry[3] == state and entry[9] in inodes]


def open_files(pid):
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def processor_time(pid):
    """Seconds that all threads of a process have run, in the kernel and outside."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as line:
            total += int(line.read().split()[0])
    return total / 1e9


def high_water(pid):
    """Most bytes of a process that were in memory at once; 0 when it has ended. `ru_maxrss` would be no measure: a child begins
    with the peak of the process that has forked it."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as lines:
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def resident(pid):
    """Bytes of a process that are in memory."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel does not say how much memory the process has")
