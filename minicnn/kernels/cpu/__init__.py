"""Numba twins of the operations, for NumPy arrays. Imported when the first of them is needed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import numba


def _keep_compiled_code_apart() -> None:
    """Give Numba a cache directory of its own for exactly these sources.

    Numba notices when the file of a cached function changes, but not when a function that it calls, from another file,
    does: after an edit or an upgrade it would run the old code.
    """
    here = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
    fingerprint = hashlib.sha256(sources).hexdigest()[:16]
    numba.config.CACHE_DIR = str(_cache_room(here) / f"kernels-{fingerprint}")


def _cache_room(here: Path) -> Path:
    if "NUMBA_CACHE_DIR" in os.environ:
        return Path(os.environ["NUMBA_CACHE_DIR"])
    if os.access(here, os.W_OK):
        return here / "__pycache__"
    try:
        return Path.home() / ".cache" / "minicnn"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / "minicnn"


_keep_compiled_code_apart()
