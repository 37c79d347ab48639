"""The exercises on dropout.

Which values are dropped is the learner's choice; how many, and what becomes of the others, is not: so the results of a
call are judged by the mask that came with them, and the masks as such.
"""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.inspection.exercises.exercise import (
    Arguments,
    Case,
    Exercise,
    Function,
    GradientCheck,
    Mistake,
    Results,
    copies,
)
from minicnn.inspection.exercises.language import Text

SEEDS = 3, 4
RATE = 0.2
STRAY = 5.0  # standard deviations that the share of what is kept may stray


def _forward_cases(rng: np.random.Generator) -> list[Case]:
    x = 1 + rng.random((20, 30))  # no zeros, so that what was dropped shows
    return [
        Case({"x": x, "rate": RATE, "seed": SEEDS[0]}),
        Case({"x": 1 + rng.random((5, 6, 7, 2)), "rate": 0.5, "seed": SEEDS[1]}),
        Case({"x": x, "rate": 0.0, "seed": SEEDS[0]}),
    ]


def _truth(arguments: Arguments, returned: Results) -> Results:
    """Return the results for the mask that the learner drew, if it is one; by minicnn's own otherwise."""
    keep, x = np.asarray(returned["keep"]), arguments["x"]
    if keep.shape != x.shape or keep.dtype.kind not in "fiub" or len(np.unique(keep)) > 2:
        _, keep = ops.dropout(**copies(arguments))
    keep = keep != 0
    return {"y": (x * keep / (1 - arguments["rate"])).astype(x.dtype), "keep": keep}


def _judge(function: Function) -> Text | None:
    """Return what is wrong with how the values to drop are chosen."""
    x = np.ones((60, 80))
    masks = [np.asarray(function(x=x.copy(), rate=RATE, seed=seed)[1]) for seed in (SEEDS[0], SEEDS[0], SEEDS[1])]
    kept, spread = float(masks[0].mean()), float(np.sqrt(RATE * (1 - RATE) / x.size))
    if abs(kept - RATE) < STRAY * spread:
        return Text(
            "A share of {rate:.0%} is kept: the mask is inverted. rate is the share to drop, so a value is kept with "
            "probability 1 − rate.",
            "只保留了 {rate:.0%}：掩码反了。rate 是丢弃的比例，每个值以概率 1 − rate 保留。",
        ).filled(rate=RATE)
    if (masks[0] == masks[0][:1]).all() or (masks[0] == masks[0][:, :1]).all():
        return Text(
            "Whole rows or columns share one draw: every value is kept or dropped by itself, so draw as many numbers "
            "as x has.",
            "整行或整列共用一次抽签：每个值各自决定去留，x 有多少个数就要抽多少次。",
        )
    if abs(kept - (1 - RATE)) > STRAY * spread:
        return Text(
            "A share of {kept:.1%} is kept; with rate {rate} it should be {wanted:.0%}.",
            "保留了 {kept:.1%}；rate 为 {rate} 时应是 {wanted:.0%}。",
        ).filled(kept=kept, rate=RATE, wanted=1 - RATE)
    if not (masks[0] == masks[1]).all():
        return Text(
            "The same seed gives another mask each time: draw from seed alone, or no run can be repeated.",
            "同一个种子每次给出不同的掩码：只能由 seed 抽取，否则训练无法重现。",
        )
    if (masks[0] == masks[2]).all():
        return Text(
            "Every seed gives the same mask: then the same values are dropped in every step. Draw from seed.",
            "每个种子都给出同样的掩码：那样每一步丢的都是同一批值。要由 seed 抽取。",
        )
    return None


def _backward_cases(rng: np.random.Generator) -> list[Case]:
    return [
        Case({"dy": rng.standard_normal(shape), "keep": rng.random(shape) >= rate, "rate": rate})
        for shape, rate in (((4, 6), 0.2), ((2, 3, 4, 2), 0.4), ((4, 6), 0.0))
    ]


