"""Long runs of `send` and `receive`, for ./soak files. Each part prints its figures, and fails if it does not meet its bar.

    ./soak files                 every part
    ./soak files kills [N]       kill -9 of either side at N random moments (200): the same commands complete
    ./soak files cuts [N]        reset, close or alter N connections (200) at random places: the same command completes
    ./soak files full            a disk that runs out of bytes or of inodes: the error names a file, and the same command completes
    ./soak files many [N]        N small files (100,000): identical, and under 64 MiB of memory on each side
    ./soak files sparse [GIB]    one sparse file of GIB GiB (20): its first byte arrives within a second, and all of it arrives
    ./soak files names           names with line feeds, invalid UTF-8, 255 bytes, right-to-left marks and leading dashes
    ./soak files hosts           two hosts in network namespaces: either side listens, over both IP versions and over IPv6 alone
    ./soak files clock           a receiver whose clock jumps by a year (faketime): the same command completes

Not here: short versions of these parts. They are tests of the program (`transfer_cuts`, `transfer_disks`).
"""

import base64
import hashlib
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

UNSTICK = os.environ.get("UNSTICK", "target/release/unstick")

# How long to wait for one program, in seconds, before the part fails.
PATIENCE = 600

MIB = 1 << 20

# The bar for resident memory on each side.
RESIDENT = 64 * MIB


class Missed(Exception):
    """A part did not meet its bar."""


def expect(holds, story):
    if not holds:
        raise Missed(story)


