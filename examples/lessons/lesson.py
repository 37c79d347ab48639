"""Run the code of a lesson, and hold what it prints against what the lesson says.

    python examples/lessons/lesson.py [LESSON.md ...]

A lesson is Markdown. Its blocks of code are

    ```python                           run one after the other, in one namespace
    ```text                             what the block before prints, to the letter
    ```text measured                    the same but for the numbers, which another machine has others of
    ```python minicnn/ops/columns.py    quoted from that file, line by line
"""

import contextlib
import io
import re
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parents[1]
LESSONS = sorted(FOLDER.glob("[0-9]*.md"))


class Block(NamedTuple):
    """A block of code: its language, the word behind it, the text, and the line that it begins after."""

    language: str
    word: str
    text: str
    line: int


def blocks(lesson: Path) -> list[Block]:
    """Return a lesson's blocks of code, in order."""
    content = lesson.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w+) ?(\S*)\n(.*?)^```$", content, re.MULTILINE | re.DOTALL)
    return [Block(*block.groups(), content[: block.start(3)].count("\n")) for block in found]


def run(lesson: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the names that a lesson's code leaves behind, and where the lesson says something else than its code."""
    names: dict[str, Any] = {"__name__": lesson.stem}
    problems: list[str] = []
    printed = ""
    for block, following in zip(parts := blocks(lesson), [*parts[1:], None], strict=True):
        where = f"{lesson.name}:{block.line}"
        if block.language == "text":
            said, found = (
                (block.text, printed) if block.word != "measured" else map(_without_numbers, (block.text, printed))
            )
            if said != found:
                problems.append(f"{where} says\n{block.text}where its code prints\n{printed}")
        elif block.word:
            if not _is_quoted(block.text, REPOSITORY / block.word):
                problems.append(f"{where} quotes what is not in {block.word}:\n{block.text}")
        else:
            printed = _printed_by(block, lesson, names)
            if printed and (following is None or following.language != "text"):
                problems.append(f"{where} prints what the lesson does not show:\n{printed}")
    return names, problems


def _printed_by(block: Block, lesson: Path, names: dict[str, Any]) -> str:
    """Run a block; an error in it names the lesson and the line."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile("\n" * block.line + block.text, str(lesson), "exec"), names)
    return output.getvalue()


def _is_quoted(text: str, file: Path) -> bool:
    """Return whether these lines stand in the file one after the other, however far they are indented there."""
    lines, wanted = file.read_text(encoding="utf-8").splitlines(), text.splitlines()
    starts = range(len(lines) - len(wanted) + 1)
    return any(textwrap.dedent("\n".join(lines[at : at + len(wanted)])).splitlines() == wanted for at in starts)


def _without_numbers(text: str) -> str:
    """Return the text with each number, and the spaces around it, made one mark."""
    return re.sub(r"\s*[\d][\d.,]*\s*", "#", text)


def main() -> None:
    wrong = 0
    for lesson in [Path(argument) for argument in sys.argv[1:]] or LESSONS:
        problems = run(lesson)[1]
        wrong += len(problems)
        print(f"{lesson.name}: {'all as it says' if not problems else f'{len(problems)} differ'}")
        print(*problems, sep="\n", end="\n" if problems else "")
    sys.exit(min(wrong, 1))


if __name__ == "__main__":
    main()
