"""Files that are there whole or not at all, whatever interrupts the writing; text files; ~ in the names of folders."""

from __future__ import annotations

import contextlib
import glob
import os
from pathlib import Path
from typing import BinaryIO

from minicnn.errors import UsageError


def write_whole(path: Path, content: bytes | str) -> None:
    """Write `content` beside `path`, then move it there in one step.

    The content is on the disk before it gets its name, and the name is there before this returns: a power cut, too,
    leaves the old file or the new one. Raises UsageError when the folder cannot be written to or the disk is full, or
    `path` is there and no ordinary file.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"cannot write {path}: {'Is a directory' if path.is_dir() else 'it is no ordinary file'}")
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            write_synced(file, content)
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


def write_synced(file: BinaryIO, content: bytes | str) -> None:
    """Write `content` and wait until it is on the disk."""
    file.write(content.encode() if isinstance(content, str) else content)
    file.flush()
    os.fsync(file.fileno())


def clear_leftovers(path: Path) -> None:
    """Remove what processes that were killed in `write_whole(path, …)` left beside `path`.

    What another living process is writing stays. This process writes nothing while it clears.
    """
    for beside in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        number = beside.name.split(".")[-2]
        if number.isdecimal() and (int(number) == os.getpid() or not _is_alive(int(number))):
            with contextlib.suppress(OSError):
                beside.unlink()


def in_home(name: str | os.PathLike[str]) -> Path:
    """Return the path `name` with a ~ or ~user that it begins with replaced by that user's home.

    Raises UsageError when there is no such user, or nobody knows the home.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{os.fspath(name)}: the home folder that {Path(name).parts[0]} means is not known") from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 text file. Raises UsageError when it cannot be read, or is no such file."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a UTF-8 text file: {error}") from error


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems cannot, and the file is in its place already
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)  # signal 0 is never sent: only whether it could be is found out
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's process
        pass
    return True


def picture_file(name: str) -> Path:
    """Return the path of a picture that is to be drawn. Raises UsageError unless its name ends in .png.

    So a slip of the fingers does not draw over a run's settings or weights.
    """
    path = in_home(name)
    if path.suffix.lower() != ".png":
        raise UsageError(f"{name!r} should be the name of a picture, such as {path.stem or 'curves'}.png")
    return path
