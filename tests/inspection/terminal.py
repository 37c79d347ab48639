"""A program in a terminal of its own, and somebody who types into it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>])")


class Terminal:
    """Run `command`; `ask` types a line and returns what is answered up to the next prompt."""

    def __init__(
        self, command: Sequence[str], prompt: str | re.Pattern[str], folder: Path, environment: dict[str, str]
    ) -> None:
        self._prompt = re.compile((re.escape(prompt) if isinstance(prompt, str) else prompt.pattern) + r"\Z")
        self._ours, theirs = pty.openpty()
        plain = {"TERM": "dumb", "NO_COLOR": "1", "PYTHON_COLORS": "0", "COLUMNS": "200"}
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env={**environment, **plain},
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def answer(self, seconds: float = 60) -> str:
        """Return what is printed until the prompt stands there, or the program has ended."""
        text, deadline = "", time.monotonic() + seconds
        while not self._prompt.search(text):
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no prompt within {seconds} s; so far:\n{text}"
            try:
                read = os.read(self._ours, 65536)
            except OSError:  # Linux' way to say that nobody is at the other end any more
                read = b""
            if not read:
                break
            text = _ESCAPES.sub("", text + read.decode(errors="replace")).replace("\r\n", "\n")
        return self._prompt.sub("", text)

    def ask(self, line: str) -> str:
        """Type a line, and return what is printed after it until the next prompt."""
        os.write(self._ours, line.encode() + b"\n")
        return self.answer().partition("\n")[2]  # the first line is the echo of what was typed

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)
