"""Builds both sides, and installs the peers that are missing: from the distribution, or from crates.io.

Not here: running anything that is measured.
"""

import os
import shutil
import subprocess

# Program -> the Debian package that has it.
PACKAGES = {
    "nc": "netcat-openbsd",
    "ncat": "ncat",
    "socat": "socat",
    "haproxy": "haproxy",
    "strace": "strace",
    "cc": "gcc",
    "openssl": "openssl",
    "stunnel": "stunnel4",
    "websockify": "websockify",
    "rsync": "rsync",
    "tshark": "tshark",
    "tcpflow": "tcpflow",
}
WEBSOCAT = "1.14.0"
WORMHOLE = "0.24.0"
SENDME = "0.37.1"


def do(command, **options):
    subprocess.run(command, check=True, timeout=1800, **options)


def install(missing):
    """apt is asked only for what is not there."""
    if not missing:
        return
    if os.geteuid() != 0:
        raise SystemExit(f"bench/run needs {' '.join(missing)}: apt-get install {' '.join(missing)}")
    do(["apt-get", "update", "-qq"], stdout=subprocess.DEVNULL)
    do(["apt-get", "install", "-y", "-qq", *missing], stdout=subprocess.DEVNULL)


def has_zmq():
    preprocess = ["cc", "-E", "-include", "zmq.h", "-x", "c", "/dev/null"]
    return subprocess.run(preprocess, capture_output=True).returncode == 0


def programs():
    install([package for program, package in PACKAGES.items() if shutil.which(program) is None])
    if not has_zmq():
        install(["libzmq3-dev"])


def websocat(home):
    """Without TLS, which the row does not use; not --locked: its lockfile holds a crate that no longer compiles."""
    root = home / "target/peers"
    binary = root / "bin/websocat"
    if not binary.exists():
        features = "unix_stdio,signal_handler,tokio-process"
        command = ["cargo", "install", "websocat", "--version", WEBSOCAT, "--no-default-features"]
        target = {**os.environ, "CARGO_TARGET_DIR": str(home / "target/websocat")}
        do([*command, "--features", features, "--quiet", "--root", str(root)], env=target)
    return binary


def wormhole(home):
    """magic-wormhole and a mailbox server for it, from PyPI: the directory of its programs."""
    root = home / "target/wormhole"
    if not (root / "bin/wormhole").exists():
        do(["python3", "-m", "venv", str(root)])
        packages = [f"magic-wormhole=={WORMHOLE}", "magic-wormhole-mailbox-server"]
        do([str(root / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", *packages])
    return root / "bin"


def sendme(home):
    """From crates.io: it takes some minutes to build."""
    root = home / "target/peers"
    binary = root / "bin/sendme"
    if not binary.exists():
        target = {**os.environ, "CARGO_TARGET_DIR": str(home / "target/sendme")}
        do(["cargo", "install", "sendme", "--version", SENDME, "--locked", "--quiet", "--root", str(root)], env=target)
    return binary


def c_programs(home):
    out = home / "target/c"
    out.mkdir(parents=True, exist_ok=True)
    headers = max(header.stat().st_mtime for header in (home / "c").glob("*.h"))
    for source in sorted((home / "c").glob("*.c")):
        binary = out / source.stem
        if binary.exists() and binary.stat().st_mtime > max(headers, source.stat().st_mtime):
            continue
        libraries = ["-lzmq"] if "#include <zmq.h>" in source.read_text() else []
        do(["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(binary), str(source), *libraries])


def rust(home):
    do(["cargo", "build", "--release", "--quiet", "--manifest-path", str(home / "Cargo.toml")])


def unstick(home):
    do(["cargo", "build", "--release", "--quiet", "--package", "unstick-cli"], cwd=home.parent)
    return home.parent / "target/release/unstick"


def first_line(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines()


def package_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return done.stdout or "of unknown version"


def versions(home):
    packages = ("netcat-openbsd", "ncat", "socat", "haproxy", "stunnel4", "websockify", "libzmq5", "rsync", "tshark", "tcpflow")
    found = {package: package_version(package) for package in packages}
    found["websocat"] = WEBSOCAT
    found["magic-wormhole"] = WORMHOLE
    found["sendme"] = SENDME
    found["rustc"] = first_line(["rustc", "--version"])[0].split()[1]
    lock = (home / "Cargo.lock").read_text().split("[[package]]")
    for entry in lock:
        fields = dict(line.split(" = ", 1) for line in entry.strip().splitlines() if " = " in line)
        if fields.get("name") in ('"tokio-util"', '"tokio"'):
            found[fields["name"].strip('"')] = fields["version"].strip('"')
    return found
