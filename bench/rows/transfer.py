"""File transfers: `send` and `receive` beside the programs that people use."""

import atexit
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from measure import Bar, Row, Side
from processes import PATIENCE, high_water, port_of, running

MIB = 1 << 20

WHERE = (
    "Source and target lie in memory (/dev/shm) for every side: the programs are measured, and not the disk. Before each run twice as much memory is "
    "written and freed again, because a virtual machine may get it from its host only then. "
)
LARGE = (
    WHERE + "One file of 2 GiB of random bytes. The time is from the start of the program that sends to the end of the last program. "
)
ENCRYPTED = (
    LARGE + "`unstick receive DIR` and `unstick send FILE --to TICKET`: TLS 1.3, BLAKE3 on both sides, flushed. magic-wormhole from PyPI with a mailbox "
    "server of its own on this machine: `wormhole receive --accept-file` and `wormhole send`, directly. sendme from crates.io, without relays: `sendme send "
    "--relay disabled` and `sendme receive`, until the receiver has ended. croc is written in Go; neither crates.io, PyPI nor Debian 12 has it."
)
AGAINST_RSYNC = (
    LARGE + "`rsync --daemon` and `rsync FILE rsync://...`, without encryption; rsync's own checksum of the whole file is on, as it is by default."
)
PLAIN = LARGE + "`--plain` verifies SHA-256; `nc -l` and `nc -N`, `socat -u` with its default buffer verify nothing."
SMALL = (
    "20,000 files of 4 KiB in 20 directories, on the disk that the bench lies on. `unstick`: until both have ended, with every file flushed. "
    "`rsync -a` to a daemon, then `sync`."
)
RESUMED = (
    WHERE + "The receiver is killed when 90 % of 2 GiB have come, and started again. The rate is of the bytes that were left by its journal, from the start of the "
    "sender. Against it: a new file of 10 %, while as much lies in memory as for the other."
)
MEMORY = "100,000 files of up to 400 bytes: the larger of the two peaks of resident memory, of sender and receiver."


def environment(work):
    return {**os.environ, "UNSTICK_CONFIG": "", "XDG_STATE_HOME": str(work / "state")}


def touch_memory(folder, size):
    """Write twice what the target will take, if there is room, and free it: who first writes memory may wait for the host to give it."""
    path, zeros = folder / "touched", bytes(MIB)
    with open(path, "wb") as file:
        for _ in range(0, min(2 * size, shutil.disk_usage(folder).free), MIB):
            file.write(zeros)
    path.unlink()


@contextmanager
def workplace(bench, in_memory=True):
    where = bench.memory if in_memory else bench.home / "target"
    with tempfile.TemporaryDirectory(dir=where, prefix="unstick-bench-") as folder:
        if in_memory and bench.memory:
            touch_memory(Path(folder), large(bench))
        yield Path(folder)


def source(bench, size):
    """Return the path of a file of random bytes, which is made once in a run."""
    path = Path(bench.memory or bench.home / "target") / f"unstick-bench-{size}-{os.getpid()}"
    if not path.exists():
        atexit.register(path.unlink)
        with open(path, "wb") as file:
            for _ in range(0, size, MIB):
                file.write(os.urandom(min(MIB, size)))
    return path


class Receiver:
    """A running `unstick receive`, and the ticket that it prints."""

    def __init__(self, bench, work, into):
        command = [bench.built["unstick"], "receive", str(into)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(work)
        )
        said = ""
        while not (found := re.search(r"(ust1_\S+)\n", said)):
            line = self.process.stderr.readline().decode()
            if not line:
                raise RuntimeError(f"unstick receive ended: {said}")
            said += line
        self.ticket = found[1]

    def end(self):
        status = self.process.wait(PATIENCE)
        self.process.stderr.close()
        if status != 0:
            raise RuntimeError(f"unstick receive ended with {status}")


def sends(bench, work, paths, ticket):
    command = [bench.built["unstick"], "send", *map(str, paths), "--to", ticket]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(work), timeout=PATIENCE
    )
    if done.returncode != 0:
        raise RuntimeError(f"unstick send ended with {done.returncode}: {done.stderr.decode()[-300:]}")


def transfer(bench, work, paths):
    """Run a whole transfer, and return how many seconds it took."""
    receiver = Receiver(bench, work, work / "in")
    begun = time.monotonic()
    sends(bench, work, paths, receiver.ticket)
    receiver.end()
    return time.monotonic() - begun


def large(bench):
    return bench.scale(2 << 30, 128 * MIB)


def encrypted(bench):
    with workplace(bench) as work:
        size = large(bench)
        return size / transfer(bench, work, [source(bench, size)])


