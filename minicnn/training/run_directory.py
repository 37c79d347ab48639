"""The folder that a training run leaves behind: which file in it is what."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from minicnn.errors import UsageError
from minicnn.files import write_whole

CONFIG = "config.json"


class RunDirectory:
    """A folder with config.json (what was asked for), metrics.csv (a row an epoch), weights and pictures.

    best.safetensors: weights of the epoch with the highest validation accuracy; last.safetensors: of the last epoch;
    state.safetensors: all that `minicnn train --resume` needs. curves.png, confusion.png: pictures of the run.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config = self.path / CONFIG
        self.metrics = self.path / "metrics.csv"
        self.best = self.path / "best.safetensors"
        self.last = self.path / "last.safetensors"
        self.state = self.path / "state.safetensors"
        self.curves = self.path / "curves.png"
        self.confusion = self.path / "confusion.png"

    def require_unused(self) -> None:
        """Raise UsageError when there is something in the folder, or something else of its name."""
        if (self.path.is_dir() and not any(self.path.iterdir())) or not self.path.exists():
            return
        if self.config.exists():
            raise UsageError(
                f"{self.path} holds a run already: go on with it (minicnn train --resume {self.path}), "
                "or name another folder with --out"
            )
        raise UsageError(f"{self.path} exists and is not an empty folder: name another one with --out")

    def create(self, config: dict[str, Any]) -> None:
        """Make the folder, with config.json in it. Raises UsageError when that is not possible."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make the folder {self.path}: {error.strerror or error}") from error
        self.write_config(config)

    def write_config(self, config: dict[str, Any]) -> None:
        """Write config.json."""
        write_whole(self.config, json.dumps(config, indent=2, ensure_ascii=False) + "\n")

    def read_config(self) -> dict[str, Any]:
        """Return what config.json holds. Raises UsageError when this is no run, or the file is damaged."""
        if not self.path.is_dir():
            raise UsageError(f"there is no run directory {self.path}")
        try:
            config = json.loads(self.config.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"{self.path} is no run directory: there is no {CONFIG} in it") from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise UsageError(f"{self.config} is damaged: {error}") from error
        if not isinstance(config, dict):
            raise UsageError(f"{self.config} is damaged: it holds no settings")
        return config

    def weights(self, which: str) -> Path:
        """Return the file with the "best" or the "last" weights. Raises UsageError when there is none (yet)."""
        if which not in ("best", "last"):
            raise UsageError(f"unknown checkpoint {which!r}: choose best or last")
        path = self.best if which == "best" else self.last
        if not path.exists():
            raise UsageError(
                f"{self.path} has no {path.name}: no epoch was finished; minicnn train --resume {self.path} goes on"
            )
        return path


def free_run_directory(data: str, model: str) -> RunDirectory:
    """Return the first of runs/DATA-MODEL-1, runs/DATA-MODEL-2, … that is not there yet."""
    number = 1
    while (path := Path("runs", f"{Path(data).resolve().name}-{model}-{number}")).exists():
        number += 1
    return RunDirectory(path)
