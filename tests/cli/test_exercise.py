"""`minicnn exercise` from the list to a network that the solution trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from minicnn.cli import exercise
from minicnn.inspection.exercises import EXERCISES
from tests.cli.command import Command


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_exercises_are_listed_in_both_languages(minicnn: Command) -> None:
    english, chinese = minicnn("exercise", "list"), minicnn("exercise", "list", "--language", "zh")
    assert [line.split()[0] for line in english.out.splitlines()] == list(EXERCISES)
    assert all(len(line) < 80 for line in english.out.splitlines())
    assert "每个输出都看到每个输入" in chinese.out


def test_an_exercise_is_started_failed_solved_and_trained_with(
    minicnn: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = minicnn("exercise", "start", "relu")
    assert started.code == 0
    assert "minicnn exercise check relu" in started.out
    path = here / "relu.py"
    blank = path.read_text(encoding="utf-8")
    path.write_text(blank.replace("raise NotImplementedError", "return abs(x)  # "), encoding="utf-8")
    wrong = minicnn("exercise", "check", "relu", "--language", "zh")
    assert wrong.code == 1
    assert "负数变成了正数" in wrong.out
    path.write_text(blank.replace("raise NotImplementedError", "return np.maximum(x, 0)  # "), encoding="utf-8")
    monkeypatch.setattr(exercise, "PICTURES", 5)
    monkeypatch.setattr(exercise, "VALIDATION", 25)
    right = minicnn("exercise", "check", "relu")
    assert right.code == 0
    assert "relu is right" in right.out
    assert "recognises" in right.out


def test_a_file_that_is_there_is_not_written_over(minicnn: Command, here: Path) -> None:
    (here / "relu.py").write_text("mine", encoding="utf-8")
    refused = minicnn("exercise", "start", "relu")
    assert refused.code == 2
    assert "relu.py is there already" in refused.err
    assert (here / "relu.py").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("start", "convolution"), "there is no exercise 'convolution': choose relu,"),
        (("start", "relu", "--out", "relu.txt"), "should be the name of a Python file"),
        (("start", "relu", "--language", "de"), "in en or zh, not in 'de'"),
        (("check", "relu"), "there is no file relu.py: `minicnn exercise start relu` writes it"),
        (("check", "relu", "nowhere/relu.py"), "there is no file nowhere/relu.py"),
    ],
)
def test_mistakes_are_told_in_one_line(minicnn: Command, arguments: tuple[str, ...], complaint: str) -> None:
    answer = minicnn("exercise", *arguments)
    assert answer.code == 2
    assert complaint in answer.err
    assert len(answer.err.splitlines()) == 1


def test_the_terminals_language_is_spoken(minicnn: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "已写出" in minicnn("exercise", "start", "relu").out
