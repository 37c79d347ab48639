"""The command and its verbs; every mistake of the user becomes one line on stderr and exit code 2."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

import minicnn
from minicnn.cli import (
    compare,
    compress,
    data,
    doctor,
    evaluate,
    exercise,
    explain,
    export,
    gradcheck,
    import_,
    ladder,
    look,
    predict,
    search,
    step,
    summary,
    trace,
    train,
)
from minicnn.errors import Interrupted, UsageError

INTERRUPTED = 128 + 2  # as shells say that SIGINT ended a command
READER_GONE = 128 + 13  # likewise SIGPIPE
SMALLER = {  # what to make smaller when a verb needs more memory than there is
    "train": "a smaller --batch-size or --image-size",
    "search": "a smaller batch_size or image_size",
    "evaluate": "a smaller --batch-size",
    "predict": "fewer images at once",
    "look": "a smaller network or smaller pictures",
    "doctor": "a smaller --batch-size or --image-size, or a lower --most",
    "compress": "a smaller --calibration-images",
    "summary": "a smaller --image-size or fewer --classes",
    "explain": "a smaller --image-size or fewer --classes",
    "step": "a smaller --image-size or fewer --classes",
    "trace": "a smaller --image-size or fewer --classes",
    "data": "a smaller --size",
}

app = typer.Typer(
    name="minicnn",
    epilog="`minicnn train` alone draws a set of pictures and learns it; `minicnn VERB --help` tells the rest.",
    rich_markup_mode=None,  # plain help: importing rich for its boxes would double the time that --help takes
    pretty_exceptions_enable=False,
)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(predict.predict)
app.command()(look.look)
app.command()(compare.compare)
app.command()(search.search)
app.command()(compress.compress)
app.command()(export.export)
app.command("import")(import_.import_weights)
app.command()(summary.summary)
app.command()(gradcheck.gradcheck)
app.command()(doctor.doctor)
app.command()(explain.explain)
app.command()(trace.trace)
app.command()(step.step)
app.command()(ladder.ladder)
app.add_typer(data.app, name="data")
app.add_typer(exercise.app, name="exercise")


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

    0: done. 1: `gradcheck` found a wrong gradient, or `exercise check` a wrong solution. 2: the user can mend it, and
    one line on stderr says how. 130: interrupted with Ctrl-C. 141: whoever read the output has gone, as in
    `minicnn data list | head -1`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a file's name may hold what the terminal cannot show
    try:
        code = typer.main.get_command(app).main(given, "minicnn", standalone_mode=False)
        if code == INTERRUPTED:  # what typer makes of Ctrl-C, saying nothing
            raise KeyboardInterrupt
        print(end="", flush=True)  # here, so that a full disk is told of as well
    except UsageError as error:
        code = _complain(str(error))
    except typer.TyperException as error:  # a verb, an option or an argument that is missing or unknown
        context = getattr(error, "ctx", None)  # of the verb that was asked for what it does not have
        command = "minicnn" if context is None else context.command_path
        code = _complain(f"{error.format_message().rstrip('.')}; see {command} --help")
    except MemoryError as error:
        remedy = SMALLER.get(given[0] if given else "", "a machine with more of it")
        code = _complain(f"not enough memory{f' ({error})' if str(error) else ''}: use {remedy}")
    except Interrupted as error:
        code = _complain(str(error), INTERRUPTED)
    except KeyboardInterrupt:
        code = _complain("interrupted", INTERRUPTED)
    except (BrokenPipeError, SystemExit):  # typer ends the process where a verb's own writing met the broken pipe
        code = READER_GONE
        _discard_output()
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        code = _complain(f"{where}{error.strerror or error}")
        _discard_output()
    except Exception as error:
        from minicnn.models.own_file import fault_in_pass  # here, where it no longer takes time from anybody

        fault = fault_in_pass(error)
        if fault is None:
            raise
        code = _complain(str(fault))
    sys.exit(code)


def _complain(message: str, code: int = 2) -> int:
    print(f"minicnn: {' '.join(message.split())}", file=sys.stderr)
    return code


def _discard_output() -> None:
    """Let what cannot be written go nowhere: Python would fail on it once more at its end."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
