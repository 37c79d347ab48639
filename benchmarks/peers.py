"""The parent's side of the workers: start a process for an engine, ask it, and end it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any


class Peer:
    """An engine in a process of its own."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self.process = process

    def ask(self, order: str, **details: Any) -> Any:
        """Send one request and wait for its answer. Raises RuntimeError when the process has ended."""
        self.tell(order, **details)
        return self.hear(order)

    def tell(self, order: str, **details: Any) -> None:
        """Send one request; `hear` waits for its answer. Raises RuntimeError when the process has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"order": order, **details}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended(order) from error

    def hear(self, order: str) -> Any:
        """Wait for the answer to the request `order`. Raises RuntimeError when the process has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise self._ended(order)
        return json.loads(line)

    def close(self) -> None:
        """End the worker's loop, which ends with its input."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already
            self.process.stdin.close()

    def _ended(self, order: str) -> RuntimeError:
        return RuntimeError(f"the process of {self.name} ended at {order!r}; its own message stands above")


@contextmanager
def peer(name: str, **settings: Any) -> Iterator[Peer]:
    """Run the engine called `name` in a fresh process for the duration of the block."""
    command = [sys.executable, "-m", "benchmarks.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        started = Peer(name, process)
        try:
            started.ask("create", name=name, **settings)
            yield started
        finally:
            started.close()


@contextmanager
def peers(names: list[str], **settings: Any) -> Iterator[list[Peer]]:
    """Run several engines, each in a fresh process, for the duration of the block."""
    with ExitStack() as stack:
        yield [stack.enter_context(peer(name, **settings)) for name in names]
