"""Compiled kernels have a folder of their own, old ones go, and the user's functions are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minicnn.kernels.cpu.cache import KEPT, claim

SCRIPT = """
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


def test_kernels_are_kept_apart_from_the_user_s_own_functions(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    variables = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script)]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    own, *kernels = result.stdout.splitlines()
    (folder,) = (tmp_path / "cache").glob("kernels-*")
    assert Path(own).parent == tmp_path / "cache"
    cached = [Path(path) for path in kernels if path != "None"]  # the others are compiled into those that call them
    assert len(cached) > 20
    assert {path.parent for path in cached} == {folder}


def made(path: Path, seconds_ago: float) -> Path:
    path.mkdir(parents=True)
    (path / "kernel.nbc").write_text("compiled")
    os.utime(path, (time.time() - seconds_ago,) * 2)
    return path


def test_a_new_folder_clears_away_those_long_unused(tmp_path: Path) -> None:
    old = made(tmp_path / "kernels-0123456789abcdef", KEPT + 60)
    recent = made(tmp_path / "kernels-fedcba9876543210", KEPT - 60)
    another_s = made(tmp_path / "kernels-of-someone-else", KEPT + 60)
    new = tmp_path / "kernels-00000000ffffffff"
    claim(new)
    assert new.is_dir()
    assert not old.exists()
    assert (recent / "kernel.nbc").exists()
    assert (another_s / "kernel.nbc").exists()


def test_a_folder_in_use_stays_young_and_touches_no_other(tmp_path: Path) -> None:
    old = made(tmp_path / "kernels-0123456789abcdef", KEPT + 60)
    used = made(tmp_path / "kernels-00000000ffffffff", KEPT + 60)
    claim(used)
    assert old.exists()
    claim(tmp_path / "kernels-1111111122222222")
    assert used.exists()
    assert not old.exists()


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    claim(tmp_path / "file" / "kernels-0123456789abcdef")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may remove anything")
def test_a_folder_that_cannot_be_removed_is_no_error(tmp_path: Path) -> None:
    old = made(tmp_path / "kernels-0123456789abcdef", KEPT + 60)
    old.chmod(0o500)
    claim(tmp_path / "kernels-00000000ffffffff")
    assert (old / "kernel.nbc").exists()
    old.chmod(0o700)
