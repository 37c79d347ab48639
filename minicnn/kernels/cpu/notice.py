"""Telling the user, once, what is going on with the kernels."""

from __future__ import annotations

import functools
import sys


@functools.cache
def tell_once(text: str) -> None:
    """Print a line on stderr, the first time in this process that it is asked for."""
    print(f"minicnn: {text}", file=sys.stderr, flush=True)