def _gradients(rng: np.random.Generator) -> GradientCheck:
    def forward(x: np.ndarray) -> np.ndarray:
        return ops.dropout(x, RATE, SEEDS[0])[0]

    def backward(function: Function, dy: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        _, keep = ops.dropout(x, RATE, SEEDS[0])
        return {"x": function(dy=dy, keep=keep, rate=RATE)}

    return GradientCheck(forward, backward, {"x": rng.standard_normal((4, 6))})


EXERCISES = (
    Exercise(
        ops.dropout,
        Text("zeros at random, the rest scaled up", "随机置零，放大其余"),
        ("y", "keep"),
        _forward_cases,
        (
            Mistake("y", lambda a: a.x * a.keep, Text(
                "The rest is not scaled up: dropping a share rate makes everything smaller on average, by 1 − rate; "
                "divide "
                "by that, and evaluation, where nothing is dropped, sees numbers of the same size.",
                "其余的值没有放大：丢掉比例 rate 会使平均值缩小为 1 − rate 倍；除以它，评估时（什么都不丢）"
                "看到的数才是同样大小。",
            )),
            Mistake("y", lambda a: a.x * a.keep * (1 - a.rate), Text(
                "What is kept is multiplied by 1 − rate: divide by it, so that the mean stays what it was. (To "
                "multiply "
                "belongs to evaluation, in the dropout of old that is not inverted.)",
                "保留的值乘以了 1 − rate：应除以它，平均值才不变。（乘是旧式、非 inverted dropout 在评估时做的。）",
            )),
            Mistake("y", lambda a: a.x * a.keep / a.rate, Text(
                "What is kept is divided by rate, the share that is dropped: divide by the share that is kept, 1 − "
                "rate.",
                "保留的值除以了 rate（丢弃的比例）：应除以保留的比例 1 − rate。",
            )),
            Mistake("y", lambda a: a.x * (a.keep == 0) / (1 - a.rate), Text(
                "y has zeros where keep is True: the two are inverted, keep says which values stay.",
                "keep 为 True 的地方 y 却是零：两者反了，keep 表示哪些值留下。",
            )),
            Mistake("y", lambda a: a.x / (1 - a.rate), Text(
                "Everything is scaled up and nothing dropped: multiply by the mask as well.",
                "全都放大了，却什么都没丢：还要乘以掩码。",
            )),
            Mistake("keep", lambda a: (a.keep > 0) / (1 - a.rate), Text(
                "keep holds 0 and 1/(1 − rate): it should be the mask alone, True or False; the factor belongs to y.",
                "keep 里是 0 和 1/(1 − rate)：它应只是掩码（True 或 False）；因子属于 y。",
            )),
            Mistake("y", lambda a: a.x, Text(
                "y is x itself: nothing was dropped. y = x ⊙ keep / (1 − rate).",
                "y 就是 x：什么都没丢。y = x ⊙ keep / (1 − rate)。",
            )),
        ),
        given=("_hash",),
        truth=_truth,
        judge=_judge,
    ),
    Exercise(
        ops.dropout_backward,
        Text("the gradient of what was kept", "被保留者的梯度"),
        ("dx",),
        _backward_cases,
        (
            Mistake("dx", lambda a: a.dy * a.keep, Text(
                "The factor is missing: what was kept was divided by 1 − rate going forward, so its gradient is as "
                "well.",
                "少了因子：前向时保留的值除以了 1 − rate，它的梯度也要除。",
            )),
            Mistake("dx", lambda a: a.dy * ~a.keep / (1 - a.rate), Text(
                "The mask is inverted: the gradient goes where the value was dropped. It goes where keep is True.",
                "掩码反了：梯度去了被丢弃的地方。它应去 keep 为 True 的地方。",
            )),
            Mistake("dx", lambda a: a.dy / (1 - a.rate), Text(
                "The mask is missing: what was dropped has no influence on y, so its gradient is 0.",
                "没有用掩码：被丢弃的值对 y 没有影响，梯度是 0。",
            )),
            Mistake("dx", lambda a: a.dy, Text(
                "dx is dy itself: neither the mask nor the factor 1/(1 − rate) is there.",
                "dx 就是 dy：掩码和因子 1/(1 − rate) 都没有。",
            )),
            Mistake("dx", lambda a: a.dy * a.keep * (1 - a.rate), Text(
                "It is multiplied by 1 − rate, where it should be divided by it, as going forward.",
                "乘以了 1 − rate，而应当像前向那样除以它。",
            )),
            Mistake("dx", lambda a: a.dy * a.keep / a.rate, Text(
                "It is divided by rate, the share that was dropped; divide by the share that was kept, 1 − rate.",
                "除以了 rate（丢弃的比例）；应除以保留的比例 1 − rate。",
            )),
            Mistake("dx", lambda a: a.dy * a.keep / (1 - a.rate) ** 2, Text(
                "It is divided by 1 − rate twice.", "除以了两次 1 − rate。",
            )),
        ),
        gradients=_gradients,
    ),
)  # fmt: skip
