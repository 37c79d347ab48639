"""The search for good settings: many short runs, on a grid or at random, of which the hopeless ones end early."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.errors import UsageError
from minicnn.files import in_home
from minicnn.runs.comparison import RunRecord
from minicnn.runs.plots import draw_search
from minicnn.runs.series import Member, require_trainable, trained
from minicnn.runs.settings import Settings
from minicnn.runs.transfer import with_those_of_init
from minicnn.training.progress import Progress
from minicnn.training.stopping import median_rule
from minicnn.training.trainer import Diverged

MOST = 2**62  # of a range's ends, which random numbers reach
DRAWS = 20  # tries for each trial, so that it is none that was drawn before
LISTS = ("classes", "augment", "freeze", "rates")  # settings whose value may be several, joined by commas
KINDS: dict[str, type] = {name: type(value) for name, value in Settings().to_config().items()}


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`: whole ones where both are; others evenly over their logarithm if above 0."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float | int:
        """Return one of them at random; of three digits where it is not whole, which one can type again."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return int(rng.integers(self.low, self.high + 1))
        if self.low > 0:
            drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            drawn = rng.uniform(self.low, self.high)
        return min(max(float(f"{drawn:.3g}"), self.low), self.high)


Space = Mapping[str, "Range | tuple[Any, ...]"]  # name of a setting → what it may be


def read_setting(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE, such as "image_size=32", in the type of that setting. Raises UsageError for anything else."""
    name, value = _name_and_rest(text)
    return name, _value(name, value)


def read_space(texts: Sequence[str]) -> dict[str, Range | tuple[Any, ...]]:
    """Read what is to be tried: NAME=VALUE,VALUE,… or, for numbers, NAME=LOW..HIGH.

    In values that are lists themselves, + stands for the comma: augment=none,flip,flip+crop. A value that is named
    twice is tried once. Raises UsageError for anything else, or a setting that stands there twice.
    """
    space: dict[str, Range | tuple[Any, ...]] = {}
    for text in texts:
        name, rest = _name_and_rest(text)
        if name in space:
            raise UsageError(f"{name} is to be tried twice: name all its values at once")
        low, dots, high = rest.partition("..")
        if dots and KINDS[name] in (int, float):
            numbers = Range(_value(name, low), _value(name, high))
            if not -MOST < numbers.low < numbers.high < MOST:
                raise UsageError(f"{text!r} is no range: give two numbers, the lower one first")
            space[name] = numbers
        else:
            space[name] = tuple(dict.fromkeys(_value(name, _with_commas(name, value)) for value in rest.split(",")))
    if not space:
        raise UsageError("there is nothing to try: name a setting and its values, such as --try lr=1e-4,1e-3,1e-2")
    return space


def trials_of(space: Space, count: int, seed: int) -> list[dict[str, Any]]:
    """Return the settings of each trial: all combinations where `count` is 0, or so many drawn at random.

    No two are the same, so that there are fewer than `count` where there are no more to be found. seed: of the draws;
    the first n of more draws are the same. Source: Bergstra & Bengio 2012, "Random search for hyper-parameter
    optimization". Raises UsageError for a range where there is no count.
    """
    if count < 0:
        raise UsageError(f"the number of trials is at least 1, or 0 for all combinations; got {count}")
    if count == 0:
        if ranges := [name for name, values in space.items() if isinstance(values, Range)]:
            raise UsageError(f"{ranges[0]} has no end of values: add --trials to draw so many at random")
        return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]  # type: ignore
    rng = np.random.default_rng(seed)
    drawn: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _ in range(DRAWS * count):
        trial = {
            name: values.draw(rng) if isinstance(values, Range) else values[int(rng.integers(len(values)))]
            for name, values in space.items()
        }
        drawn.setdefault(tuple(trial.values()), trial)
        if len(drawn) == count:
            break
    return list(drawn.values())


def search(
    given: Mapping[str, Any], space: Space, count: int, folder: Path, progress: Progress, stops: bool = True
) -> list[RunRecord]:
    """Train a run for each trial in `folder`/001, 002, …, and draw what came of them into search.png there.

    given: settings of all runs but for what is tried; those that are in neither have their defaults, or what a network
    to start from brings along. space, count: see `trials_of`. stops: end runs that are worse than half of those before
    were by then, see `median_rule`. Returns the runs that did not diverge, the best first.
    Raises UsageError for trials that cannot be trained, before the first of them is, or when all diverged.
    """
    trials = trials_of(space, count, Settings(**given).seed)
    if len(trials) < count:
        progress.note(f"{len(trials)} different trials could be drawn, not {count}")
    members = [
        _member(number, len(trials), given, trial, folder / f"{number:03}")
        for number, trial in enumerate(trials, start=1)
    ]
    require_trainable(members, folder)
    records: list[RunRecord] = []
    for member in members:
        progress.note(member.name)
        first_judged = max(2, member.settings.epochs // 4)  # in its first epochs chance decides who is ahead
        rule = median_rule([record.history for record in records], first_judged) if stops else None
        try:
            records.append(trained(member, progress, rule))
        except Diverged as error:
            progress.note(f"{error}")
    if not records:
        raise UsageError("every trial diverged: try lower learning rates")
    draw_search(records, list(space), folder / "search.png")
    return sorted(records, key=lambda record: -record.best.val_accuracy)


def _member(number: int, count: int, given: Mapping[str, Any], trial: Mapping[str, Any], path: Path) -> Member:
    name = f"trial {number} of {count}: {', '.join(f'{name}={value}' for name, value in trial.items())}"
    try:
        return Member(name, Settings(**with_those_of_init({**given, **trial})), path)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def _with_commas(name: str, value: str) -> str:
    """Return the value of a list with commas in place of +, but for that of an exponent, as in 1e+3, and in a path."""
    if name not in LISTS or (name == "classes" and in_home(value).exists()):
        return value
    return re.sub(r"(?<![0-9.][eE])\+", ",", value)


def _name_and_rest(text: str) -> tuple[str, str]:
    name, equals, rest = text.partition("=")
    name = name.replace("-", "_")
    if not equals or name not in KINDS:
        raise UsageError(f"{text!r} should be a setting, =, and a value; settings are {', '.join(KINDS)}")
    return name, rest


def _value(name: str, text: str) -> Any:
    kind = KINDS[name]
    if kind is bool and text in ("true", "false"):
        return text == "true"
    try:
        if kind is not bool:
            return kind(text)
    except ValueError:
        pass
    raise UsageError(f"{name} should be {'true or false' if kind is bool else f'a {kind.__name__}'}; got {text!r}")
