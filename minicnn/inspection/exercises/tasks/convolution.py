"""The exercises on convolution."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.inspection.exercises.exercise import Case, Exercise, Function, GradientCheck, Mistake
from minicnn.inspection.exercises.language import Text
from minicnn.inspection.exercises.tasks.columns import GEOMETRIES, geometry, overwritten

N, H, W, C, F = 2, 6, 5, 3, 4
KERNEL = (3, 2)
SQUARE = (3, 3, 3, 3)  # (KH, KW, C, F), where much that is turned about has the right shape


def _arrays(rng: np.random.Generator, shape: tuple[int, ...] = (*KERNEL, C, F)) -> dict[str, np.ndarray]:
    return {
        "x": rng.standard_normal((N, H, W, shape[2])), "weight": rng.standard_normal(shape),
        "bias": rng.standard_normal(shape[3]),
    }  # fmt: skip


def _forward_cases(rng: np.random.Generator) -> list[Case]:
    first, *others = GEOMETRIES
    return [
        *(Case(_arrays(rng) | settings, hint) for settings, hint in (first, (first[0], None))),
        Case(_arrays(rng, SQUARE) | first[0]),
        *(Case(_arrays(rng) | settings, hint) for settings, hint in others),
        Case(_arrays(rng) | {"bias": None} | first[0], Text(
            "Right with a bias, not without: bias may be None, and nothing is added then.",
            "有偏置时正确，没有偏置时不对：bias 可以是 None，此时什么都不加。",
        )),
        Case(_arrays(rng, (*KERNEL, 2, 4)) | {"x": rng.standard_normal((N, H, W, 4))} | first[0] | {"groups": 2}, Text(
            "Right with one group, not with two: leave the lines about groups as they were given.",
            "一组时正确，两组时不对：关于 groups 的那几行请保持原样。",
        )),
    ]  # fmt: skip


def _backward_cases(rng: np.random.Generator) -> list[Case]:
    cases = []
    for case in _forward_cases(rng):
        arguments = {name: value for name, value in case.arguments.items() if name != "bias"}
        if case.arguments["bias"] is not None:
            y = ops.conv2d(**case.arguments)
            cases.append(Case({"dy": rng.standard_normal(y.shape)} | arguments, case.hint))
    cases.append(Case(cases[0].arguments | {"input_gradient": False}))
    return cases


def _gradients(rng: np.random.Generator) -> GradientCheck:
    settings: dict[str, Any] = {"stride": (2, 1), "padding": (1, 1)}

    def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        return ops.conv2d(x, weight, bias, **settings)

    def backward(function: Function, dy: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> dict:
        return dict(zip(("x", "weight", "bias"), function(dy=dy, x=x, weight=weight, **settings), strict=True))

    shapes = {"x": (2, 4, 3, 2), "weight": (3, 2, 2, 2), "bias": (2,)}
    return GradientCheck(forward, backward, {name: rng.standard_normal(shape) for name, shape in shapes.items()})


def _conv(a: SimpleNamespace, weight: np.ndarray | None = None, **others: Any) -> np.ndarray:
    """Return the convolution of a call, some of it replaced."""
    weight = a.weight if weight is None else weight
    bias = others.pop("bias", a.bias)
    settings = geometry(a, **others) | {"groups": getattr(a, "groups", 1)}
    return ops.conv2d(a.x, weight, bias, **settings)


def _shared_channels(a: SimpleNamespace) -> np.ndarray:
    """Return document 004 §4.1.1 as it is printed, the channels wrapped around: filter k reads the channels k + c."""
    parts = [
        ops.conv2d(np.roll(a.x, -k, axis=3), a.weight[..., k : k + 1], a.bias[k : k + 1], a.stride, a.padding)
        for k in range(a.weight.shape[3])
    ]
    return np.concatenate(parts, axis=3)


def _columns(a: SimpleNamespace, x: np.ndarray) -> np.ndarray:
    return ops.im2col(x, a.weight.shape[:2], **geometry(a))


def _dy_rows(a: SimpleNamespace) -> np.ndarray:
    return a.dy.reshape(-1, a.dy.shape[3])


def _dweight(a: SimpleNamespace, pictures: slice = slice(None)) -> np.ndarray:
    part = a.dy[pictures].reshape(-1, a.dy.shape[3])
    return (_columns(a, a.x[pictures]).T @ part).reshape(a.weight.shape)


def _dx(a: SimpleNamespace, weight: np.ndarray, **others: Any) -> np.ndarray:
    rows = _dy_rows(a) @ weight.reshape(-1, weight.shape[3]).T
    return ops.col2im(rows, a.x.shape, a.weight.shape[:2], **geometry(a, **others))


def _dx_overwritten(a: SimpleNamespace, by_windows: bool) -> np.ndarray:
    rows = _dy_rows(a) @ a.weight.reshape(-1, a.weight.shape[3]).T
    return overwritten(rows, a.x.shape, a.weight.shape[:2], by_windows=by_windows, **geometry(a))


def _flipped(weight: np.ndarray) -> np.ndarray:
    return weight[::-1, ::-1]


def _sizes(a: SimpleNamespace) -> dict[str, float]:
    _, oh, ow, filters = a.dy.shape if hasattr(a, "dy") else (0, 0, 0, a.weight.shape[3])
    kh, kw, channels, _ = a.weight.shape
    named = {
        "N": len(a.x),
        "OH·OW": oh * ow,
        "N·OH·OW": len(a.x) * oh * ow,
        "KH·KW": kh * kw,
        "KH·KW·C": kh * kw * channels,
    }
    return {name: size for name, size in (named | {"C": channels, "F": filters}).items() if size}


EXERCISES = (
    Exercise(
        ops.conv2d,
        Text("slide filters over the picture", "让滤波器在图片上滑动"),
        ("y",),
        _forward_cases,
        (
            Mistake("y", lambda a: _conv(a, _flipped(a.weight)), Text(
                "Every kernel is flipped: that is convolution in the mathematician's sense. Networks, and the "
                "documents, "
                "compute the cross-correlation: the kernel is laid on the picture as it is.",
                "每个卷积核都翻转了：那是数学意义上的卷积。神经网络和这些文档算的是互相关：卷积核原样放在图片上。",
            )),
            Mistake("y", lambda a: _conv(a, bias=None), Text(
                "The bias is missing: add bias[f] to every pixel of filter f's map.",
                "没有加偏置：滤波器 f 的特征图每个像素都要加 bias[f]。",
            )),
            Mistake("y", lambda a: _conv(a, bias=None) + a.bias.sum(), Text(
                "All biases are added to every filter: filter f has bias[f] alone.",
                "每个滤波器都加了所有的偏置：滤波器 f 只有 bias[f]。",
            )),
            Mistake("y", lambda a: _conv(a, bias=a.bias * a.weight[..., 0].size), Text(
                "The bias is added once for every product: it belongs outside the sum over the window.",
                "每个乘积都加了一次偏置：偏置应在窗口求和之外，只加一次。",
            )),
            Mistake("y", lambda a: _conv(a, stride=(1, 1)), Text(
                "The stride is ignored: output (i, j) looks at the window that starts at (i·SH, j·SW).",
                "忽略了步幅：输出 (i, j) 看的是从 (i·SH, j·SW) 开始的窗口。",
            )),
            Mistake("y", lambda a: _conv(a, padding=(0, 0)), Text(
                "The padding is ignored: lay zeros around the picture first.",
                "忽略了填充：先在图片四周补零。",
            )),
            Mistake("y", lambda a: _conv(a, stride=a.stride[::-1]), Text(
                "The strides are exchanged: the first is vertical (SH), the second horizontal (SW).",
                "两个步幅互换了：第一个是竖直的 (SH)，第二个是水平的 (SW)。",
            )),
            Mistake("y", lambda a: _conv(a, padding=a.padding[::-1]), Text(
                "The paddings are exchanged: the first is vertical, the second horizontal.",
                "两个填充互换了：第一个是竖直的，第二个是水平的。",
            )),
            Mistake("y", lambda a: _conv(a, dilation=(1, 1)), Text(
                "The dilation is ignored: element (ky, kx) of the window lies at (ky·DH, kx·DW).",
                "忽略了 dilation：窗口的元素 (ky, kx) 位于 (ky·DH, kx·DW)。",
            )),
            Mistake("y", _shared_channels, Text(
                "Filter k reads the channels k + c: that is document 004 §4.1.1 as printed, input(i+x, j+y, k+c). Its "
                "channel should be c alone, and the filter should have k as its last index.",
                "滤波器 k 读的是通道 k + c：这是文档 004 §4.1.1 印出的 input(i+x, j+y, k+c)。通道应只是 c，"
                "而滤波器的最后一个下标应是 k。",
            )),
            Mistake("y", lambda a: _conv(a, a.weight[..., :1].repeat(a.weight.shape[3], axis=3)), Text(
                "All maps are made by the first filter: document 004 §4.1.1 leaves the filter's output index out, "
                "filter(x, y, c); it is filter(x, y, c, k).",
                "所有特征图都用了第一个滤波器：文档 004 §4.1.1 漏了滤波器的输出下标，写成 filter(x, y, c)；应是 "
                "filter(x, y, c, k)。",
            )),
            Mistake("y", lambda a: _conv(a, a.weight.reshape(a.weight.shape[3], -1).T.reshape(a.weight.shape)), Text(
                "The weights are reshaped to (F, KH·KW·C), which mixes up the filters: F is the last axis, so "
                "weight.reshape(KH·KW·C, F) is the matrix.",
                "权重被 reshape 成了 (F, KH·KW·C)，把滤波器弄混了：F 是最后一个轴，矩阵是 weight.reshape(KH·KW·C, F)。",
            )),
            Mistake("y", lambda a: _conv(a, a.weight.transpose(1, 0, 2, 3)), Text(
                "ky and kx are exchanged in the kernel: weight[ky, kx, c, f], the row first.",
                "卷积核中 ky 和 kx 互换了：weight[ky, kx, c, f]，行在前。",
            )),
            Mistake("y", lambda a: _conv(a, a.weight.transpose(0, 1, 3, 2)), Text(
                "Channels and filters are exchanged in the kernel: weight[ky, kx, c, f], the filter last.",
                "卷积核中通道和滤波器互换了：weight[ky, kx, c, f]，滤波器在最后。",
            )),
            Mistake("y", lambda a: np.maximum(_conv(a), 0), Text(
                "A ReLU was applied: that is a layer of its own.", "多做了一次 ReLU：那是另外一层。",
            )),
        ),
        sizes=_sizes,
        given=("groups",),
        errors={"IndexError": Text(
            "Is a channel of the picture asked for as k + c? Document 004 §4.1.1 prints input(i+x, j+y, k+c); the "
            "channel "
            "is c alone. Or does a window reach beyond the picture?",
            "是不是用 k + c 取图片的通道？文档 004 §4.1.1 印成 input(i+x, j+y, k+c)；通道只是 c。或者窗口超出了图片？",
        ), "ValueError": Text(
            "As a product: X = im2col(x) is (N·OH·OW, KH·KW·C), W reshaped (KH·KW·C, F), and X·W is y as (N·OH·OW, F).",
            "写成乘积：X = im2col(x) 是 (N·OH·OW, KH·KW·C)，W 变形为 (KH·KW·C, F)，X·W 就是 (N·OH·OW, F) 的 y。",
        )},
    ),
    Exercise(
        ops.conv2d_backward,
        Text("the gradients of a convolution", "卷积的梯度"),
        ("dx", "dweight", "dbias"),
        _backward_cases,
        (
            Mistake("dx", lambda a: _dx(a, _flipped(a.weight)), Text(
                "The kernel is turned once too often: dX is the full correlation with the flipped kernel, and col2im "
                "of "
                "dY·Wᵀ is that already. Document 004 §4.2 prints ∂L/∂X = ∂L/∂F ⊙ filterᵀ, which says neither.",
                "卷积核多翻转了一次：dX 是与翻转核的全相关，而 dY·Wᵀ 的 col2im 已经是它了。文档 004 §4.2 印的 ∂L/∂X = "
                "∂L/∂F ⊙ filterᵀ 没有说清。",
            )),
            *(Mistake("dx", partial(_dx_overwritten, by_windows=by_windows), Text(
                "A pixel that lies in several windows has the gradient of one alone: it had a part in each of them, so "
                "add up, += and not =.",
                "一个像素处在多个窗口中，却只得到其中一个的梯度：它在每个窗口里都起了作用，要相加：用 +=，不是 =。",
            )) for by_windows in (False, True)),
            Mistake("dx", lambda a: _dx(a, a.weight.transpose(1, 0, 2, 3)), Text(
                "ky and kx are exchanged in the kernel on the way to dx.", "求 dx 时卷积核中 ky 和 kx 互换了。",
            )),
            Mistake("dx", lambda a: _dx(a, a.weight.transpose(0, 1, 3, 2)), Text(
                "Channels and filters are exchanged in the kernel on the way to dx: dY has a value for each filter f, "
                "which "
                "goes back through weight[ky, kx, c, f].",
                "求 dx 时卷积核中通道和滤波器互换了：dY 对每个滤波器 f 有一个值，它经由 weight[ky, kx, c, f] 传回。",
            )),
            Mistake("dx", lambda a: _dx(a, a.weight) / len(a.x), Text(
                "dx is divided by the batch N: the loss is a mean, and its 1/N is in dy already.",
                "dx 又除以了批大小 N：损失取的是平均，1/N 已经在 dy 里了。",
            )),
            Mistake("dweight", lambda a: _flipped(_dweight(a)), Text(
                "dweight is flipped: weight[ky, kx] met the pixels (i·SH + ky, j·SW + kx), and it is those that its "
                "gradient "
                "is made of.",
                "dweight 翻转了：weight[ky, kx] 碰到的是像素 (i·SH + ky, j·SW + kx)，它的梯度由这些像素组成。",
            )),
            Mistake("dweight", lambda a: _dweight(a) / len(a.x), Text(
                "dweight is divided by the batch N: the loss is a mean, and its 1/N is in dy already; here the "
                "pictures are "
                "added up.",
                "dweight 又除以了批大小 N：损失取的是平均，1/N 已经在 dy 里了；这里各图片要相加。",
            )),
            Mistake("dweight", lambda a: _dweight(a, slice(0, 1)), Text(
                "Only the first picture is in dweight: every picture met the same filters, so add up over the batch.",
                "dweight 里只有第一张图片：每张图片都用了同样的滤波器，要在批上求和。",
            )),
            Mistake("dweight", lambda a: _dweight(a, slice(len(a.x) - 1, None)), Text(
                "Only the last picture is in dweight: does a loop overwrite it (=) where it should add (+=)?",
                "dweight 里只有最后一张图片：是不是循环里用了 =，而应当用 +=？",
            )),
            Mistake("dweight", lambda a: (_dy_rows(a).T @ _columns(a, a.x)).reshape(a.weight.shape), Text(
                "dYᵀ·X is (F, KH·KW·C), and its reshape to the weight's shape mixes everything up: Xᵀ·dY has the "
                "weight's "
                "order.",
                "dYᵀ·X 的形状是 (F, KH·KW·C)，再 reshape 成权重的形状就全乱了：Xᵀ·dY 才是权重的顺序。",
            )),
            Mistake("dweight", lambda a: _dy_rows(a).T @ _columns(a, a.x), Text(
                "dweight is dYᵀ·X, (F, KH·KW·C): it is Xᵀ·dY, brought to the weight's shape (KH, KW, C, F).",
                "dweight 是 dYᵀ·X，形状 (F, KH·KW·C)：应是 Xᵀ·dY，再变成权重的形状 (KH, KW, C, F)。",
            )),
            Mistake("dweight", lambda a: _columns(a, a.x).T @ _dy_rows(a), Text(
                "dweight is the matrix (KH·KW·C, F): give it the weight's shape, reshape(weight.shape).",
                "dweight 还是矩阵 (KH·KW·C, F)：用 reshape(weight.shape) 变成权重的形状。",
            )),
            Mistake("dbias", lambda a: a.dy.mean(axis=(0, 1, 2)), Text(
                "dbias is the mean over pictures and pixels; it should be the sum: the bias was added to each of them.",
                "dbias 对图片和像素取了平均；应当求和：偏置加到了每一个像素上。",
            )),
            Mistake("dbias", lambda a: a.dy.sum(axis=(1, 2)).mean(axis=0), Text(
                "dbias is averaged over the batch; it should be added up: the 1/N of the mean loss is in dy already.",
                "dbias 对批取了平均；应当求和：平均损失的 1/N 已经在 dy 里了。",
            )),
            Mistake("dbias", lambda a: a.dy.sum(axis=0), Text(
                "dbias is summed over the batch alone: filter f's bias is the same at every pixel too, so add up over "
                "n, i and j.",
                "dbias 只对批求了和：滤波器 f 的偏置在每个像素上也相同，要对 n、i、j 都求和。",
            )),
            Mistake("dbias", lambda a: a.dy.sum(axis=(1, 2)), Text(
                "dbias is summed over the pixels alone: add up over the batch as well.",
                "dbias 只对像素求了和：还要对批求和。",
            )),
            Mistake("dbias", lambda a: a.dy.sum(), Text(
                "dbias is one number for all filters: each has its own, so keep the last axis.",
                "dbias 对所有滤波器只有一个数：每个滤波器有自己的，要保留最后一个轴。",
            )),
        ),
        sizes=_sizes,
        errors={"ValueError": Text(
            "As products: dW = Xᵀ (KH·KW·C, N·OH·OW) · dY (N·OH·OW, F); dX = dY (N·OH·OW, F) · Wᵀ (F, KH·KW·C), "
            "brought "
            "back by col2im.",
            "写成乘积：dW = Xᵀ (KH·KW·C, N·OH·OW) · dY (N·OH·OW, F)；dX = dY (N·OH·OW, F) · Wᵀ (F, KH·KW·C)，再用 "
            "col2im 放回。",
        )},
        given=("groups",),
        gradients=_gradients,
    ),
)  # fmt: skip
