"""The lessons: all of their code runs and prints what they say, and their pictures show its numbers."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from minicnn import ops
from minicnn.inspection.exercises import EXERCISES

LESSONS = Path(__file__).parents[2] / "examples" / "lessons"
sys.path.insert(0, str(LESSONS))
import draw  # noqa: E402
import lesson as lessons  # noqa: E402


@pytest.fixture(scope="module", params=lessons.LESSONS, ids=lambda path: path.stem)
def lesson(request: pytest.FixtureRequest) -> tuple[Path, dict[str, Any], list[str]]:
    """Return a lesson, the names that its code leaves behind, and where it is wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MINICNN_KERNELS", raising=False)  # plans are shown as they are by default
        return request.param, *lessons.run(request.param)


def words_in(picture: Path) -> list[str]:
    """Return the texts in an SVG, in order."""
    return [text for element in ElementTree.parse(picture).iter() if (text := (element.text or "").strip())]


def test_its_code_prints_what_it_says(lesson: tuple[Path, dict[str, Any], list[str]]) -> None:
    path, _, problems = lesson
    assert not problems, "\n".join(problems)
    kinds = [(block.language, bool(block.word)) for block in lessons.blocks(path)]
    assert kinds.count(("python", False)) >= 4  # a fence that is not recognised would be passed over


def test_its_picture_is_what_its_code_computes(lesson: tuple[Path, dict[str, Any], list[str]], tmp_path: Path) -> None:
    path, names, _ = lesson
    alternative, shown = re.findall(r"!\[(.*?)\]\((.*?)\)", path.read_text(encoding="utf-8"), re.DOTALL)[0]
    drawn = draw.draw(path, names, tmp_path)
    assert shown == f"pictures/{drawn.name}" and len(alternative.split()) > 10
    assert words_in(drawn) == words_in(LESSONS / shown), "draw it anew: python examples/lessons/draw.py"


def test_a_picture_writes_its_numbers_out() -> None:
    assert {"0.125", "0.25", "0.625", "−0.75"} <= set(words_in(LESSONS / "pictures" / "softmax_cross_entropy.svg"))
    assert "loss 0.6931" in words_in(LESSONS / "pictures" / "backward_pass.svg")


def test_every_lesson_has_its_place_in_the_list_and_its_links_lead_somewhere() -> None:
    pages = [LESSONS / "README.md", *lessons.LESSONS]
    listed = re.findall(r"^\d+\. \[.*?\]\((.*?)\)", pages[0].read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [path.name for path in lessons.LESSONS]
    for page in pages:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert (LESSONS / link).exists(), f"{page.name}: {link}"


def test_every_exercise_and_ladder_that_a_lesson_names_is_there() -> None:
    told = " ".join("".join(path.read_text(encoding="utf-8") for path in lessons.LESSONS).split())
    exercises, ladders = (set(re.findall(rf"`minicnn {verb} (\w+)`", told)) for verb in ("exercise start", "ladder"))
    assert exercises == set(EXERCISES)
    assert ladders <= set(ops.__all__)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```python\nprint(1)\n```\n\n```text\n1\n```\n", None),
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "l.md:5 says\n2\nwhere its code prints\n1\n"),
        ("```python\nprint(1)\n```\n", "l.md:1 prints what the lesson does not show:\n1\n"),
        ("```python\nprint('1.50 ms')\n```\n\n```text measured\n12.3 ms\n```\n", None),
        ("```python\nprint('1.5 ms')\n```\n\n```text measured\n1.5 s\n```\n", "l.md:5 says\n1.5 s\nwhere"),
        ("```python minicnn/ops/dense.py\nreturn x @ weight + bias\n```\n", None),
        ("```python minicnn/ops/dense.py\nreturn x @ weight\n```\n", "l.md:1 quotes what is not in minicnn/ops"),
    ],
)
def test_what_a_lesson_says_is_held_against_its_code(text: str, problem: str | None, tmp_path: Path) -> None:
    path = tmp_path / "l.md"
    path.write_text(text, encoding="utf-8")
    _, problems = lessons.run(path)
    assert len(problems) == (problem is not None)
    if problem is not None:
        assert problems[0].startswith(problem)


def test_an_error_in_a_lesson_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "l.md"
    path.write_text("Text.\n\n```python\nx = 1\nx / 0\n```\n", encoding="utf-8")
    with pytest.raises(ZeroDivisionError) as error:
        lessons.run(path)
    assert (error.traceback[-1].path, error.traceback[-1].lineno + 1) == (path, 5)
