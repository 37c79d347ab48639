"""Every right answer passes, however it is written; every wrong one gets a hint of its own, in both languages."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from minicnn.inspection.exercises import EXERCISES, exercise_file
from tests.inspection.exercises.answers import BEGINNINGS, RIGHT, STEP, WRONG
from tests.inspection.exercises.learner import judged, write

NAMED = {  # the operations that there has to be an exercise for
    "conv2d", "im2col", "relu", "max_pool2d", "dense", "softmax_cross_entropy", "batch_norm", "sgd_update",
    "adam_update", "dropout",
}  # fmt: skip


def test_every_operation_that_learners_write_is_an_exercise() -> None:
    assert set(EXERCISES) >= NAMED
    assert set(EXERCISES) == set(RIGHT) == set(WRONG)


@pytest.mark.parametrize("name", EXERCISES)
def test_the_model_answer_passes(tmp_path: Path, name: str) -> None:
    path = tmp_path / "answer.py"
    path.write_text(exercise_file(EXERCISES[name], answered=True), encoding="utf-8")
    verdict = judged(path, name)
    assert verdict.passed, verdict.said("en")


@pytest.mark.parametrize("name", EXERCISES)
def test_an_answer_of_ones_own_passes(tmp_path: Path, name: str) -> None:
    verdict = judged(write(tmp_path, name, RIGHT[name]), name)
    assert verdict.passed, verdict.said("en")


@pytest.mark.parametrize("name", EXERCISES)
def test_what_is_not_written_yet_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / "blank.py"
    path.write_text(exercise_file(EXERCISES[name], "zh"), encoding="utf-8")
    verdict = judged(path, name)
    assert not verdict.passed
    assert "Nothing is written yet" in verdict.hint.en
    assert "还没有写" in verdict.hint.zh


@pytest.mark.parametrize("name", EXERCISES)
def test_wrong_answers_get_hints_that_fit_and_differ(tmp_path: Path, name: str) -> None:
    hints = {}
    for body, part in WRONG[name]:
        beginning = BEGINNINGS.get(name, "")
        written = f"{_flush(beginning)}\n{_flush(body).replace('STEP', STEP)}"
        verdict = judged(write(tmp_path, name, written), name)
        assert not verdict.passed, body
        assert part in verdict.hint.en, f"{body}\n{verdict.said('en')}"
        assert re.search("[\u4e00-\u9fff]", verdict.said("zh")), body
        assert "{" not in verdict.said("en") + verdict.said("zh"), "a name was not filled in"
        hints.setdefault(verdict.hint.en, []).append(body)
    assert len(hints) >= 5


def _flush(text: str) -> str:
    return dedent(text).strip("\n")
