"""Where Numba keeps the compiled kernels: in a folder for exactly these sources, of which old ones are removed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numba

KEPT = 30 * 24 * 3600  # seconds after its last use that the folder of other sources is kept


@contextmanager
def folder_of_our_own() -> Iterator[None]:
    """Let Numba keep the functions that are decorated within the block in a folder for exactly these sources.

    Numba notices when the file of a cached function changes, but not when a function that it calls, from another file,
    does: after an edit or an upgrade it would run the old code. It settles a function's folder when the function is
    decorated, so the setting can go back afterwards: the user's own functions stay where the user keeps them.
    """
    here = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
    folder = _room(here) / f"kernels-{hashlib.sha256(sources).hexdigest()[:16]}"
    claim(folder)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def claim(folder: Path) -> None:
    """Make `folder`, whose time tells when it was last used, and with a new one clear away those long unused.

    A process that still runs with a removed folder compiles anew where it has to. A folder that cannot be made or
    removed is no error: Numba then keeps the functions elsewhere, or not at all.
    """
    with suppress(OSError):
        if folder.exists():
            os.utime(folder)
            return
        folder.mkdir(parents=True)
        for other in folder.parent.glob("kernels-" + "[0-9a-f]" * 16):
            if time.time() - other.stat().st_mtime > KEPT:
                shutil.rmtree(other, ignore_errors=True)


def _room(here: Path) -> Path:
    if "NUMBA_CACHE_DIR" in os.environ:
        return Path(os.environ["NUMBA_CACHE_DIR"])
    if os.access(here, os.W_OK):
        return here / "__pycache__"
    try:
        return Path.home() / ".cache" / "minicnn"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / "minicnn"
