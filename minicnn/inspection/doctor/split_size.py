"""Are there enough validation pictures to tell one network from a better one?"""

from __future__ import annotations

from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.subject import Subject

SUPPOSED = 0.8  # an accuracy to give the interval of
WIDE = 0.1  # from the interval's lower to its upper end: beyond it, networks that differ a lot look alike
USELESS = 0.4
CONFIDENCE = 0.95


def split_size(subject: Subject) -> Finding:
    """Say how far an accuracy of 80 % could be from the truth, for so many validation pictures.

    The interval is Wilson's (1927), which holds for few pictures as well.
    """
    count = len(subject.validation.labels)
    low, high = interval(round(SUPPOSED * count), count)
    numbers = {"pictures": count, "low": low, "high": high}
    figure = f"{count:,} validation pictures: 80 % measured means {low:.1%} to {high:.1%} (19 times in 20)"
    if high - low <= WIDE:
        return Finding(Verdict.FINE, figure, numbers=numbers)
    advice = "believe no smaller difference; validate on more, or on each part in turn (--folds 5)"
    return Finding(Verdict.BROKEN if high - low > USELESS else Verdict.LOOK, figure, advice, numbers)


def interval(right: int, count: int) -> tuple[float, float]:
    """Return between which accuracies the true one lies, 19 times in 20, where `right` of `count` pictures were."""
    from scipy.stats import binomtest  # takes half a second to import

    found = binomtest(right, count).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)
