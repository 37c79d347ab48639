"""Runs beside one another: in which settings they differ, and what came out of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minicnn.errors import UsageError
from minicnn.runs.run_directory import RunDirectory
from minicnn.training.history import Epoch, best_epoch, from_csv


@dataclass(frozen=True)
class RunRecord:
    """What a run directory tells without its weights: its settings, and a row for each epoch that it finished."""

    path: str
    settings: dict[str, Any]
    history: list[Epoch]

    @classmethod
    def read(cls, path: str) -> RunRecord:
        """Read the run in the folder `path`.

        Raises UsageError when it is no run, is damaged, or has finished no epoch.
        """
        directory = RunDirectory(path)
        settings = directory.read_settings(directory.read_config())
        try:
            history = from_csv(directory.metrics.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"{path} has finished no epoch yet: there is nothing to compare") from None
        except (OSError, ValueError) as error:
            raise UsageError(f"{directory.metrics} is damaged: {error}") from error
        return cls(path, settings.to_config(), history)

    @property
    def best(self) -> Epoch:
        """The epoch of the highest validation accuracy."""
        return best_epoch(self.history)

    @property
    def whole(self) -> bool:
        """Whether it trained for all of its epochs: not if it was stopped, or still goes on."""
        return len(self.history) == self.settings["epochs"]

    @property
    def seconds(self) -> float:
        """How long training and validation took."""
        return sum(row.seconds for row in self.history)

    def _repr_html_(self) -> str:
        from minicnn.runs.notebook import record_html

        return record_html(self)

    def to_json(self) -> dict[str, Any]:
        """Return what came out of the run, and its settings, in plain JSON values."""
        return {
            "run": self.path,
            "best_accuracy": self.best.val_accuracy,
            "best_epoch": self.best.epoch,
            "epochs": len(self.history),
            "seconds": self.seconds,
            "settings": self.settings,
        }


def differing_settings(records: Sequence[RunRecord]) -> list[str]:
    """Return the names of the settings that are not the same in all runs, in the order in which settings stand."""
    first = records[0].settings
    return [name for name in first if any(record.settings[name] != first[name] for record in records)]
