"""That what the README and the examples show is so."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import unstick

HOME = Path(__file__).parents[1]


def blocks():
    return re.findall(r"```python\n(.*?)```", (HOME / "README.md").read_text(), re.S)


def test_the_code_of_the_readme_runs(capsys):
    first, second, _ = blocks()
    with unstick.listen("127.0.0.1:0", "struct:i") as listener:

        def serve():
            with listener.accept() as link:
                for message in link:
                    link.send(message.upper())

        server = threading.Thread(target=serve)
        server.start()
        assert "127.0.0.1:8080" in second
        exec(first + second.replace("127.0.0.1:8080", listener.address), {})
        server.join()
    assert capsys.readouterr().out == "b'HELLO'\n"


def test_the_tests_of_the_readme_run(pytester):
    shutil.copy(HOME / "examples" / "server.py", pytester.path)
    parser = "class MyParser:\n    def feed(self, data):\n        yield from data\n"
    pytester.makepyfile(parser + blocks()[2])
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "--shake-depth", "8").assert_outcomes(passed=3)


def test_the_examples_pass(tmp_path):
    for file in (HOME / "examples").glob("*.py"):
        shutil.copy(file, tmp_path)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_with_pytest.py", "test_with_unittest.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "4 passed" in done.stdout, done.stdout + done.stderr
