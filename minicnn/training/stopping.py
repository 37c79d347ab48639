"""Early stopping: training ends when it has gone on for long enough without getting better on unseen images."""

from __future__ import annotations

from collections.abc import Sequence

from minicnn.training.history import Epoch


def reason_to_stop(history: Sequence[Epoch], patience: int) -> str | None:
    """Return why training should end after the epochs of `history`, or None while it should go on.

    patience: how many epochs in a row may pass without a higher validation accuracy than the best before; 0 for any
    number. It follows from the history alone, so that a run that was stopped and taken up again ends where it would
    have. Source: Prechelt 1998, "Early stopping, but when?".
    """
    if patience == 0 or not history:
        return None
    best = max(history, key=lambda row: row.val_accuracy)  # of equals the first
    if history[-1].epoch - best.epoch < patience:
        return None
    waited = f"{patience} epochs" if patience > 1 else "an epoch"
    return (
        f"stopped early: {waited} without a better validation accuracy than {best.val_accuracy:.1%} in "
        f"epoch {best.epoch}"
    )
