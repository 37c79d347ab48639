"""Files that are there whole or not at all, whatever interrupts the writing."""

from __future__ import annotations

import os
from pathlib import Path

from minicnn.errors import UsageError


def write_whole(path: Path, content: bytes | str) -> None:
    """Write `content` beside `path`, then move it there in one step.

    Raises UsageError when the folder cannot be written to or the disk is full.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)
