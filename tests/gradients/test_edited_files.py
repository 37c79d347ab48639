"""A changed formula or kernel fails the next check, as a tinkerer finds it: in a copy of the package that is edited."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn

SPREAD = "dy / (size[0] * size[1])"
CHECK = "from minicnn import AvgPool2D, gradcheck; print(gradcheck(AvgPool2D(2), (6, 4, 3)).describe())"


def check_a_copy(folder: Path, *edits: tuple[str, str, str]) -> str:
    """Return what the gradient check of a layer says in a copy of minicnn, edited (file, right text, wrong text)."""
    package = Path(minicnn.__file__).parent
    shutil.copytree(package, folder / "minicnn", ignore=shutil.ignore_patterns("__pycache__", "*.cu"))
    for file, right, wrong in edits:
        path = folder / "minicnn" / file
        text = path.read_text()
        assert text.count(right) == 1, f"{file} no longer reads {right!r}: describe this mistake anew"
        path.write_text(text.replace(right, wrong))
    settings = {name: value for name, value in os.environ.items() if name != "MINICNN_KERNELS"}
    answer = subprocess.run(
        [sys.executable, "-c", CHECK], env={**settings, "PYTHONPATH": str(folder)}, capture_output=True, text=True,
        cwd=folder, check=True,
    )  # fmt: skip
    assert f"gradient check of {folder / 'minicnn'}, its formulas (ops) and its kernels (kernels)" in answer.stdout
    return answer.stdout


@pytest.mark.parametrize(
    ("file", "right", "wrong", "where"),
    [
        ("ops/pooling.py", SPREAD, "dy / size[0]", "formulas"),
        ("kernels/cpu/pooling.py", "+= gradient[c] / (kh * kw)", "+= gradient[c] / kh", "kernels"),
    ],
)
def test_an_edited_file_fails_the_next_check(file: str, right: str, wrong: str, where: str, tmp_path: Path) -> None:
    lines = check_a_copy(tmp_path, (file, right, wrong)).splitlines()
    assert lines[0].endswith(": FAILED")
    reasons = [line for line in lines if line.startswith("  ! ")]
    assert len(reasons) == 1 and f"({where}, whole)" in reasons[0]
