"""The one JSON object that a command prints for programs, with `--json`."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any


def print_json(answer: dict[str, Any]) -> None:
    """Print `answer` as one line of JSON, which knows neither NaN nor infinities: they are null there."""
    print(json.dumps(_plain(answer), allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value
