"""What only a process of its own can show: signals, pipes, full disks and terminals of other encodings."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import SMALL
from tests.processes import started

MINICNN = [sys.executable, "-m", "minicnn"]


def test_ctrl_c_before_training_begins(tmp_path: Path) -> None:
    folder = tmp_path / "shapes"
    command = [*MINICNN, "data", "make", "shapes", str(folder), "--images-per-class", "1000000"]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not any(tmp_path.rglob("*.jpg")) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "minicnn: interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("buffering", ["", "1"])
def test_a_reader_that_has_gone(buffering: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    answer = subprocess.run(
        [*MINICNN, "data", "list"], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60,
        env={**os.environ, "PYTHONUNBUFFERED": buffering},
    )  # fmt: skip
    os.close(writing)
    assert (answer.returncode, answer.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("buffering", ["", "1"])
def test_a_full_disk_behind_the_output(buffering: str) -> None:
    with Path("/dev/full").open("w") as full:
        answer = subprocess.run(
            [*MINICNN, "data", "list"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
            env={**os.environ, "PYTHONUNBUFFERED": buffering},
        )  # fmt: skip
    assert answer.returncode == 2
    assert answer.stderr == "minicnn: No space left on device\n"


def test_compiling_is_told_once_beside_the_json_of_a_verb_that_computes(
    run: Path, shapes: Path, tmp_path: Path
) -> None:
    image = next((shapes / "val").rglob("*.jpg"))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "MINICNN_KERNELS": "fast"}
    command = [*MINICNN, "predict", str(run), str(image), "--json"]
    for told in ("minicnn: compiling kernels, once: they are kept for the next time\n", ""):
        answer = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)
        assert (answer.returncode, answer.stderr) == (0, told)
        assert len(json.loads(answer.stdout)["predictions"]) == 1


@pytest.mark.parametrize("arguments", [["summary", "cnn3"], ["train", "--resume", "Küche"]])
def test_a_terminal_that_knows_ascii_only(arguments: list[str]) -> None:
    answer = subprocess.run(
        [*MINICNN, *arguments], capture_output=True, timeout=60, env={**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    )
    assert answer.returncode == (0 if arguments[0] == "summary" else 2)
    assert b"Traceback" not in answer.stderr and answer.stdout.isascii() and answer.stderr.isascii()


def test_a_chinese_folder_where_the_system_is_said_to_know_ascii_only(shapes: Path, tmp_path: Path) -> None:
    data = shutil.copytree(shapes, tmp_path / "形状")
    environment = {**os.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [*MINICNN, "train", str(data), *map(str, SMALL), "--out", str(tmp_path / "运行")]
    answer = subprocess.run(command, capture_output=True, timeout=240, env=environment)
    told = [line for line in answer.stderr.splitlines() if b"compiling kernels" not in line]
    assert (answer.returncode, told) == (0, []), answer.stderr
    assert (tmp_path / "运行" / "confusion.png").exists()
    assert subprocess.run([*MINICNN, "evaluate", str(tmp_path / "运行")], capture_output=True).returncode == 0