@contextmanager
def rsync_daemon(work):
    """Run an rsync daemon that receives files into `in`, and yield its port."""
    (work / "in").mkdir()
    owner = f"uid = {os.getuid()}\ngid = {os.getgid()}\n" if os.getuid() == 0 else ""
    config = work / "rsyncd.conf"
    config.write_text(f"use chroot = no\n{owner}[in]\npath = {work}/in\nread only = no\n")
    for port in range(20_000 + os.getpid() % 10_000, 40_000):
        command = ["rsync", "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={config}"]
        with running(command) as daemon:
            try:
                yield port_of(daemon)
                return
            except RuntimeError:
                continue  # another program has the port


def rsync(bench):
    with workplace(bench) as work, rsync_daemon(work) as port:
        size = large(bench)
        begun = time.monotonic()
        subprocess.run(["rsync", str(source(bench, size)), f"rsync://127.0.0.1:{port}/in/"], check=True, timeout=PATIENCE)
        return size / (time.monotonic() - begun)


def wormhole(bench):
    """Use a mailbox server of this run, and no transit relay."""
    home = bench.built["wormhole"]
    with workplace(bench) as work:
        command = [f"{home}/twist", "wormhole-mailbox", "--port=tcp:0:interface=127.0.0.1", f"--channel-db={work}/db", f"--usage-db={work}/usage"]
        with running(command, cwd=work, stdout=subprocess.DEVNULL) as server:
            both = [f"{home}/wormhole", f"--relay-url=ws://127.0.0.1:{port_of(server)}/v1", "--transit-helper="]
            size, code = large(bench), "1-bench-mark"
            path = source(bench, size)
            begun = time.monotonic()
            with running([*both, "send", "--hide-progress", f"--code={code}", str(path)], stdout=subprocess.DEVNULL) as sender:
                receive = [*both, "receive", "--hide-progress", "--accept-file", "-o", str(work / "file"), code]
                subprocess.run(receive, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE)
                if sender.wait(PATIENCE) != 0:
                    raise RuntimeError("wormhole send failed")
            return size / (time.monotonic() - begun)


