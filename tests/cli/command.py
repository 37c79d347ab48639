"""What a command answers, and options with which training takes no time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Answer(NamedTuple):
    """What a command did: its exit code and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Answer]

SMALL = ("--model", "cnn2", "--image-size", 16, "--epochs", 1, "--batch-size", 16, "--workers", 0)  # to train quickly
