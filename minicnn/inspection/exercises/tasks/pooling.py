"""The exercises on max-pooling."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.inspection.exercises.exercise import Case, Exercise, Function, GradientCheck, Mistake
from minicnn.inspection.exercises.language import Text
from minicnn.inspection.exercises.tasks.columns import overwritten
from minicnn.ops.windows import Pair, output_size, pad_amounts, pad_image, window_slice

N, H, W, C = 2, 7, 6, 3
FIRST: dict[str, Any] = {"size": (2, 2), "stride": (2, 2), "padding": (0, 0)}
GEOMETRIES: tuple[tuple[dict[str, Any], Text | None], ...] = (
    (FIRST, None),
    ({"size": (3, 2), "stride": (1, 2), "padding": (0, 0)}, Text(
        "Right where size and stride are 2×2, not with size (KH, KW) and stride (SH, SW) of their own: window (i, j) "
        "starts at (i·SH, j·SW).",
        "大小和步幅都是 2×2 时正确，各取 (KH, KW) 和 (SH, SW) 时不对：窗口 (i, j) 从 (i·SH, j·SW) 开始。",
    )),
    ({"size": (3, 3), "stride": (2, 2), "padding": ((1, 0), (0, 1))}, Text(
        "Right without padding, not with it: what lies outside the picture counts as −∞.",
        "没有填充时正确，有填充时不对：图片之外算作 −∞。",
    )),
)  # fmt: skip


def _forward_cases(rng: np.random.Generator) -> list[Case]:
    def picture() -> np.ndarray:
        return rng.standard_normal((N, H, W, C)) - 3  # negative, so that zeros in the padding show

    flat = rng.integers(2, size=(N, H, W, C)).astype("float64")
    return [
        *(Case({"x": picture()} | settings, hint) for settings, hint in GEOMETRIES),
        Case({"x": flat} | FIRST, Text(
            "Right where all numbers differ, not where several are the largest: of equal ones argmax is the first, "
            "read "
            "row by row, so that the gradient goes to one of them alone.",
            "各数不同时正确，有几个并列最大时不对：argmax 取逐行读到的第一个，这样梯度只去其中一个。",
        )),
        Case({"x": picture()} | FIRST | {"indices": False}),
    ]  # fmt: skip


def _backward_cases(rng: np.random.Generator) -> list[Case]:
    cases = []
    for settings, hint in (*GEOMETRIES, ({"size": (3, 3), "stride": (1, 1), "padding": (0, 0)}, None)):
        y, argmax = ops.max_pool2d(rng.standard_normal((N, H, W, C)), **settings)
        arguments = {"dy": rng.standard_normal(y.shape), "argmax": argmax, "x_shape": (N, H, W, C)}
        cases.append(Case(arguments | settings, hint))
    return cases


def _gradients(rng: np.random.Generator) -> GradientCheck:
    settings: dict[str, Any] = {"size": (3, 2), "stride": (2, 2), "padding": (1, 0)}

    def forward(x: np.ndarray) -> np.ndarray:
        return ops.max_pool2d(x, **settings)[0]

    def backward(function: Function, dy: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        _, argmax = ops.max_pool2d(x, **settings)
        return {"x": function(dy=dy, argmax=argmax, x_shape=x.shape, **settings)}

    return GradientCheck(forward, backward, {"x": rng.standard_normal((2, 5, 4, 2))})


def _windows(a: SimpleNamespace, outside: float = float("-inf"), **others: Any) -> np.ndarray:
    """Return the windows of a call as (N, OH, OW, KH·KW, C), or those of another geometry."""
    size, stride, padding = (others.get(name, getattr(a, name)) for name in ("size", "stride", "padding"))
    outputs = output_size(a.x.shape[1:3], size, stride, padding)
    padded = pad_image(a.x, padding, outside)
    slices = [window_slice((ky, kx), outputs, stride) for ky in range(size[0]) for kx in range(size[1])]
    return np.stack([padded[:, rows, cols] for rows, cols in slices], axis=3)


def _centred(a: SimpleNamespace) -> np.ndarray:
    """Return the maxima of windows of which (i·SH, j·SW) is the middle, as document 004 §4.1.3 says."""
    (kh, kw), (h, w) = a.size, a.x.shape[1:3]
    outputs = output_size((h, w), a.size, a.stride, a.padding)
    padded = pad_image(a.x, ((kh // 2, kh), (kw // 2, kw)), float("-inf"))
    slices = [window_slice((ky, kx), outputs, a.stride) for ky in range(kh) for kx in range(kw)]
    return np.stack([padded[:, rows, cols] for rows, cols in slices]).max(axis=0)


def _column_by_column(argmax: np.ndarray, size: Pair) -> np.ndarray:
    return argmax // size[1] + argmax % size[1] * size[0]


def _last(windows: np.ndarray) -> np.ndarray:
    return windows.shape[3] - 1 - windows[:, :, :, ::-1].argmax(axis=3)


def _rows(shares: np.ndarray) -> np.ndarray:
    """Return what each window element gets, (N, OH, OW, KH·KW, C), as the rows that col2im reads."""
    return shares.reshape(-1, shares.shape[3] * shares.shape[4])


def _shares(a: SimpleNamespace, argmax: np.ndarray | None = None) -> np.ndarray:
    """Return dy at the element `argmax` of each window, and 0 at the others."""
    argmax = a.argmax if argmax is None else argmax
    elements = np.arange(a.size[0] * a.size[1]).reshape(-1, 1)
    return np.where(argmax[:, :, :, None] == elements, a.dy[:, :, :, None], 0.0)


def _back(a: SimpleNamespace, shares: np.ndarray) -> np.ndarray:
    return ops.col2im(_rows(shares), a.x_shape, a.size, a.stride, a.padding)


def _assigned(a: SimpleNamespace, everywhere: bool) -> np.ndarray:
    """Return what comes of = in the place of +=, of the windows over a pixel the last.

    everywhere: written are also the zeros beside the maximum, as by a mask, and not the maximum's pixel alone.
    """
    if everywhere:
        return overwritten(_rows(_shares(a)), a.x_shape, a.size, a.stride, a.padding, (1, 1))
    (top, bottom), (left, right) = pad_amounts(a.padding)
    n, h, w, c = a.x_shape
    padded = np.zeros((n, top + h + bottom, left + w + right, c))
    for number, i, j, channel in np.ndindex(a.dy.shape):
        ky, kx = divmod(int(a.argmax[number, i, j, channel]), a.size[1])
        padded[number, i * a.stride[0] + ky, j * a.stride[1] + kx, channel] = a.dy[number, i, j, channel]
    return padded[:, top : top + h, left : left + w]


def _spread(a: SimpleNamespace, divide: bool) -> np.ndarray:
    size = a.size[0] * a.size[1]
    return _back(a, np.repeat(a.dy[:, :, :, None], size, axis=3) / (size if divide else 1))


def _uncropped(a: SimpleNamespace) -> np.ndarray:
    n, h, w, c = a.x_shape
    (top, bottom), (left, right) = pad_amounts(a.padding)
    shape = n, top + h + bottom, left + w + right, c
    return ops.col2im(_rows(_shares(a)), shape, a.size, a.stride, (0, 0))


EXERCISES = (
    Exercise(
        ops.max_pool2d,
        Text("the largest of each window, and where it was", "每个窗口的最大值及其位置"),
        ("y", "argmax"),
        _forward_cases,
        (
            Mistake("y", lambda a: _windows(a).mean(axis=3), Text(
                "This is average pooling: max-pool keeps the largest value of the window.",
                "这是平均池化：最大池化保留窗口中最大的值。",
            )),
            Mistake("y", lambda a: _windows(a, float("inf")).min(axis=3), Text(
                "This is the smallest value of each window; keep the largest.",
                "这是每个窗口的最小值；应保留最大值。",
            )),
            Mistake("y", lambda a: _windows(a).sum(axis=3), Text(
                "The window is added up; keep its largest value.", "窗口求了和；应保留最大值。",
            )),
            Mistake("y", lambda a: np.abs(_windows(a)).max(axis=3), Text(
                "This is the largest absolute value: the sign counts, −3 is smaller than −1.",
                "这是绝对值最大的：符号算数，−3 小于 −1。",
            )),
            Mistake("y", lambda a: _windows(a, 0.0).max(axis=3), Text(
                "The padding counts as 0, which is larger than any negative pixel: fill it with −∞, so that it never "
                "wins.",
                "填充算成了 0，比任何负像素都大：要填 −∞，让它永远不会胜出。",
            )),
            Mistake("y", lambda a: np.maximum(_windows(a).max(axis=3), 0), Text(
                "What is below 0 became 0: begin the search for the maximum with −∞ or the first element, not with 0.",
                "小于 0 的变成了 0：找最大值要从 −∞ 或第一个元素开始，不是从 0 开始。",
            )),
            Mistake("y", lambda a: _windows(a, padding=(0, 0)).max(axis=3), Text(
                "The padding is ignored: windows begin at −top and −left.",
                "忽略了填充：窗口从 −top、−left 开始。",
            )),
            Mistake("y", lambda a: _windows(a, stride=a.size).max(axis=3), Text(
                "The windows move by their own size: they move by stride (SH, SW), and may overlap.",
                "窗口按自身大小移动了：应按步幅 (SH, SW) 移动，可以重叠。",
            )),
            Mistake("y", lambda a: _windows(a, stride=(1, 1)).max(axis=3), Text(
                "The stride is ignored: document 004 §4.1.3 prints input(i+x, j+y) without one; the window of output "
                "(i, j) starts at (i·SH, j·SW).",
                "忽略了步幅：文档 004 §4.1.3 印成 input(i+x, j+y)，没有步幅；输出 (i, j) 的窗口从 (i·SH, j·SW) 开始。",
            )),
            Mistake("y", _centred, Text(
                "The windows are centred at (i·SH, j·SW), as document 004 §4.1.3 says: they start there.",
                "窗口以 (i·SH, j·SW) 为中心了，文档 004 §4.1.3 就是这么说的：其实窗口从那里开始。",
            )),
            Mistake("y", lambda a: _windows(a).argmax(axis=3), Text(
                "What is returned as y is where the maximum was: the order is (y, argmax).",
                "作为 y 返回的是最大值的位置：返回的顺序是 (y, argmax)。",
            )),
            Mistake("argmax", lambda a: _column_by_column(_windows(a).argmax(axis=3), a.size), Text(
                "argmax counts column by column, kx·KH + ky: the window is read row by row, ky·KW + kx.",
                "argmax 按列数了，kx·KH + ky：窗口应逐行读，ky·KW + kx。",
            )),
            Mistake("argmax", lambda a: _windows(a).argmax(axis=3) + 1, Text(
                "argmax counts from 1; the first element of the window is number 0.",
                "argmax 从 1 数起了；窗口的第一个元素是 0 号。",
            )),
            Mistake("argmax", lambda a: _last(_windows(a)), Text(
                "Of equal largest elements argmax is the last; it should be the first: replace the maximum only by "
                "what "
                "is larger (>, not >=).",
                "并列最大时 argmax 取了最后一个；应取第一个：只有更大（>，不是 >=）才替换。",
            )),
        ),
    ),
    Exercise(
        ops.max_pool2d_backward,
        Text("the gradient goes to the maximum alone", "梯度只传给最大值"),
        ("dx",),
        _backward_cases,
        (
            Mistake("dx", lambda a: _spread(a, True), Text(
                "The gradient is spread evenly over the window: that is average pooling's. Only the arg max had a part "
                "in "
                "y. (Document 004 §4.2 prints poolᵀ·∂L/∂pool, which does not say where it goes.)",
                "梯度平均分给了整个窗口：那是平均池化的做法。只有 arg max 影响了 y。（文档 004 §4.2 印的 "
                "poolᵀ·∂L/∂pool 没有说传给谁。）",
            )),
            Mistake("dx", lambda a: _spread(a, False), Text(
                "Every element of the window gets the whole gradient; only the arg max had a part in y, the others get "
                "0.",
                "窗口的每个元素都得到了全部梯度；只有 arg max 影响了 y，其余得 0。",
            )),
            *(Mistake("dx", partial(_assigned, everywhere=everywhere), Text(
                "Where windows overlap, a pixel may be the maximum of several: their gradients add up, += and not =.",
                "窗口重叠时，一个像素可能是好几个窗口的最大值：梯度要相加，用 +=，不是 =。",
            )) for everywhere in (False, True)),
            Mistake("dx", lambda a: _back(
                    a, _shares(a, a.argmax % a.size[0] * a.size[1] + a.argmax // a.size[0])), Text(
                "argmax is read column by column; it is ky·KW + kx: ky = argmax // KW, kx = argmax % KW.",
                "argmax 按列读了；它是 ky·KW + kx：ky = argmax // KW，kx = argmax % KW。",
            )),
            Mistake("dx", lambda a: _back(a, np.where(_shares(a) != 0, 1.0, 0.0)), Text(
                "This marks the maxima with 1: the gradient dy belongs there.",
                "这里在最大值处标了 1：应当放梯度 dy。",
            )),
            Mistake("dx", _uncropped, Text(
                "The padding is still around dx: cut it off again.", "dx 四周还带着填充：要裁掉。",
            )),
            Mistake("dx", lambda a: _back(a, _shares(a, np.zeros_like(a.argmax))), Text(
                "The gradient goes to the first element of every window: it goes to the element number argmax.",
                "梯度都传给了窗口的第一个元素：应传给编号为 argmax 的元素。",
            )),
            Mistake("dx", lambda a: _back(a, a.dy[:, :, :, None] - _shares(a)), Text(
                "The mask is inverted: every element but the maximum has a gradient.",
                "掩码反了：除最大值以外的元素都有了梯度。",
            )),
        ),
        gradients=_gradients,
    ),
)  # fmt: skip
