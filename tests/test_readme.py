"""Every block of the README runs, as it is printed.

The Python blocks run one after the other in one namespace, each line of a shell block in a shell of its own, all in a
folder of their own with small data sets under the names that the README uses. Left out, by rule, are lines that install
something, the tests themselves, downloads, and what needs a GPU; a command that no rule knows fails.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from minicnn.data import NAMED_DATASETS, make_shapes

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PROGRAMS = {"minicnn": f"{shlex.quote(sys.executable)} -m minicnn", "python": shlex.quote(sys.executable)}
SKIPPED = {
    r"^(pip|git|cd|source|python3? -m venv)\b": "prepares an environment, as .ci/run does",
    r"^pytest\b": "is what runs now",
    r"^minicnn data download\b": "needs a network",
    r"\bgpu\b": "needs a GPU",
    r"^python -m benchmarks\b": "takes minutes",
}


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


def commands() -> list[str]:
    """Return the commands of all shell blocks, in order."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [command.strip() for line in lines for command in line.partition("  #")[0].split("&&") if command.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the examples, and a cache in which every named data set is there: a few drawn pictures."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "examples").symlink_to(REPOSITORY / "examples")
    drawn = make_shapes(folder / "drawn", images_per_class=5, size=64)
    for dataset in NAMED_DATASETS.values():
        shutil.copytree(drawn, folder / "cache" / "minicnn" / dataset.cache_name)
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.delenv("MINICNN_KERNELS", raising=False)
    yield folder


def test_the_python_blocks_run_in_order(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert blocks("python")
    namespace: dict[str, object] = {"__name__": "readme"}
    for text in blocks("python"):
        line = README[: README.index(text)].count("\n")
        exec(compile("\n" * line + text, str(REPOSITORY / "README.md"), "exec"), namespace)
    printed = capsys.readouterr().out
    assert "passed" in printed and "FAILED" not in printed  # what gradcheck says


@pytest.mark.parametrize("command", commands())
def test_the_shell_blocks_run(command: str, here: Path) -> None:
    for pattern, reason in SKIPPED.items():
        if re.search(pattern, command):
            pytest.skip(f"a command in the README {reason}")
    settings, program, rest = re.fullmatch(r"((?:\w+=\S+ )*)(\S+)(.*)", command).groups()  # type: ignore[union-attr]
    assert program in PROGRAMS, f"no rule says how to run `{command}`"
    for picture in re.findall(r"\S+\.jpg", rest):
        Image.new("RGB", (80, 60), "orange").save(picture)
    line = f"{settings}{PROGRAMS[program]}{rest}"
    done = subprocess.run(line, shell=True, input="quit\n", capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
