"""Early stopping: training ends when it does not get better on unseen images, or is worse than others were by then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from minicnn.training.history import Epoch

FEWEST_OTHERS = 3  # whose median is compared with: of fewer it says little
StopRule = Callable[[Sequence[Epoch]], str | None]  # from the epochs so far to why training should end, or None


def reason_to_stop(history: Sequence[Epoch], patience: int, begin: int = 0) -> str | None:
    """Return why training should end after the epochs of `history`, or None while it should go on.

    patience: how many epochs in a row may pass without a higher validation accuracy than the best before; 0 for any
    number; those in which weights were still being pruned do not count, nor do those before epoch `begin`, where
    something is still to come. It follows from the history alone, so that a run that was stopped and taken up again
    ends where it would have.
    Source: Prechelt 1998, "Early stopping, but when?".
    """
    if patience == 0 or not history:
        return None
    best = max(history, key=lambda row: (row.sparsity, row.val_accuracy))  # of equals the first
    if history[-1].epoch - max(best.epoch, begin - 1) < patience:
        return None
    waited = f"{patience} epochs" if patience > 1 else "an epoch"
    return (
        f"stopped early: {waited} without a better validation accuracy than {best.val_accuracy:.1%} in "
        f"epoch {best.epoch}"
    )


def median_rule(others: Sequence[Sequence[Epoch]], begin: int = 1) -> StopRule:
    """Return the rule that ends what is not better than half of `others` were after as many epochs.

    others: the histories of earlier trainings; those that were shorter count with the best that they had. Compared are
    the best validation accuracies so far. With fewer than FEWEST_OTHERS nothing is ended. begin: the first epoch that
    is judged. Source: Golovin et al. 2017, "Google Vizier: A service for black-box optimization", §3.2.2, the median
    stopping rule.
    """

    def rule(history: Sequence[Epoch]) -> str | None:
        if len(history) < begin or len(others) < FEWEST_OTHERS:
            return None
        middle = median(_best_by(len(history), other) for other in others)
        best = _best_by(len(history), history)
        if best >= middle:
            return None
        return f"stopped early: {best:.1%} by epoch {len(history)}, where half of the others had {middle:.1%} or more"

    return rule


def _best_by(epoch: int, history: Sequence[Epoch]) -> float:
    return max(row.val_accuracy for row in history[:epoch])
