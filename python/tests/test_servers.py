"""Servers that tests start once, and cases in a fixed order."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
import time

import pytest

import unstick
from unstick import serving
from unstick.serving import Server, StartError

ECHO = """
    import os, sys, threading, unstick
    print("serves on", sys.argv[1], flush=True)
    def serve(link):
        with link:
            for message in link:
                link.send(message)
    for link in unstick.listen("127.0.0.1:" + sys.argv[1], "u32be"):
        threading.Thread(target=serve, args=(link,)).start()
"""

# Notes how many conversations have been open at once.
COUNTS = """
    import pathlib, sys, threading, unstick
    lock, now = threading.Lock(), set()
    def serve(link):
        with lock:
            now.add(link)
            with open(sys.argv[2], "a") as file:
                print(len(now), file=file)
        for message in link:
            link.send(message)
        with lock:
            now.discard(link)
        link.close()
    for link in unstick.listen("127.0.0.1:" + sys.argv[1], "u32be"):
        threading.Thread(target=serve, args=(link,)).start()
"""


def script(folder, body):
    path = folder / "server.py"
    path.write_text(textwrap.dedent(body))
    return path


def is_running(pid):
    # A process that has ended, but whose parent has not asked for its status, is not running.
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return told.stdout.strip() not in ("", "Z")


def wait_until(holds):
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until, "20 seconds were not enough"
        time.sleep(0.01)


@pytest.mark.parametrize("words", [False, True], ids=["line", "words"])
def test_a_server_listens_once_it_is_made_and_ends_with_its_block(tmp_path, words):
    path = script(tmp_path, ECHO)
    command = [sys.executable, str(path), "{port}"] if words else f"{sys.executable} {path} $UNSTICK_PORT"
    with Server(command) as server:
        with unstick.connect(server.address, "u32be", timeout=20) as link:
            link.send(b"hello")
            assert link.recv() == b"hello"
        assert server.output == f"serves on {server.port}\n"
        assert is_running(server.pid)
    assert not is_running(server.pid)
    with pytest.raises(ConnectionRefusedError):
        unstick.connect(server.address, "u32be")
    server.close()


def test_closing_ends_what_the_server_started_even_if_it_ignores_sigterm(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "END_TIME", 0.1)
    path = script(tmp_path, "\n    import signal\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)" + ECHO)
    with Server(f"{sys.executable} {path} {{port}}; echo over") as server:
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.pid)], capture_output=True, text=True)
        (child,) = children.stdout.split()
        assert is_running(child)
    assert not is_running(server.pid)
    wait_until(lambda: not is_running(child))


def test_a_server_that_ends_says_what_it_printed():
    with pytest.raises(StartError, match=r"ended with status 3 before it listened:\n  no such table: \\x1b"):
        Server("printf 'no such table: \\033[31m'; exit 3")


def test_a_server_that_listens_elsewhere_is_reported_and_ended(tmp_path):
    with pytest.raises(StartError, match=r"does not listen on 127.0.0.1:\d+ after 0.2 seconds; it must take its port"):
        Server(f"echo $$ > {tmp_path / 'pid'}; exec sleep 600", timeout=0.2)
    assert not is_running((tmp_path / "pid").read_text().strip())


def test_a_server_that_lost_its_port_to_another_program_gets_another(tmp_path):
    once = f"if [ ! -e {tmp_path}/was ]; then touch {tmp_path}/was; echo '[Errno 98] Address already in use'; exit 1; fi"
    with Server(f"{once}; exec {sys.executable} {script(tmp_path, ECHO)} {{port}}") as server:
        assert server.output == f"serves on {server.port}\n"
    with pytest.raises(StartError, match="EADDRINUSE"):
        Server(f"echo >> {tmp_path}/starts; echo EADDRINUSE; exit 1")
    assert len((tmp_path / "starts").read_text()) == serving.STARTS


def test_no_more_of_the_output_is_kept_than_its_end(tmp_path):
    noise = "\n    import os\n    os.write(1, b'x' * 300_000)\n    os.write(1, b'last\\n')"
    with Server(f"{sys.executable} {script(tmp_path, noise + ECHO)} {{port}}") as server:
        end = f"last\nserves on {server.port}\n"
        # The line was printed before the server listened, and the pipe may still hold it.
        wait_until(lambda: server.output.endswith(end))
        assert server.output == "x" * (serving.OUTPUT_KEPT - len(end)) + end


def test_looking_whether_it_listens_is_no_connection(tmp_path):
    once = """
        import socket, sys
        with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
            connection, _ = listener.accept()
            connection.sendall(b"first")
    """
    with (
        Server(f"{sys.executable} {script(tmp_path, once)} {{port}}") as server,
        socket.create_connection((server.host, server.port), 20) as sock,
    ):
        assert sock.recv(5, socket.MSG_WAITALL) == b"first"


# ---- in pytest ----


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_a_server_is_started_once_for_all_tests(pytester, workers):
    path = script(pytester.path, ECHO)
    pytester.makepyfile(f"""
        import sys, pytest

        @pytest.fixture(scope="session")
        def server(shake_server):
            with open("starts", "a") as file:
                print("start", file=file)
            server = shake_server(sys.executable + " {path} {{port}}")
            with open("pids", "a") as file:
                print(server.pid, file=file)
            return server

        @pytest.mark.parametrize("message", [b"one", b"two", b"three", b"four"])
        def test_it(shake, server, message):
            shake.running(server, frame="u32be", send=[message])
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--shake-depth", "4", *workers)
    result.assert_outcomes(passed=4)
    pids = (pytester.path / "pids").read_text().split()
    assert len(pids) == (2 if workers else 1), "one for each worker"
    assert not any(map(is_running, pids))


