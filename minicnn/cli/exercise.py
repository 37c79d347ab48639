"""`minicnn exercise`: write an operation yourself, and be told what is right or wrong with it."""

from __future__ import annotations

from typing import Annotated

import typer

PICTURES, SIZE, VALIDATION = 200, 16, 200  # of each class, pixels, of all set aside

app = typer.Typer(
    help="Write an operation yourself, and be told what is right or wrong with it.", rich_markup_mode=None
)


def _complete(incomplete: str) -> list[str]:
    from minicnn.inspection.exercises import EXERCISES

    return [name for name in EXERCISES if name.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The exercise, one of those that `minicnn exercise list` tells.", autocompletion=_complete
    ),
]
OtherFile = Annotated[
    str | None, typer.Option("--out", metavar="FILE.py", help="The file; NAME.py if left out.", show_default=False)
]
File = Annotated[str | None, typer.Argument(metavar="FILE.py", help="NAME.py if left out.", show_default=False)]
Language = Annotated[
    str | None, typer.Option(help="en or zh; the terminal's own if left out.", show_default=False, metavar="en|zh")
]


@app.command("list")
def list_exercises(language: Language = None) -> None:
    """List the exercises, in an order in which to do them."""
    from minicnn.inspection.exercises import EXERCISES, chosen_language

    spoken = chosen_language(language)
    for exercise in EXERCISES.values():
        print(f"{exercise.name:30}  {exercise.what.said(spoken)}")


@app.command("start")
def start(
    name: Name,
    out: OtherFile = None,
    answer: Annotated[bool, typer.Option("--answer", help="With minicnn's own formula in it, to compare.")] = False,
    language: Language = None,
) -> None:  # fmt: skip
    """Write the file of an exercise.

    It is the operation's own, with its formula and shapes, without its body.
    """
    from minicnn.errors import UsageError
    from minicnn.files import in_home, write_whole
    from minicnn.inspection.exercises import Text, chosen_language, exercise_file, find

    exercise, spoken = find(name), chosen_language(language)
    path = in_home(out or f"{name}.py")
    if path.suffix != ".py":
        raise UsageError(f"{out!r} should be the name of a Python file, such as {path.stem or name}.py")
    if path.exists():
        raise UsageError(f"{path} is there already: remove it to begin anew, or choose another by --out FILE.py")
    write_whole(path, exercise_file(exercise, spoken, answer))
    where = "" if out is None else f" {path}"
    told = Text("{path} is written: fill in {name}, then minicnn exercise check {name}{where}",
                "已写出 {path}：写好 {name} 后运行 minicnn exercise check {name}{where}")  # fmt: skip
    print(told.filled(path=path, name=name, where=where).said(spoken))


@app.command("check")
def check(
    name: Name,
    file: File = None,
    train: Annotated[bool, typer.Option(help="Train a small network with a solution that is right.")] = True,
    language: Language = None,
) -> None:  # fmt: skip
    """Check a solution, and say what is wrong with it.

    It is compared with slow loops, and a backward pass with finite differences too. Once it is right, it computes in a
    small network, which learns `shapes`. Exit code 1 if it is wrong. The file is a program, and is executed.
    """
    from minicnn.data.shapes import shapes_as_arrays
    from minicnn.files import in_home
    from minicnn.inspection.exercises import TRAINS, check_file, chosen_language, find, train_file

    exercise, spoken = find(name), chosen_language(language)
    path = in_home(file or f"{name}.py")
    verdict = check_file(exercise, path)
    print(verdict.said(spoken), flush=True)
    if verdict.passed and train:
        print(TRAINS.said(spoken), flush=True)
        trained = train_file(exercise, path, *shapes_as_arrays(PICTURES, SIZE), VALIDATION)
        print(trained.said(spoken))
        verdict = trained
    raise typer.Exit(0 if verdict.passed else 1)