def sendme(bench):
    """Name the sender's own addresses in its ticket, so that it needs neither a relay nor a name server."""
    offline = ["--no-progress", "--relay", "disabled"]
    with workplace(bench) as work:
        size = large(bench)
        path, target = source(bench, size), work / "in"
        target.mkdir()
        begun = time.monotonic()
        send = [bench.built["sendme"], "send", *offline, "--ticket-type", "addresses", str(path)]
        with running(send, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as sender:
            ticket = None
            while ticket is None:
                line = sender.stdout.readline().decode()
                if not line:
                    raise RuntimeError("sendme send ended without a ticket")
                ticket = re.search(r"sendme receive (\S+)", line)
            receive = [bench.built["sendme"], "receive", *offline, ticket[1]]
            subprocess.run(receive, cwd=target, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE)
            taken = time.monotonic() - begun
        if (target / path.name).stat().st_size != size:
            raise RuntimeError("bytes were lost")
        return size / taken


def plain(bench):
    with workplace(bench) as work:
        size = large(bench)
        path = source(bench, size)
        receive = [bench.built["unstick"], "receive", "--plain", "127.0.0.1:0", str(work / "in"), "--count", "1"]
        with running(receive, env=environment(work), stdout=subprocess.DEVNULL) as receiver:
            port = port_of(receiver)
            begun = time.monotonic()
            send = [bench.built["unstick"], "send", str(path), "--to", f"127.0.0.1:{port}", "--plain"]
            subprocess.run(send, check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
            receiver.wait(PATIENCE)
            return size / (time.monotonic() - begun)


def unverified(listen, connect):
    def once(bench):
        with workplace(bench) as work, open(work / "in", "wb") as target:
            size = large(bench)
            with running(listen, stdout=target) as listener, open(source(bench, size), "rb") as file:
                port = port_of(listener)
                begun = time.monotonic()
                subprocess.run(connect(port), stdin=file, check=True, timeout=PATIENCE)
                listener.wait(PATIENCE)
                taken = time.monotonic() - begun
            if (work / "in").stat().st_size != size:
                raise RuntimeError("bytes were lost")
            return size / taken

    return once


def planted(work, count, size):
    """Write small files, a thousand in each directory."""
    root = work / "many"
    for number in range(count):
        folder = root / str(number // 1000)
        if number % 1000 == 0:
            folder.mkdir(parents=True)
        (folder / f"file-{number:06}").write_bytes(os.urandom(size(number)))
    os.sync()
    return root


def small(bench):
    with workplace(bench, in_memory=False) as work:
        count = bench.scale(20_000, 2_000)
        return count / transfer(bench, work, [planted(work, count, lambda _: 4096)])


def small_rsync(bench):
    with workplace(bench, in_memory=False) as work, rsync_daemon(work) as port:
        count = bench.scale(20_000, 2_000)
        root = planted(work, count, lambda _: 4096)
        begun = time.monotonic()
        subprocess.run(["rsync", "-a", str(root), f"rsync://127.0.0.1:{port}/in/"], check=True, timeout=PATIENCE)
        os.sync()
        return count / (time.monotonic() - begun)


def resumed(bench):
    with workplace(bench) as work:
        size = large(bench)
        path = source(bench, size)
        receiver = Receiver(bench, work, work / "in")
        send = [bench.built["unstick"], "send", str(path), "--to", receiver.ticket]
        state = work / "in/.unstick"
        with running(send, env=environment(work), stdout=subprocess.DEVNULL):
            while sum(part.stat().st_size for part in state.glob("*.part")) < size * 0.9:
                time.sleep(0.0005)
            receiver.process.send_signal(signal.SIGKILL)
            receiver.process.wait()
        records = (sum(journal.stat().st_size for journal in state.glob("*.journal")) - 48) // 40
        return (size - records * MIB) / transfer(bench, work, [path])


def bare(bench):
    with workplace(bench) as work:
        whole = large(bench)
        # As much lies in memory as when the other side begins: pages that were freed just before are given out faster than others.
        shutil.copyfile(source(bench, whole), work / "held")
        os.truncate(work / "held", whole // 10 * 9)
        size = whole // 10 // MIB * MIB
        return size / transfer(bench, work, [source(bench, size)])


def memory(bench):
    with workplace(bench, in_memory=False) as work:
        root = planted(work, bench.scale(100_000, 5_000), lambda number: number % 400)
        receiver = Receiver(bench, work, work / "in")
        command = [bench.built["unstick"], "send", str(root), "--to", receiver.ticket]
        sender = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment(work))
        peak = 0
        while alive := [process for process in (sender, receiver.process) if process.poll() is None]:
            peak = max([peak, *(high_water(process.pid) for process in alive)])
            time.sleep(0.02)
        for process in (sender, receiver.process):
            if process.returncode != 0:
                raise RuntimeError(f"it ended with {process.returncode}")
        shutil.rmtree(root)
        return peak


NEEDS = frozenset({"unstick"})
ROWS = [
    Row(
        name="transfer-encrypted",
        what="a file of 2 GiB, encrypted and verified",
        unit="B/s",
        more_is_better=True,
        sides=[Side("unstick", encrypted), Side("magic-wormhole", wormhole), Side("sendme", sendme)],
        bar=Bar("at_least", 2),
        how=ENCRYPTED,
        needs=frozenset({"unstick", "wormhole", "sendme"}),
        rounds=3,
    ),
    Row(
        name="transfer-rsync",
        what="the same, against rsync without encryption",
        unit="B/s",
        more_is_better=True,
        sides=[Side("unstick", encrypted), Side("rsync --daemon", rsync)],
        bar=Bar("at_least", 1),
        how=AGAINST_RSYNC,
        needs=NEEDS,
        rounds=5,
    ),
    Row(
        name="transfer-plain",
        what="a file of 2 GiB by `--plain`, verified",
        unit="B/s",
        more_is_better=True,
        sides=[
            Side("unstick", plain),
            Side("netcat-openbsd", unverified(["nc", "-l", "127.0.0.1", "0"], lambda port: ["nc", "-N", "127.0.0.1", str(port)])),
            Side(
                "socat",
                unverified(["socat", "-u", "TCP-LISTEN:0,bind=127.0.0.1", "-"], lambda port: ["socat", "-u", "-", f"TCP:127.0.0.1:{port}"]),
            ),
        ],
        bar=Bar("at_least", 0.8),
        how=PLAIN,
        needs=NEEDS,
        rounds=5,
    ),
    Row(
        name="transfer-small",
        what="20,000 files of 4 KiB, flushed to disk",
        unit="files/s",
        more_is_better=True,
        sides=[Side("unstick", small), Side("rsync, then sync", small_rsync)],
        bar=Bar("at_least", 1),
        how=SMALL,
        needs=NEEDS,
        rounds=5,
    ),
    Row(
        name="transfer-resumed",
        what="the rest of 2 GiB after a cut at 90 %",
        unit="B/s",
        more_is_better=True,
        sides=[Side("unstick", resumed), Side("unstick, a new file of 10 %", bare)],
        bar=Bar("at_least", 0.85),
        how=RESUMED,
        needs=NEEDS,
        rounds=5,
    ),
    Row(
        name="transfer-memory",
        what="resident memory with 100,000 files",
        unit="B",
        more_is_better=False,
        sides=[Side("unstick", memory)],
        bar=Bar("under", 64 * MIB),
        how=MEMORY,
        needs=NEEDS,
        rounds=1,
    ),
]