def test_servers_end_in_the_reverse_order_of_their_start(pytester):
    logs = """
        import signal, sys, time, unstick
        def ends(*_):
            time.sleep(0.2)  # as a server that has something to save
            print(sys.argv[2], file=open("ends", "a"))
            sys.exit()
        signal.signal(signal.SIGTERM, ends)
        for link in unstick.listen("127.0.0.1:" + sys.argv[1], "u32be"):
            pass
    """
    path = script(pytester.path, logs)
    pytester.makepyfile(f"""
        import sys
        def test_it(shake_server):
            first = shake_server(sys.executable + " {path} {{port}} first")
            second = shake_server([sys.executable, "{path}", "{{port}}", "second"])
            assert first.port != second.port
    """)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
    assert (pytester.path / "ends").read_text().split() == ["second", "first"]


def test_a_failure_shows_what_the_running_server_printed(pytester):
    broken = """
        import socket, sys
        with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
            while True:
                connection, _ = listener.accept()
                with connection:
                    while data := connection.recv(4096):
                        print("took", len(data), "bytes", flush=True)
                        connection.sendall(data[:4] + data[4:].upper())
    """
    path = script(pytester.path, broken)
    pytester.makepyfile(f"""
        import sys
        def test_it(shake, shake_server):
            server = shake_server(sys.executable + " {path} {{port}}")
            shake.running(server, frame="u32be", send=[b"hello", b"world"])
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--shake-depth", "12")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*BROKEN*", "*Captured server call*", "*took * bytes*"])


def test_cases_in_order_run_one_after_another(tmp_path, shake):
    path = script(tmp_path, COUNTS)
    most = {}
    for in_order in (False, True):
        log = tmp_path / f"{in_order}"
        with Server(f"{sys.executable} {path} {{port}} {log}") as server:
            shake.running(server, frame="u32be", send=[b"hello", b"world"], in_order=in_order)
        most[in_order] = max(map(int, log.read_text().split()))
    assert most[True] == 1
    assert most[False] > 1, "otherwise the test shows nothing"
