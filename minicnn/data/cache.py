"""Where data sets that minicnn makes or downloads are kept, and how a folder appears there all at once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minicnn.errors import UsageError
from minicnn.files import in_home


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/minicnn where that is an absolute path, else ~/.cache/minicnn.

    Source: XDG base directory specification. Raises UsageError where nobody knows the user's home.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else in_home("~/.cache")) / "minicnn"


def require_unused(folder: Path) -> None:
    """Raise UsageError unless `folder` can be made: it is not there yet, or empty."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder; name a new one")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Fill a folder under a temporary name and give it its own name only when it is complete.

    An error or an interrupt inside the block leaves nothing behind. Where another process was quicker, its
    folder stays.

    target: the folder's final path, which must not exist yet or be empty.
    Raises UsageError where the place cannot be written to.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise UsageError(f"cannot write to {target.parent}: {error.strerror}") from error
    try:
        yield partial
        partial.chmod(0o755)  # mkdtemp's own mode lets nobody else in
        _rename_unless_filled(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _rename_unless_filled(partial: Path, target: Path) -> None:
    try:
        if target.is_dir() and not any(target.iterdir()):
            target.rmdir()
        partial.rename(target)
    except OSError:
        if not (target.is_dir() and any(target.iterdir())):
            raise
