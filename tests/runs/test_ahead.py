"""Compiling ahead: what is named is what a training asks for, others compile it, and nobody waits for what is kept."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minicnn.errors import Interrupted, UsageError
from minicnn.runs import ahead
from minicnn.runs.ahead import compiling_ahead, start_compiled
from minicnn.runs.settings import Settings
from minicnn.training.progress import PlainProgress

ASKED_FOR = """
import json, sys
from minicnn.compilation import _kernels
from minicnn.runs.ahead import needed
from minicnn.runs.run import Run
from minicnn.runs.settings import Settings

settings = Settings.from_config(json.loads(sys.argv[1]))
named = {(request.kernel, request.types) for request in needed(settings)}
before = {(kernel, types) for kernel in _kernels() for types in kernel.overloads}
Run.start(settings, sys.argv[2]).train()
asked = {(kernel, types) for kernel in _kernels() for types in kernel.overloads} - before
print(len(named), "named;", *sorted(f"not named: {kernel.__name__}{types}" for kernel, types in asked - named))
print(*sorted(f"not asked for: {kernel.__name__}" for kernel, _ in named - asked))
"""

SHARED = """
import sys, time
from pathlib import Path
from minicnn.compilation import Request
from minicnn.runs import ahead

def compile(request):
    time.sleep(0.2)  # in which the other process looks for something to do
    with Path(sys.argv[3]).open("a") as log:
        log.write(request.name + "\\n")

Request.kept, Request.compile = False, compile
ahead.work()
"""

DOES_ALL = "import sys, time; from pathlib import Path; time.sleep(0.3); Path(sys.argv[2], '{}.done').touch()"
STAYS = "import time; time.sleep(600)"


OTHERS = {"model": "cnn2", "image_size": 16, "optimizer": "sgd", "augment": "flip,crop", "ema": 0.9}


@pytest.mark.parametrize("changes", [{}, OTHERS], ids=["cnn3", "cnn2"])
def test_a_training_asks_for_exactly_what_was_named(changes: dict[str, object], shapes: Path, tmp_path: Path) -> None:
    settings = Settings(data=str(shapes), epochs=1, batch_size=20, workers=0).changed(**changes)
    command = [sys.executable, "-c", ASKED_FOR, json.dumps(settings.to_config()), str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MINICNN_KERNELS": "fast"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr
    named, not_asked = done.stdout.split("\n")[:2]
    assert re.fullmatch(r"\d+ named;", named) and int(named.split()[0]) > 3
    assert not_asked == ""


def test_processes_share_out_what_there_is_to_compile(tmp_path: Path) -> None:
    settings = json.dumps(Settings(model="cnn2", image_size=16, batch_size=20).to_config())
    command = [sys.executable, "-c", SHARED, settings, str(tmp_path), str(tmp_path / "log")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MINICNN_KERNELS": "fast"}
    processes = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait(timeout=240) for process in processes] == [0, 0]
    compiled = (tmp_path / "log").read_text().splitlines()
    assert len(list(tmp_path.glob("*.done"))) == len(compiled) > 2


@pytest.fixture
def missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let one kernel be missing, and return the file that would say that none is."""
    mark = tmp_path / "mark"
    request = type("Request", (), {"name": "schedule._forward_share"})
    monkeypatch.setattr(ahead, "_missing", lambda settings: ([] if mark.exists() else [request], mark))
    monkeypatch.setattr(ahead, "TELLING_INTERVAL", 0.05)
    monkeypatch.setattr(ahead.tempfile, "tempdir", str(tmp_path))
    return mark


def test_it_waits_tells_how_far_it_is_and_does_it_once(missing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "WORKER", DOES_ALL.format("one"))
    told = io.StringIO()
    with compiling_ahead(Settings(), PlainProgress(told)) as wait:
        wait()
    first, *others, last = told.getvalue().splitlines()
    assert first == "compiling 1 kernel for this machine, once (schedule)"
    assert others and all(re.fullmatch(r"compiled [01] of 1 kernel after \d+ s", line) for line in others)
    assert re.fullmatch(r"compiled 1 kernel in \d+ s", last)
    assert missing.exists() and list(missing.parent.iterdir()) == [missing]
    again = io.StringIO()
    with compiling_ahead(Settings(), PlainProgress(again)) as wait:
        wait()
    assert again.getvalue() == ""


def test_others_that_fail_are_no_error_and_are_asked_again(missing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "WORKER", "raise SystemExit(1)")
    with compiling_ahead(Settings(), PlainProgress(io.StringIO())) as wait:
        wait()
    assert not missing.exists()


def test_a_run_begins_when_all_is_compiled(
    missing: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "WORKER", DOES_ALL.format("one"))
    settings = Settings(data=str(shapes), model="cnn2", image_size=16, workers=0)
    run = start_compiled(settings, str(tmp_path / "run"), PlainProgress(told := io.StringIO()))
    assert missing.exists() and run.directory.config.exists()
    assert told.getvalue().splitlines()[-1].startswith("compiled 1 kernel in ")


def test_whoever_does_not_wait_is_told_how_to_begin(
    missing: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(process: subprocess.Popen[bytes]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ahead, "WORKER", STAYS)
    settings = Settings(data=str(shapes), model="cnn2", image_size=16, workers=0)
    with monkeypatch.context() as patch:
        patch.setattr(subprocess.Popen, "wait", lambda *_: patch.undo() or interrupted(*_))
        with pytest.raises(Interrupted, match=f"minicnn train --resume {tmp_path}/run begins"):
            start_compiled(settings, str(tmp_path / "run"), PlainProgress(io.StringIO()))


def test_a_mistake_is_all_that_is_told(missing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "WORKER", STAYS)
    monkeypatch.setattr(ahead, "TELLING_INTERVAL", 60)
    told = io.StringIO()
    with pytest.raises(UsageError, match="no folder no/such/folder"):
        start_compiled(Settings(data="no/such/folder"), str(tmp_path / "run"), PlainProgress(told))
    assert told.getvalue() == ""


def test_others_end_with_the_block(missing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "WORKER", STAYS)
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt), compiling_ahead(Settings(), PlainProgress(io.StringIO())):
        raise KeyboardInterrupt
    assert time.perf_counter() - began < 60
    assert list(missing.parent.iterdir()) == []
