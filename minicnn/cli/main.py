"""The command and its verbs; every mistake of the user becomes one line on stderr and exit code 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

import minicnn
from minicnn.cli import data, evaluate, gradcheck, predict, summary, train
from minicnn.errors import Interrupted, UsageError

app = typer.Typer(
    name="minicnn",
    epilog="`minicnn train` alone draws a set of pictures and learns it; `minicnn VERB --help` tells the rest.",
    rich_markup_mode=None,  # plain help: importing rich for its boxes would double the time that --help takes
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(predict.predict)
app.command()(summary.summary)
app.command()(gradcheck.gradcheck)
app.add_typer(data.app, name="data")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"minicnn {minicnn.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Train, check and use convolutional networks whose every formula is written out by hand."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command with `arguments` (those of the process if None) and end the process with its exit code.

    0: done. 2: the user can mend it, and one line on stderr says how. 130: interrupted.
    """
    command = typer.main.get_command(app)
    try:
        code = command.main(list(sys.argv[1:] if arguments is None else arguments), "minicnn", standalone_mode=False)
    except UsageError as error:
        code = _complain(str(error))
    except typer.TyperException as error:  # a verb, an option or an argument that is missing or unknown
        code = _complain(f"{error.format_message().rstrip('.')}; see minicnn --help")
    except MemoryError as error:
        code = _complain(f"not enough memory ({error}): use a smaller --batch-size or --image-size")
    except Interrupted as error:
        code = _complain(str(error), 130)
    except (typer.Abort, KeyboardInterrupt):
        code = _complain("interrupted", 130)
    except BrokenPipeError:  # whoever read our output has gone, as in `minicnn data list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _complain(message: str, code: int = 2) -> int:
    print(f"minicnn: {' '.join(message.split())}", file=sys.stderr)
    return code