class Side:
    """A running `send` or `receive`, and its output."""

    def __init__(self, work, words, prefix=()):
        self.errors = tempfile.TemporaryFile(dir=work)
        self.lines = tempfile.TemporaryFile(dir=work)
        environment = {**os.environ, "UNSTICK_CONFIG": "", "XDG_STATE_HOME": str(work / "state")}
        command = [*prefix, UNSTICK, *map(str, words)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.lines, stderr=self.errors, env=environment
        )

    def said(self):
        return os.pread(self.errors.fileno(), MIB, 0).decode(errors="replace")

    def ticket(self):
        bound = time.monotonic() + PATIENCE
        while time.monotonic() < bound:
            found = re.search(r"(ust1_\S+)\n", self.said())
            if found:
                return found[1]
            expect(self.process.poll() is None, f"it ended before it printed a ticket: {self.said()}")
            time.sleep(0.005)
        raise Missed("no ticket")

    def ended(self):
        return self.process.poll() is not None

    def code(self):
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Missed(f"it does not end: {self.said()}") from None

    def peak(self):
        """Wait for the end; return the exit status and the peak of resident memory."""
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return self.process.returncode, usage.ru_maxrss * 1024

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def workplace():
    """Make a directory on the disk, with `source` and `inbox` in it."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("SOAK_DIR")) as folder:
        work = Path(folder)
        (work / "source").mkdir()
        (work / "inbox").mkdir()
        yield work


def plant(root, chance, large=48):
    """Write files of every size."""
    (root / "deep/er/empty").mkdir(parents=True)
    (root / "small").mkdir()
    (root / "large").write_bytes(chance.randbytes(large * MIB + 4321))
    (root / "deep/medium").write_bytes(chance.randbytes(3 * MIB))
    (root / "deep/er/nothing").touch()
    for number in range(500):
        (root / f"small/{number}").write_bytes(chance.randbytes(number * 20))


def tree(root):
    """Return the hash of every file below a directory, by path; None for a directory."""
    found = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in folders:
            found[os.path.relpath(os.path.join(folder, name), os.fsencode(root))] = None
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                path = os.path.relpath(file.name, os.fsencode(root))
                found[path] = hashlib.file_digest(file, "sha256").digest()
    return found


def same(work):
    here, there = tree(work / "source"), tree(work / "inbox")
    differing = sorted(path for path in here.keys() | there.keys() if here.get(path, 0) != there.get(path, 0))
    expect(not differing, f"{len(differing)} paths differ: {differing[:5]}")


def size(root):
    total = 0
    for folder, _, files in os.walk(root):
        for name in files:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except OSError:
                pass  # it has just been renamed
    return total


def inside(source):
    return sorted(source.iterdir())


def kills(count=200):
    """Kill the two sides in turn, each time after more bytes have arrived, and start the same command again."""
    chance, killed, transfers = random.Random(1), 0, 0
    while killed < count:
        with workplace() as work:
            plant(work / "source", chance)
            total = size(work / "source")
            receive = ["receive", work / "inbox"]
            receiver = Side(work, receive)
            send = ["send", *inside(work / "source"), "--to", receiver.ticket()]
            sender, transfers = Side(work, send), transfers + 1
            for turn in range(20):
                have = size(work / "inbox")
                goal = have + (total - have) * chance.random() / 6
                begun, pause = time.monotonic(), chance.random() / 2
                while size(work / "inbox") < goal and time.monotonic() < begun + pause and not receiver.ended():
                    time.sleep(0.001)
                if receiver.ended():
                    break
                killed += 1
                if turn % 2:
                    sender.kill()
                    sender = Side(work, send)
                else:
                    receiver.kill()
                    receiver = Side(work, receive)
            code = receiver.code()
            expect(code == 0, f"the receiver ended with {code}: {receiver.said()}")
            # A sender killed after its last message cannot know that the transfer is complete, and would wait for a receiver.
            if turn < 19 and not sender.ended():
                sender.kill()
            else:
                code = sender.code()
                expect(code == 0, f"the sender ended with {code}: {sender.said()}")
            same(work)
    return f"{killed} kills in {transfers} transfers"


def bridge(work, port, fault):
    side = Side(work, ["listen", "127.0.0.1:0", "--to", f"127.0.0.1:{port}", "--fault", fault])
    bound = time.monotonic() + 20
    while time.monotonic() < bound:
        found = re.search(r"listening on \S*?:(\d+)", side.said())
        if found:
            return side, int(found[1])
        time.sleep(0.005)
    raise Missed(f"no bridge: {side.said()}")


def cuts(count=200):
    """Reset, close or alter connections at random places; then make one without a fault."""
    chance, cut, transfers = random.Random(2), 0, 0
    while cut < count:
        with workplace() as work:
            plant(work / "source", chance)
            total = size(work / "source")
            receiver = Side(work, ["receive", work / "inbox"])
            ticket, transfers = receiver.ticket(), transfers + 1
            port = listening(receiver.process.pid)
            for _ in range(20):
                direction, most = chance.choice([("c2s", total // 3), ("s2c", 12_000)])
                kind = chance.choice(["reset", "close", "corrupt=1:1"])
                fault = f"{direction}:{kind},after={chance.randrange(most)}"
                middle, at = bridge(work, port, fault)
                sender = Side(work, ["send", *inside(work / "source"), "--to", readdressed(ticket, at)])
                bound = time.monotonic() + 60
                while "connecting again" not in sender.said() and not sender.ended():
                    expect(time.monotonic() < bound, f"{fault}: nothing happens")
                    time.sleep(0.002)
                sender.kill()
                middle.kill()
                cut += 1
                if receiver.ended():
                    break  # everything had arrived before the fault
            if receiver.ended():
                expect(receiver.code() == 0, f"{fault} ended the receiver: {receiver.said()}")
                same(work)
                continue
            sender = Side(work, ["send", *inside(work / "source"), "--to", ticket])
            codes = receiver.code(), sender.code()
            expect(codes == (0, 0), f"{codes}: {receiver.said()} {sender.said()}")
            same(work)
    return f"{cut} cuts in {transfers} transfers"


def listening(pid):
    """Return the port on which a process listens."""
    inodes = set()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(entry.path).removeprefix("socket:[").rstrip("]"))
        except OSError:
            pass  # it has just been closed
    for table in ("/proc/net/tcp6", "/proc/net/tcp"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                return int(fields[1].rpartition(":")[2], 16)
    raise Missed("it does not listen")


def readdressed(ticket, port):
    """Return the same ticket with another port of this machine."""
    digits = ticket.removeprefix("ust1_")
    fixed = base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4))[:48]
    payload = fixed + f"127.0.0.1:{port}".encode()
    return "ust1_" + base64.urlsafe_b64encode(payload + blake3(payload)[:4]).decode().rstrip("=")


IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
QUARTERS = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]  # fmt: skip
CHUNK_START, CHUNK_END, ROOT = 1, 2, 8


def blake3(text):
    """Return the BLAKE3 hash of one chunk: at most 1,024 bytes."""
    chain, blocks = IV, [text[at : at + 64] for at in range(0, len(text), 64)]
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        flags = CHUNK_START * (number == 0) | (CHUNK_END | ROOT) * last
        words = list(struct.unpack("<16I", block.ljust(64, b"\0")))
        state = [*chain, *IV[:4], 0, 0, len(block), flags]
        for _ in range(7):
            for turn, (a, b, c, d) in enumerate(QUARTERS):
                for word, shifts in ((words[2 * turn], (16, 12)), (words[2 * turn + 1], (8, 7))):
                    state[a] = (state[a] + state[b] + word) & 0xFFFFFFFF
                    state[d] = rotated(state[d] ^ state[a], shifts[0])
                    state[c] = (state[c] + state[d]) & 0xFFFFFFFF
                    state[b] = rotated(state[b] ^ state[c], shifts[1])
            words = [words[at] for at in ORDER]
        chain = [state[at] ^ state[at + 8] for at in range(8)]
    return struct.pack("<8I", *chain)


def rotated(word, by):
    return (word >> by | word << (32 - by)) & 0xFFFFFFFF


def namespace(work, script, *words):
    shell = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-euc", script]
    side = Side.__new__(Side)
    side.errors, side.lines = tempfile.TemporaryFile(dir=work), tempfile.TemporaryFile(dir=work)
    environment = {**os.environ, "UNSTICK_CONFIG": "", "XDG_STATE_HOME": str(work / "state")}
    side.process = subprocess.Popen(
        [*shell, os.path.abspath(UNSTICK), *map(str, words)],
        stdin=subprocess.DEVNULL, stdout=side.lines, stderr=side.errors, env=environment,
    )  # fmt: skip
    return side


def full(_=None):
    """Fill the disk: first with bytes, then with files."""
    for limit, roomy in (("size=20m", "size=200m"), ("nr_inodes=40", "nr_inodes=10000")):
        with workplace() as work:
            plant(work / "source", random.Random(3))
            script = (
                f'mount -t tmpfs -o {limit} none "$1"; cd "$1"; "$0" receive . && exit 9; '
                f'mount -o remount,{roomy} "$1"; "$0" receive . && cp -a . "$2"'
            )
            (work / "mount").mkdir()
            receiver = namespace(work, script, work / "mount", work / "inbox")
            send = ["send", *inside(work / "source"), "--to", receiver.ticket()]
            sender = Side(work, send)
            code = sender.code()
            named = re.search(r"(large|small/\d+|deep/\S+): .*(room|space)", sender.said())
            expect(code == 1 and named, f"{limit}: {code} {sender.said()}")
            sender = Side(work, send)
            codes = sender.code(), receiver.code()
            expect(codes == (0, 0), f"{limit}: {codes} {sender.said()} {receiver.said()}")
            same(work)
    return "by bytes and by numbers of files"


def transfer(work):
    """Run a whole transfer. Return the seconds it took, and the peaks of resident memory of receiver and sender."""
    receiver = Side(work, ["receive", work / "inbox"])
    ticket = receiver.ticket()
    begun = time.monotonic()
    sender = Side(work, ["send", *inside(work / "source"), "--to", ticket])
    (sent, sender_peak), (received, receiver_peak) = sender.peak(), receiver.peak()
    taken = time.monotonic() - begun
    expect((received, sent) == (0, 0), f"{received} {sent}: {receiver.said()} {sender.said()}")
    return taken, receiver_peak, sender_peak


def many(count=100_000):
    """Send small files, and measure memory."""
    with workplace() as work:
        chance = random.Random(4)
        for number in range(count):
            folder = work / f"source/all/{number // 1000}"
            if number % 1000 == 0:
                folder.mkdir(parents=True)
            (folder / f"file-{number:06}.txt").write_bytes(chance.randbytes(number % 400))
        taken, receiver, sender = transfer(work)
        same(work)
        figures = f"{count} files in {taken:.1f} s; receiver {receiver / MIB:.1f} MiB, sender {sender / MIB:.1f} MiB"
        expect(max(receiver, sender) < RESIDENT, figures)
        return figures


def sparse(gib=20):
    """Send a file with a few bytes at either end and a hole in between."""
    with workplace() as work:
        path = work / "source/huge"
        with open(path, "wb") as file:
            file.write(b"first")
            file.truncate(gib << 30)
            file.seek(-4, os.SEEK_END)
            file.write(b"last")
        receiver = Side(work, ["receive", work / "inbox"])
        ticket = receiver.ticket()
        begun = time.monotonic()
        sender = Side(work, ["send", path, "--to", ticket])
        while not any(part.stat().st_size for part in (work / "inbox/.unstick").glob("*.part")):
            expect(time.monotonic() < begun + 10, "nothing comes")
            time.sleep(0.001)
        first = time.monotonic() - begun
        codes = sender.code(), receiver.code()
        expect(codes == (0, 0), f"{codes}: {receiver.said()} {sender.said()}")
        taken = time.monotonic() - begun
        here, there = path.stat(), (work / "inbox/huge").stat()
        expect(here.st_size == there.st_size, "another size")
        with open(work / "inbox/huge", "rb") as file:
            ends = file.read(5), file.seek(-4, os.SEEK_END) and file.read(4)
        expect(ends == (b"first", b"last"), f"{ends}")
        expect(first < 1, f"the first byte came after {first:.2f} s")
        blocks = there.st_blocks * 512 / MIB
        return f"{gib} GiB in {taken:.1f} s, the first byte after {first * 1000:.0f} ms; {blocks:.1f} MiB on the disk"


NAMES = [
    b"line\nfeed", b"\xff\xfe invalid", b"x" * 255, "\u202eright-to-left\u202c".encode(), b"-rf", b"--", b" ", b"\x1b[31mred",
    b"a\\b", b"C:", b"con", "\u00e9".encode(), "e\u0301".encode(), b"~", b"$(id)", b"*", b"\x7f", "😀".encode(),
]  # fmt: skip


def names(_=None):
    """Send files and directories with odd names."""
    with workplace() as work:
        root = os.fsencode(work / "source")
        for name in NAMES:
            folder = os.path.join(root, b"odd", name)
            os.makedirs(folder)
            for inner in NAMES:
                with open(os.path.join(folder, inner), "wb") as file:
                    file.write(name + inner)
        taken, _, _ = transfer(work)
        same(work)
        return f"{len(NAMES) ** 2} files in {taken:.1f} s"


def hosts(_=None):
    """Connect two hosts: a pair of network interfaces in two namespaces, inside a user namespace that may create them."""
    inner = f'exec "{sys.executable}" "{os.path.abspath(__file__)}" between-hosts'
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-euc", inner], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)  # fmt: skip
    expect(done.returncode == 0, done.stdout + done.stderr)
    return done.stdout.strip()


def between_hosts():
    """Run inside the namespace of `hosts`."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    far = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
    try:
        bound = time.monotonic() + 10
        while os.readlink(f"/proc/{far.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            expect(time.monotonic() < bound, "no second host")
            time.sleep(0.01)
        enter = ["nsenter", "--net", f"--target={far.pid}"]
        for command in (
            ["ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(far.pid)],
            ["ip", "link", "set", "near", "up"],
            [*enter, "ip", "link", "set", "far", "up"],
            [*enter, "ip", "link", "set", "lo", "up"],
        ):
            subprocess.run(command, check=True)
        runs = []
        for family, near, there in (("IPv6 only", "fd12::1/64", "fd12::2/64"), ("both", "10.77.0.1/24", "10.77.0.2/24")):
            no_check = ["nodad"] if ":" in near else []
            subprocess.run(["ip", "address", "add", near, "dev", "near", *no_check], check=True)
            subprocess.run([*enter, "ip", "address", "add", there, "dev", "far", *no_check], check=True)
            for waits in ("receive", "send"):
                with workplace() as work:
                    plant(work / "source", random.Random(5), large=8)
                    receive, send = ["receive", work / "inbox"], ["send", *inside(work / "source")]
                    first, second, option = (receive, send, "--to") if waits == "receive" else (send, receive, "--from")
                    first = Side(work, first)
                    second = Side(work, [*second, option, first.ticket()], enter)
                    codes = second.code(), first.code()
                    expect(codes == (0, 0), f"{family}, {waits} waits: {codes} {first.said()} {second.said()}")
                    same(work)
                    runs.append(f"{family}: {waits} listens")
        print("; ".join(runs))
    finally:
        far.kill()
        far.wait()


def clock(_=None):
    """Start the receiver at other times: a year ahead, a year back, and with a clock that runs 50 times too fast."""
    faketime = shutil.which("faketime")
    expect(faketime, "this part needs faketime: apt-get install faketime")
    with workplace() as work:
        plant(work / "source", random.Random(6))
        total, sender = size(work / "source"), None
        for turn, jump in enumerate(("+365d", "-365d", "+1d x50", "-2y")):
            receiver = Side(work, ["receive", work / "inbox"], [faketime, "-f", jump])
            if sender is None:
                sender = Side(work, ["send", *inside(work / "source"), "--to", receiver.ticket()])
            begun = time.monotonic()
            while size(work / "inbox") < total * (turn + 1) / 5 and not receiver.ended():
                expect(time.monotonic() < begun + 120, f"{jump}: it does not go on: {receiver.said()} {sender.said()}")
                time.sleep(0.001)
            # faketime runs the receiver as its child, so both are killed.
            if not receiver.ended():
                below = children(receiver.process.pid)
                subprocess.run(["kill", "-9", *below, str(receiver.process.pid)], check=False)
                receiver.process.wait()
                # The next one needs the port of the child, which nobody here can wait for.
                while any(Path(f"/proc/{pid}").exists() for pid in below):
                    time.sleep(0.001)
        receiver = Side(work, ["receive", work / "inbox"])
        codes = receiver.code(), sender.code()
        expect(codes == (0, 0), f"{codes}: {receiver.said()} {sender.said()}")
        same(work)
        return "a year ahead, a year back, 50 times too fast"


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


PARTS = {part.__name__: part for part in (names, full, hosts, clock, many, sparse, kills, cuts)}


def main(words):
    if words[:1] == ["between-hosts"]:
        return between_hosts()
    if words and words[0] not in PARTS:
        sys.exit(__doc__)
    amount = [int(words[1])] if len(words) > 1 else []
    failed = False
    for name in words[:1] or PARTS:
        begun = time.monotonic()
        try:
            verdict = f"met: {PARTS[name](*amount)}"
        except Missed as missed:
            verdict, failed = f"FAILED {missed}", True
        print(f"== files {name}: {verdict} ({time.monotonic() - begun:.1f} s)", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])
