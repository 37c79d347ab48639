"""Processes that tests start, interrupt, and end whatever happens."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a process that Ctrl-C interrupts, and kill it at the end of the block if it still runs.

    Who runs the tests in the background of a script (`pytest &`) hands on that SIGINT is ignored. A function as the
    handler while the process starts makes it start with the signal as usual.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command, text=True, **options)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
