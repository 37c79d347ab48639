"""The parent's side of the workers: start a process for an engine, ask it, and end it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


class Peer:
    """An engine in a process of its own."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self.process = process

    def ask(self, order: str, **details: Any) -> Any:
        """Send one request and wait for its answer. Raises RuntimeError when the process has ended."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"order": order, **details}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {self.name} ended at {order!r}; its own message stands above")
        return json.loads(line)


@contextmanager
def peer(name: str, **settings: Any) -> Iterator[Peer]:
    """Run the engine called `name` in a fresh process for the duration of the block."""
    command = [sys.executable, "-m", "benchmarks.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            started = Peer(name, process)
            started.ask("create", name=name, **settings)
            yield started
        finally:
            assert process.stdin is not None
            process.stdin.close()  # the worker's loop ends with its input


@contextmanager
def peers(names: list[str], **settings: Any) -> Iterator[list[Peer]]:
    """Run several engines, each in a fresh process, for the duration of the block."""
    with ExitStack() as stack:
        yield [stack.enter_context(peer(name, **settings)) for name in names]
