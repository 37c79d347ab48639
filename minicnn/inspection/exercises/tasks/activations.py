"""The exercises on ReLU."""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.inspection.exercises.exercise import Case, Exercise, Function, GradientCheck, Mistake
from minicnn.inspection.exercises.language import Text
from minicnn.loops import activations as loops


def _forward_cases(rng: np.random.Generator) -> list[Case]:
    return [Case({"x": rng.standard_normal((3, 5))}), Case({"x": rng.standard_normal((2, 3, 4, 2))})]


def _backward_cases(rng: np.random.Generator) -> list[Case]:
    shapes = (3, 5), (2, 3, 4, 2)
    return [Case({"dy": rng.standard_normal(s), "y": np.maximum(3 * rng.standard_normal(s), 0)}) for s in shapes]


def _gradients(rng: np.random.Generator) -> GradientCheck:
    def backward(function: Function, dy: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        return {"x": function(dy=dy, y=ops.relu(x))}

    return GradientCheck(ops.relu, backward, {"x": rng.standard_normal((4, 5))})


EXERCISES = (
    Exercise(
        ops.relu,
        Text("set what is negative to zero", "把负数变为零"),
        ("y",),
        _forward_cases,
        (
            Mistake("y", lambda a: np.minimum(a.x, 0), Text(
                "What is kept is the negative part: that is min(x, 0). ReLU keeps the positive one, max(x, 0).",
                "留下的是负的部分，即 min(x, 0)。ReLU 留下正的部分：max(x, 0)。",
            )),
            Mistake("y", lambda a: np.abs(a.x), Text(
                "This is |x|: negative values come out positive. ReLU sets them to 0.",
                "这是 |x|：负数变成了正数。ReLU 把它们变成 0。",
            )),
            Mistake("y", lambda a: a.x > 0, Text(
                "This is the mask, where x is positive, and not the values there: multiply it by x, or take max(x, 0).",
                "这是掩码（x 为正的位置），不是那里的值：乘以 x，或者取 max(x, 0)。",
            )),
            Mistake("y", lambda a: np.maximum(a.x, 1), Text(
                "Everything below 1 became 1: the bound is 0, max(x, 0).",
                "小于 1 的都变成了 1：界限是 0，即 max(x, 0)。",
            )),
            Mistake("y", lambda a: np.where(a.x > 0, a.x, 0.01 * a.x), Text(
                "A hundredth of the negative values is let through: that is the leaky ReLU. The plain one gives 0 "
                "there.",
                "负数的百分之一被放了过来：那是 leaky ReLU。普通 ReLU 在那里给 0。",
            )),
            Mistake("y", lambda a: a.x, Text(
                "y is x itself: nothing was set to zero.",
                "y 就是 x：什么都没有变为零。",
            )),
            Mistake("y", lambda a: np.maximum(a.x, a.x.mean()), Text(
                "The bound is the mean of x; it should be 0.", "界限用了 x 的平均值；应当是 0。",
            )),
        ),
    ),
    Exercise(
        ops.relu_backward,
        Text("let the gradient through where y is positive", "在 y 为正处放行梯度"),
        ("dx",),
        _backward_cases,
        (
            Mistake("dx", lambda a: np.maximum(a.dy, 0), Text(
                "This is ReLU of dy. The mask belongs to the forward pass: where y is positive dy goes through, "
                "whatever its own sign (document 004 §4.2 leaves open what the mask is taken of).",
                "这是对 dy 作 ReLU。掩码属于前向传播：y 为正处放行 dy，不管 dy 自己的符号（文档 004 §4.2 "
                "没有说清掩码取自哪里）。",
            )),
            Mistake("dx", lambda a: a.y > 0, Text(
                "This is the slope alone, 0 or 1. The chain rule multiplies it by what comes from behind: dy ⊙ [y > "
                "0].",
                "这只是斜率（0 或 1）。链式法则还要乘以后面传来的梯度：dy ⊙ [y > 0]。",
            )),
            Mistake("dx", lambda a: a.dy * a.y, Text(
                "dy is multiplied by y itself: ReLU's slope is 1 where y is positive, not y. Use the mask y > 0.",
                "dy 乘的是 y 本身：y 为正处 ReLU 的斜率是 1，不是 y。请用掩码 y > 0。",
            )),
            Mistake("dx", lambda a: a.dy * (a.y >= 0), Text(
                "The mask y ≥ 0 is true everywhere, for the zeros that ReLU wrote are ≥ 0 as well: it should be y > 0.",
                "掩码 y ≥ 0 处处为真，因为 ReLU 写下的 0 也 ≥ 0：应当是 y > 0。",
            )),
            Mistake("dx", lambda a: a.dy * (a.y <= 0), Text(
                "The mask is inverted: the gradient goes through where the ReLU was shut. Let it through where y > 0.",
                "掩码反了：梯度从 ReLU 关闭处通过了。应在 y > 0 处放行。",
            )),
            Mistake("dx", lambda a: np.where(a.y > 0, a.dy, 0.01 * a.dy), Text(
                "A hundredth of the gradient leaks through where the ReLU was shut: that is the leaky ReLU's slope.",
                "在 ReLU 关闭处漏过了百分之一的梯度：那是 leaky ReLU 的斜率。",
            )),
        ),
        loops=lambda a: loops.relu_backward(a.dy, a.y),  # y is above 0 where x is
        gradients=_gradients,
    ),
)  # fmt: skip
