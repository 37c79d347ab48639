"""The exercises on im2col and its way back, col2im."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.inspection.exercises.exercise import Case, Exercise, Function, GradientCheck, Mistake
from minicnn.inspection.exercises.language import Text
from minicnn.ops.windows import Padding, Pair, output_size, pad_amounts, spread, window_slice

N, H, W, C = 2, 6, 5, 3
KERNEL = (3, 2)
GEOMETRIES: tuple[tuple[dict[str, Any], Text | None], ...] = (
    ({"stride": (1, 1), "padding": (0, 0)}, None),
    ({"stride": (2, 1), "padding": (0, 0)}, Text(
        "Right where the window moves by one pixel, not with stride (SH, SW): window (i, j) starts at (i·SH, j·SW).",
        "窗口每次移动一个像素时正确，步幅为 (SH, SW) 时不对：窗口 (i, j) 从 (i·SH, j·SW) 开始。",
    )),
    ({"stride": (1, 1), "padding": (1, 2)}, Text(
        "Right without padding, not with it: PH rows of zeros lie above and below, PW columns left and right.",
        "没有填充时正确，有填充时不对：上下各有 PH 行零，左右各有 PW 列零。",
    )),
    ({"stride": (2, 3), "padding": ((1, 0), (0, 2))}, Text(
        "Right with padding (PH, PW), not with ((top, bottom), (left, right)): padding may be either, and pad_amounts "
        "of minicnn.ops.windows makes the second form of both.",
        "填充为 (PH, PW) 时正确，为 ((上, 下), (左, 右)) 时不对：两种写法都可能出现，minicnn.ops.windows 的 "
        "pad_amounts 都能变成后一种。",
    )),
    ({"stride": (1, 1), "padding": (0, 0), "dilation": (2, 1)}, Text(
        "Right without dilation, not with it: the elements of a window lie (DH, DW) pixels apart.",
        "没有空洞（dilation）时正确，有空洞时不对：窗口中的元素相隔 (DH, DW) 个像素。",
    )),
)  # fmt: skip


def geometry(a: SimpleNamespace, **others: Any) -> dict[str, Any]:
    """Return stride, padding and dilation of a call, some of them replaced."""
    return {"stride": a.stride, "padding": a.padding, "dilation": getattr(a, "dilation", (1, 1))} | others


def _forward_cases(rng: np.random.Generator) -> list[Case]:
    return [
        Case({"x": rng.standard_normal((N, H, W, C)), "kernel": KERNEL} | settings, hint)
        for settings, hint in GEOMETRIES
    ]


def _backward_cases(rng: np.random.Generator) -> list[Case]:
    cases = []
    for settings, hint in GEOMETRIES:
        oh, ow = output_size(
            (H, W), spread(KERNEL, settings.get("dilation", (1, 1))), settings["stride"], settings["padding"]
        )
        columns = rng.standard_normal((N * oh * ow, KERNEL[0] * KERNEL[1] * C))
        cases.append(Case({"columns": columns, "x_shape": (N, H, W, C), "kernel": KERNEL} | settings, hint))
    return cases


def _gradients(rng: np.random.Generator) -> GradientCheck:
    settings = {"kernel": KERNEL, "stride": (2, 1), "padding": (1, 0)}

    def forward(x: np.ndarray) -> np.ndarray:
        return ops.im2col(x, **settings)

    def backward(function: Function, dy: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        return {"x": function(columns=dy, x_shape=x.shape, **settings)}

    return GradientCheck(forward, backward, {"x": rng.standard_normal((N, H, W, C))})


def _windows(a: SimpleNamespace, **others: Any) -> np.ndarray:
    """Return the true columns of im2col as (N, OH, OW, KH, KW, C), or those of another geometry."""
    settings = geometry(a, **others)
    columns = ops.im2col(a.x, a.kernel, **settings)
    size = output_size(a.x.shape[1:3], spread(a.kernel, settings["dilation"]), settings["stride"], settings["padding"])
    return columns.reshape(len(a.x), *size, *a.kernel, a.x.shape[3])


def _rows(windows: np.ndarray) -> np.ndarray:
    n, oh, ow, *window = windows.shape
    return windows.reshape(n * oh * ow, int(np.prod(window)))


def _back(a: SimpleNamespace, columns: np.ndarray, **others: Any) -> np.ndarray:
    return ops.col2im(columns, a.x_shape, a.kernel, **geometry(a, **others))


def _split(a: SimpleNamespace, *order: int) -> np.ndarray:
    """Return the columns with their window read in another order: axes of (KH, KW, C)."""
    window = (*a.kernel, a.x_shape[3])
    split = a.columns.reshape(len(a.columns), *(window[axis] for axis in order))
    return split.transpose(0, *(1 + order.index(axis) for axis in range(3))).reshape(a.columns.shape)


def overwritten(
    columns: np.ndarray, x_shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair,
    by_windows: bool = False,
) -> np.ndarray:  # fmt: skip
    """Return what comes of col2im with = in the place of +=: of the windows over a pixel, the last written one holds.

    by_windows: in a loop over the windows, and not over the offsets in them.
    """
    n, h, w, c = x_shape
    (top, bottom), (left, right) = pad_amounts(padding)
    outputs = output_size((h, w), spread(kernel, dilation), stride, padding)
    windows = columns.reshape(n, *outputs, *kernel, c)
    padded = np.zeros((n, top + h + bottom, left + w + right, c), dtype=columns.dtype)
    offsets = list(np.ndindex(*kernel))
    for ky, kx in reversed(offsets) if by_windows else offsets:  # the last window has the first offset
        rows, cols = window_slice((ky, kx), outputs, stride, dilation)
        padded[:, rows, cols] = windows[:, :, :, ky, kx]
    return padded[:, top : top + h, left : left + w]


def _overwritten(a: SimpleNamespace, by_windows: bool) -> np.ndarray:
    return overwritten(a.columns, a.x_shape, a.kernel, by_windows=by_windows, **geometry(a))


def _uncropped(a: SimpleNamespace) -> np.ndarray:
    n, h, w, c = a.x_shape
    (top, bottom), (left, right) = pad_amounts(a.padding)
    padded = SimpleNamespace(**vars(a) | {"x_shape": (n, top + h + bottom, left + w + right, c)})
    return _back(padded, a.columns, padding=(0, 0))


EXERCISES = (
    Exercise(
        ops.im2col,
        Text("windows of the picture as rows of a matrix", "把图片的每个窗口排成矩阵的一行"),
        ("columns",),
        _forward_cases,
        (
            Mistake("columns", lambda a: _rows(_windows(a).transpose(0, 1, 2, 5, 3, 4)), Text(
                "The elements of a window are in the order (c, ky, kx), as in NCHW libraries: here channels come last, "
                "(ky, kx, c), so that the weight (KH, KW, C, F) is the matrix without a copy.",
                "窗口内的顺序是 (c, ky, kx)，那是 NCHW 库的排法：这里通道在最后，即 (ky, kx, c)，这样权重 (KH, KW, C, "
                "F) 不必复制就是矩阵。",
            )),
            Mistake("columns", lambda a: _rows(_windows(a).transpose(0, 1, 2, 4, 3, 5)), Text(
                "The window is read column by column, (kx, ky, c): read it row by row, ky outside and kx inside.",
                "窗口是逐列读的 (kx, ky, c)：应逐行读，ky 在外，kx 在内。",
            )),
            Mistake("columns", lambda a: _rows(_windows(a)).T, Text(
                "The matrix is transposed: a window is a row here, not a column, whatever the name im2col says.",
                "矩阵被转置了：这里一个窗口是一行，不是一列，尽管名字叫 im2col。",
            )),
            Mistake("columns", lambda a: _rows(_windows(a)[:, :, :, ::-1, ::-1]), Text(
                "Each window is flipped: copy it as it is. A flip belongs to convolution in the mathematician's sense, "
                "which is not what is computed here.",
                "每个窗口都翻转了：应原样复制。翻转属于数学意义上的卷积，这里算的不是它。",
            )),
            Mistake("columns", lambda a: _rows(_windows(a, stride=(1, 1))), Text(
                "The stride is ignored: windows start at every pixel. Window (i, j) starts at (i·SH, j·SW), so there "
                "are "
                "fewer rows.",
                "忽略了步幅：每个像素都起了一个窗口。窗口 (i, j) 从 (i·SH, j·SW) 开始，行数更少。",
            )),
            Mistake("columns", lambda a: _rows(_windows(a, padding=(0, 0))), Text(
                "The padding is ignored: lay zeros around the picture first (pad_image does it).",
                "忽略了填充：先在图片四周补零（可用 pad_image）。",
            )),
            Mistake("columns", lambda a: _rows(_windows(a, stride=a.stride[::-1])), Text(
                "The strides are exchanged: the first is vertical (SH), the second horizontal (SW).",
                "两个步幅互换了：第一个是竖直的 (SH)，第二个是水平的 (SW)。",
            )),
            Mistake("columns", lambda a: _rows(_windows(a, padding=a.padding[::-1])), Text(
                "The paddings are exchanged: the first is vertical, the second horizontal.",
                "两个填充互换了：第一个是竖直的，第二个是水平的。",
            )),
            Mistake("columns", lambda a: _rows(_windows(a, dilation=(1, 1))), Text(
                "The dilation is ignored: element (ky, kx) of a window lies at (ky·DH, kx·DW).",
                "忽略了 dilation：窗口的元素 (ky, kx) 位于 (ky·DH, kx·DW)。",
            )),
            Mistake("columns", lambda a: _rows(_windows(a).transpose(1, 2, 0, 3, 4, 5)
                    .reshape(1, -1, 1, *a.kernel, a.x.shape[3])), Text(
                "The rows are in another order: all windows of the first picture come first, (n, i, j), and not the "
                "first window of every picture.",
                "行的顺序不对：先是第一张图片的所有窗口，即 (n, i, j)，而不是每张图片的第一个窗口。",
            )),
            Mistake("columns", lambda a: _rows(_windows(a).transpose(0, 2, 1, 3, 4, 5)), Text(
                "The windows of a picture go down first, then right; they should go right first: (n, i, j), j "
                "innermost.",
                "一张图片的窗口先往下、再往右；应先往右：(n, i, j)，j 在最内层。",
            )),
        ),
    ),
    Exercise(
        ops.col2im,
        Text("the rows back to the pixels they came from", "把各行加回到它们取自的像素"),
        ("dx",),
        _backward_cases,
        (
            *(Mistake("dx", partial(_overwritten, by_windows=by_windows), Text(
                "A pixel that lies in several windows has the value of one alone: windows overlap, so their values add "
                "up: +=, not =.",
                "一个像素处在多个窗口中，却只得到其中一个的值：窗口会重叠，值要相加：用 +=，不是 =。",
            )) for by_windows in (False, True)),
            Mistake("dx", lambda a: _back(a, a.columns) / np.maximum(_back(a, np.ones_like(a.columns)), 1), Text(
                "The windows over a pixel are averaged; the gradient is their sum, since the pixel was used in each.",
                "对覆盖同一像素的窗口取了平均；梯度是它们的和，因为每个窗口都用到了这个像素。",
            )),
            Mistake("dx", lambda a: _back(a, _split(a, 2, 0, 1)), Text(
                "The rows are read in the order (c, ky, kx); im2col wrote them as (ky, kx, c).",
                "各行按 (c, ky, kx) 的顺序读了；im2col 写的是 (ky, kx, c)。",
            )),
            Mistake("dx", lambda a: _back(a, _split(a, 1, 0, 2)), Text(
                "The rows are read column by column, (kx, ky, c); im2col wrote them row by row, (ky, kx, c).",
                "各行按 (kx, ky, c) 逐列读了；im2col 是逐行写的 (ky, kx, c)。",
            )),
            Mistake("dx", lambda a: _back(a, a.columns.reshape(len(a.columns), -1, a.x_shape[3])[:, ::-1]
                    .reshape(a.columns.shape)), Text(
                "Each window is put back flipped: element (ky, kx) goes back to where it came from, (i·SH + ky, j·SW + "
                "kx).",
                "每个窗口翻转着放了回去：元素 (ky, kx) 要回到它来的地方 (i·SH + ky, j·SW + kx)。",
            )),
            Mistake("dx", _uncropped, Text(
                "The padding is still around dx: cut it off again, rows top … top + H, columns left … left + W.",
                "dx 四周还带着填充：要裁掉，保留行 top … top + H、列 left … left + W。",
            )),
            Mistake("dx", lambda a: _back(a, a.columns, stride=a.stride[::-1]), Text(
                "The strides are exchanged: the first is vertical (SH), the second horizontal (SW).",
                "两个步幅互换了：第一个是竖直的 (SH)，第二个是水平的 (SW)。",
            )),
        ),
        gradients=_gradients,
    ),
)  # fmt: skip
