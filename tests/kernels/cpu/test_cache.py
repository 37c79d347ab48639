"""Kernels are kept where nobody else can write, damaged files are as good as none, and none is needed to compute."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minicnn.kernels.cpu.cache import SOURCES, UNUSED, claim

SMALL_KERNELS = """
import os, pickle, random, resource, sys
from pathlib import Path
from numba import njit, typeof
from minicnn.kernels.cpu.cache import Kept

def double(x):
    return x + x

def square(x):
    return x * x

def kernel(function):
    "Return the function as a new process has it, with nothing compiled."
    compiled = njit(function)
    compiled._cache = Kept(function, folder)
    return compiled

def kept(function, argument):
    "Return what the kept function returns, or None if none is kept."
    compiled = kernel(function)
    result = compiled._cache.load_overload((typeof(argument),), compiled.targetctx)
    return result and result.entry_point(argument)

folder = Path(sys.argv[1])
calls = [(function, argument) for function in (double, square) for argument in (3, 2.5)]
"""

COMPUTE = """
for function, argument in calls:
    assert kernel(function)(argument) == function(argument)
"""

FIND = """
for function, argument in calls:
    assert kept(function, argument) == function(argument)
"""

MUTATIONS = """
files = {}  # what is kept of each call
for call in calls:
    assert kept(*call) is None
    kernel(call[0])(call[1])
    (path,) = set(folder.iterdir()) - {path for path, _ in files.values()}
    files[call] = path, path.read_bytes()

def truncated(content):
    return content[: rng.randrange(len(content))]

def with_a_byte_changed(content):
    place = rng.choice([rng.randrange(40), rng.randrange(len(content))])
    return content[:place] + bytes([content[place] ^ rng.randrange(1, 256)]) + content[place + 1 :]

def emptied(content):
    return b""

def lengthened(content):
    return content + rng.randbytes(rng.randrange(1, 100))

def swapped(content):
    return rng.choice([other for _, other in files.values() if other != content])

def shuffled(content):
    return content[:32] + rng.randbytes(len(content) - 32)

rng = random.Random(0)
for number in range(500):
    function, argument = rng.choice(calls)
    path, content = files[function, argument]
    path.write_bytes(rng.choice([truncated, with_a_byte_changed, emptied, lengthened, swapped, shuffled])(content))
    assert kept(function, argument) is None
    if number % 10 == 0:
        assert kernel(function)(argument) == function(argument)
        assert kept(function, argument) == function(argument)
    path.write_bytes(content)
assert all(kept(*call) == call[0](call[1]) for call in calls)
"""

FOREIGN_PICKLES = """
class Evil:
    def __reduce__(self):
        return os.mkdir, (str(folder / "it ran"),)

for function, argument in calls:
    kernel(function)(argument)
for path in list(folder.iterdir()):
    for seal in (b"", bytes(32), path.read_bytes()[:32]):
        path.write_bytes(seal + pickle.dumps(Evil()))
        assert all(kept(*call) in (None, call[0](call[1])) for call in calls)
assert not any(kept(*call) for call in calls)
assert not (folder / "it ran").exists()
"""

FULL_DISK = """
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
for function, argument in calls:
    assert kernel(function)(argument) == function(argument)
assert list(folder.iterdir()) == []
folder.rmdir()
assert kernel(double)("a") == "aa"
"""

RELU = """
import numpy as np
from minicnn import ops

assert ops.relu(np.ones(100_000, np.float32)).sum() == 100_000
"""

CACHE_PATHS = """
import sys
import numba
from numba.core.dispatcher import Dispatcher
import minicnn.kernels.cpu

@numba.njit(cache=True)
def own(x):
    return x

modules = [module for name, module in sys.modules.items() if name.startswith("minicnn.kernels.cpu.")]
kernels = {id(f): f for module in modules for f in vars(module).values() if isinstance(f, Dispatcher)}
print(own.stats.cache_path)
for kernel in kernels.values():
    print(kernel.stats.cache_path)
