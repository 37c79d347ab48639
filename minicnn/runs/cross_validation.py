"""K-fold cross-validation: K runs, each validated on another part of the training images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from minicnn.errors import UsageError
from minicnn.runs.comparison import RunRecord
from minicnn.runs.plots import draw_comparison
from minicnn.runs.series import Member, require_trainable, trained
from minicnn.runs.settings import Settings
from minicnn.training.progress import Progress


@dataclass(frozen=True)
class CrossValidation:
    """What came of the folds: the best accuracy of each run on images that taught it nothing."""

    records: list[RunRecord]

    @property
    def accuracies(self) -> list[float]:
        """The folds' best validation accuracies, 0 … 1."""
        return [record.best.val_accuracy for record in self.records]

    def describe(self) -> str:
        """Return the mean and the spread of the folds in a line."""
        each = ", ".join(f"{accuracy:.1%}" for accuracy in self.accuracies)
        return (
            f"{len(self.records)} folds: {mean(self.accuracies):.2%} ± {stdev(self.accuracies):.2%} of the images right"
            f" (mean and standard deviation of {each})"
        )


def cross_validate(settings: Settings, folds: int, folder: Path, progress: Progress) -> CrossValidation:
    """Train a run for each of `folds` folds in `folder`/fold-1, fold-2, …; draw their curves into compare.png there.

    The mean tells how good the settings are, the deviation how much that depends on which images were seen.
    Raises UsageError for fewer than 2 folds, and what a run raises; before the first is trained, where that can be.
    """
    if folds < 2:
        raise UsageError(f"cross-validation takes at least 2 folds; got {folds}")
    members = [
        Member(f"fold {number} of {folds}", settings.changed(fold=f"{number}/{folds}"), folder / f"fold-{number}")
        for number in range(1, folds + 1)
    ]
    require_trainable(members, folder)
    records = []
    for member in members:
        progress.note(member.name)
        records.append(trained(member, progress))
    draw_comparison({Path(record.path).name: record.history for record in records}, folder / "compare.png")
    return CrossValidation(records)
