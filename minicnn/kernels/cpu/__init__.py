"""Numba twins of the operations, for NumPy arrays. Imported when the first of them is needed."""

from __future__ import annotations

import hashlib
import os
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
    room = here / "__pycache__" if os.access(here, os.W_OK) else Path.home() / ".cache" / "minicnn"
    numba.config.CACHE_DIR = str(room / f"kernels-{fingerprint}")


if "NUMBA_CACHE_DIR" not in os.environ:
    _keep_compiled_code_apart()