"""


def start(script: str, *arguments: object, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MINICNN_KERNELS": "fast", **variables}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> str:
    """Return what a script prints on stderr; it must end well."""
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return errors


def folder_in(room: Path) -> Path:
    return room / f"kernels-{SOURCES[:16]}"


def test_kernels_are_kept_apart_from_the_user_s_own_functions(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(CACHE_PATHS)
    variables = {"NUMBA_CACHE_DIR": str(tmp_path / "own"), "MINICNN_CACHE_DIR": str(tmp_path / "cache")}
    process = start(f"import runpy; runpy.run_path({str(script)!r})", **variables)
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    own, *kernels = output.splitlines()
    assert Path(own).parent == tmp_path / "own"
    kept = [path for path in kernels if path != "None"]  # the others are compiled into those that call them
    assert len(kept) > 20
    assert set(kept) == {str(folder_in(tmp_path / "cache"))}


def test_a_later_process_finds_what_was_kept_whoever_else_kept_it_at_the_same_time(tmp_path: Path) -> None:
    notices = {told(process) for process in [start(SMALL_KERNELS + COMPUTE, tmp_path) for _ in range(3)]}
    # A process that the machine lets begin late may find all of it kept by the others.
    assert notices - {""} == {"minicnn: compiling kernels, once: they are kept for the next time\n"}
    assert len(list(tmp_path.iterdir())) == 4
    assert told(start(SMALL_KERNELS + FIND, tmp_path)) == ""


def test_500_damaged_files_are_as_good_as_none(tmp_path: Path) -> None:
    told(start(SMALL_KERNELS + MUTATIONS, tmp_path))


def test_nothing_is_unpickled_that_was_not_kept(tmp_path: Path) -> None:
    told(start(SMALL_KERNELS + FOREIGN_PICKLES, tmp_path))


def test_what_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    lines = told(start(SMALL_KERNELS + FULL_DISK, tmp_path / "a")).splitlines()
    assert lines == [
        "minicnn: compiling kernels, once: they are kept for the next time",
        f"minicnn: compiled kernels cannot be kept in {tmp_path / 'a'}: File too large",
        f"minicnn: compiled kernels cannot be kept in {tmp_path / 'a'}: No such file or directory",
    ]


def test_without_a_folder_all_computes_and_the_user_is_told_why_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    room = tmp_path / "file" / "room"
    (line,) = told(start(RELU, MINICNN_CACHE_DIR=str(room))).splitlines()
    assert line.startswith("minicnn: compiling kernels, for this process alone: there is no folder of your own")
    assert "MINICNN_CACHE_DIR" in line and str(tmp_path / "file") in line


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="users have no numbers here")
def test_a_folder_that_others_may_write_to_is_left_alone(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    room.chmod(0o770)
    (line,) = told(start(RELU, MINICNN_CACHE_DIR=str(room))).splitlines()
    assert line.endswith(f"MINICNN_CACHE_DIR may name one ({room} may be written to by others (mode 770))")
    assert list(room.iterdir()) == []


def made(path: Path, seconds_ago: float) -> Path:
    path.mkdir(parents=True, mode=0o700)
    (path / "kernel").write_text("compiled")
    os.utime(path, (time.time() - seconds_ago,) * 2)
    return path


def test_a_new_folder_clears_away_those_long_unused(tmp_path: Path) -> None:
    old = made(tmp_path / "kernels-0123456789abcdef", UNUSED + 60)
    recent = made(tmp_path / "kernels-fedcba9876543210", UNUSED - 60)
    another_s = made(tmp_path / "kernels-of-someone-else", UNUSED + 60)
    new = tmp_path / "kernels-00000000ffffffff"
    claim(new)
    assert new.is_dir()
    assert not old.exists()
    assert (recent / "kernel").exists()
    assert (another_s / "kernel").exists()


def test_a_folder_in_use_stays_young_and_touches_no_other(tmp_path: Path) -> None:
    old = made(tmp_path / "kernels-0123456789abcdef", UNUSED + 60)
    used = made(tmp_path / "kernels-00000000ffffffff", UNUSED + 60)
    claim(used)
    assert old.exists()
    claim(tmp_path / "kernels-1111111122222222")
    assert used.exists()
    assert not old.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may remove anything")
def test_a_folder_that_cannot_be_removed_is_no_error(tmp_path: Path) -> None:
    old = made(tmp_path / "kernels-0123456789abcdef", UNUSED + 60)
    old.chmod(0o500)
    claim(tmp_path / "kernels-00000000ffffffff")
    assert (old / "kernel").exists()
    old.chmod(0o700)
