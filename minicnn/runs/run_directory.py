"""The folder that a training run leaves behind: which file in it is what."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minicnn.errors import UsageError
from minicnn.files import clear_leftovers, write_synced, write_whole
from minicnn.runs.settings import Settings

CONFIG = "config.json"


class DirectoryTaken(UsageError):
    """The folder for a new run is in use: by another run, or by something else."""


class RunDirectory:
    """A folder with config.json (what was asked for), metrics.csv (a row an epoch), weights and pictures.

    best.safetensors: weights of the epoch with the highest validation accuracy; last.safetensors: of the last epoch;
    state.safetensors: all that `minicnn train --resume` needs. curves.png, confusion.png: pictures of the run.
    tensorboard/: its event files, where asked for. Of a
    network of the user's own, a copy of its file, which makes the folder code: see `minicnn.runs.own_network`.
    Raises UsageError for an empty name, which would mean the current folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not os.fspath(path):
            raise UsageError("the name of the run directory is empty: name a folder")
        self.path = Path(path)
        self.config = self.path / CONFIG
        self.metrics = self.path / "metrics.csv"
        self.best = self.path / "best.safetensors"
        self.last = self.path / "last.safetensors"
        self.state = self.path / "state.safetensors"
        self.curves = self.path / "curves.png"
        self.confusion = self.path / "confusion.png"
        self.tensorboard = self.path / "tensorboard"
        self._made: list[Path] = []  # the folders that `create` made, the innermost first
        self._others: list[Path] = []  # the files beside config.json that it made

    def clear_leftovers(self) -> None:
        """Remove what runs in this folder left half-written when they were killed."""
        for path in (self.config, self.metrics, self.best, self.last, self.state, self.curves, self.confusion):
            clear_leftovers(path)

    def require_unused(self) -> None:
        """Raise DirectoryTaken when there is something in the folder, or something else of its name."""
        self.clear_leftovers()
        if (self.path.is_dir() and not any(self.path.iterdir())) or not self.path.exists():
            return
        if self.config.exists():
            raise DirectoryTaken(
                f"{self.path} holds a run already: go on with it (minicnn train --resume {self.path}), "
                "or name another folder with --out"
            )
        raise DirectoryTaken(f"{self.path} exists and is not an empty folder: name another one with --out")

    def create(self, config: dict[str, Any], others: Mapping[str, bytes] | None = None) -> None:
        """Make the folder, with config.json in it; of several processes that try at once, one succeeds.

        others: the contents of other files that belong to the run from the beginning, by name.

        Raises DirectoryTaken when the folder is in use, and UsageError when it cannot be made; both leave nothing
        behind.
        """
        self._made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.require_unused()
            with self.config.open("xb") as file:  # "x": whoever makes this file owns the folder
                write_synced(file, _to_json(config))
            for name, content in (others or {}).items():
                self._others.append(self.path / name)
                write_whole(self._others[-1], content)
        except FileExistsError as error:
            self.require_unused()
            raise DirectoryTaken(f"{self.path} is in use: name another folder with --out") from error
        except DirectoryTaken:
            raise
        except BaseException as error:
            self.remove()
            if isinstance(error, OSError):
                raise UsageError(f"cannot make the folder {self.path}: {error.strerror or error}") from error
            raise

    def remove(self) -> None:
        """Take back what `create` made, and the state: for a run that could not begin."""
        for file in (self.config, self.state, *self._others):
            with contextlib.suppress(OSError):
                file.unlink()
        for folder in self._made:
            with contextlib.suppress(OSError):  # another run may have come into a folder above
                folder.rmdir()

    def write_config(self, config: dict[str, Any]) -> None:
        """Write config.json in place of the one that is there."""
        write_whole(self.config, _to_json(config))

    def read_config(self) -> dict[str, Any]:
        """Return what config.json holds. Raises UsageError when this is no run, or the file is damaged."""
        if not self.path.is_dir():
            raise UsageError(f"there is no run directory {self.path}")
        try:
            config = json.loads(self.config.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"{self.path} is no run directory: there is no {CONFIG} in it") from None
        except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON, or an endless number
            raise UsageError(f"{self.config} is damaged: {error}") from error
        if not isinstance(config, dict):
            raise UsageError(f"{self.config} is damaged: it holds no settings")
        classes, class_names = config.get("classes", []), config.get("class_names", [])
        for key, names in (("classes", classes), ("class_names", class_names)):
            if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
                raise UsageError(f"{self.config} is damaged: {key} should be a list of names")
        if len(classes) != len(class_names):
            raise UsageError(f"{self.config} is damaged: {len(class_names)} class_names for {len(classes)} classes")
        return config

    def read_settings(self, config: dict[str, Any]) -> Settings:
        """Return the settings in `config`, as `read_config` gave it. Raises UsageError when they are damaged."""
        try:
            return Settings.from_config(config["settings"])
        except (KeyError, TypeError, UsageError) as error:
            raise UsageError(f"{self.config} is damaged: {error}") from error

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


def _to_json(config: dict[str, Any]) -> str:
    return json.dumps(config, indent=2) + "\n"  # in ASCII: a file name need not be text of any encoding


def free_run_directory(data: str, model: str) -> RunDirectory:
    """Return the first of runs/DATA-MODEL-1, runs/DATA-MODEL-2, … that is not there yet."""
    number = 1
    while (path := Path("runs", f"{Path(data).resolve().name}-{model}-{number}")).exists():
        number += 1
    return RunDirectory(path)
