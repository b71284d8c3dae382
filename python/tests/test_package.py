"""The package as it is installed: its program, its types, what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import unstick
from unstick import program


def run(*words):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120)


def test_it_is_installed_and_not_the_source_tree():
    assert Path(unstick.__file__).parents[1] != Path(__file__).parents[1]
    assert (Path(unstick.__file__).parent / "py.typed").exists()


def test_the_program_comes_with_it_in_the_same_version():
    assert Path(program.path()).resolve() == (Path(sys.prefix) / "bin" / "unstick").resolve()
    told = run("-m", "unstick", "--version")
    assert told.stdout.splitlines()[0].split()[:2] == ["unstick", unstick.__version__], told.stderr
    assert run("-m", "unstick", "connect").returncode == 2


WITHOUT_PROGRAM = """
import os, runpy, sysconfig
os.environ["PATH"] = ""
os.environ.pop("UNSTICK", None)
sysconfig.get_path = lambda name: "/nowhere"
runpy.run_module("unstick", run_name="__main__")
"""


def test_without_the_program_it_says_how_to_get_it():
    # As after an installation from the source package.
    told = run("-c", WITHOUT_PROGRAM)
    assert told.returncode == 1
    assert "`cargo install unstick-cli` builds it" in told.stderr
    assert "Traceback" not in told.stderr


def test_importing_it_loads_nothing_that_is_slow():
    loaded = run("-c", "import sys, unstick; print(*sys.modules)").stdout.split()
    assert "unstick" in loaded
    assert not {"typing", "asyncio", "subprocess", "re"} & set(loaded)


def test_the_stubs_are_those_of_the_module():
    told = run("-m", "mypy.stubtest", "unstick._unstick", "--ignore-disjoint-bases")
    assert told.returncode == 0, told.stdout


def test_the_plugin_needs_pytest_only_where_pytest_runs():
    assert run("-c", "import unstick.shaking, unstick.aio, sys; assert 'pytest' not in sys.modules").returncode == 0
