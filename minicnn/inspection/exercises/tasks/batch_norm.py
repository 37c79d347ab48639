"""The exercises on batch normalisation."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from minicnn import ops
from minicnn.inspection.exercises.exercise import Case, Exercise, Function, GradientCheck, Mistake
from minicnn.inspection.exercises.language import Text

SHAPE = (3, 4, 2, 3)
PIXELS = (0, 1, 2)
EPSILON = 0.1  # large enough to show where it stands


def _arrays(rng: np.random.Generator, shape: tuple[int, ...] = SHAPE) -> dict[str, np.ndarray]:
    spread, middle = np.array([1.0, 2.0, 0.5]), np.array([0.5, -2.0, 3.0])
    x = rng.standard_normal(shape) * spread + middle
    return {"x": x, "weight": rng.uniform(0.5, 2, shape[3]), "bias": rng.standard_normal(shape[3])}


def _forward_cases(rng: np.random.Generator) -> list[Case]:
    far = _arrays(rng)
    far["x"] += 1000
    return [
        Case(_arrays(rng) | {"epsilon": EPSILON}),
        Case(_arrays(rng, (2, 5, 3, 3)) | {"epsilon": 1e-5}),
        Case({name: array.astype("float32") for name, array in far.items()} | {"epsilon": 1e-5}, Text(
            "Right for numbers near 0, not in float32 for numbers near 1000: the mean of the squares less the square "
            "of "
            "the mean leaves no digits there. Take the mean off first, then square; and form the sums in float64.",
            "0 附近的数正确，float32 下 1000 附近的数不对：平方的均值减均值的平方，在那里有效数字全丢了。"
            "先减去均值再平方；求和用 float64。",
        )),
    ]  # fmt: skip


def _backward_cases(rng: np.random.Generator) -> list[Case]:
    cases = []
    for shape, epsilon in ((SHAPE, EPSILON), ((2, 5, 3, 3), 1e-5)):
        arrays = _arrays(rng, shape)
        _, mean, variance = ops.batch_norm(**arrays, epsilon=epsilon)
        dy = rng.standard_normal(shape) + 0.3
        others = {"x": arrays["x"], "weight": arrays["weight"], "mean": mean, "variance": variance, "epsilon": epsilon}
        cases.append(Case({"dy": dy} | others))
    return cases


def _gradients(rng: np.random.Generator) -> GradientCheck:
    def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        return ops.batch_norm(x, weight, bias, EPSILON)[0]

    def backward(function: Function, dy: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> dict:
        _, mean, variance = ops.batch_norm(x, weight, bias, EPSILON)
        arguments = {"dy": dy, "x": x, "weight": weight, "mean": mean, "variance": variance, "epsilon": EPSILON}
        return dict(zip(("x", "weight", "bias"), function(**arguments), strict=True))

    return GradientCheck(forward, backward, _arrays(rng))


def _normalised(a: SimpleNamespace, axes: tuple[int, ...] = PIXELS, correction: int = 0) -> np.ndarray:
    mean = a.x.mean(axis=axes, keepdims=True)
    return (a.x - mean) / np.sqrt(a.x.var(axis=axes, keepdims=True, ddof=correction) + a.epsilon)


def _scaled(a: SimpleNamespace, x_hat: np.ndarray) -> np.ndarray:
    return a.weight * x_hat + a.bias


def _x_hat(a: SimpleNamespace) -> np.ndarray:
    return (a.x - a.mean) / np.sqrt(a.variance + a.epsilon)


def _paths(a: SimpleNamespace, mean: float = 1.0, variance: float = 1.0, pixels: int | None = None) -> np.ndarray:
    """Return dx with the paths through mean and variance weighed otherwise, or over another number of pixels."""
    pixels = pixels or a.x[..., 0].size
    through_mean, x_hat = a.dy.sum(axis=PIXELS) / pixels, _x_hat(a)
    through_variance = x_hat * (a.dy * x_hat).sum(axis=PIXELS) / pixels
    scale = a.weight / np.sqrt(a.variance + a.epsilon)
    return scale * (a.dy - mean * through_mean - variance * through_variance)


def _sizes(a: SimpleNamespace) -> dict[str, float]:
    n, h, w, _ = a.x.shape
    return {"M = N·H·W": n * h * w, "N": n, "H·W": h * w}


EXERCISES = (
    Exercise(
        ops.batch_norm,
        Text("each channel to mean 0 and variance 1", "每个通道在批上归一为均值 0、方差 1"),
        ("y", "mean", "variance"),
        _forward_cases,
        (
            Mistake("y", _normalised, Text(
                "Neither weight nor bias is applied: y = weight ⊙ x̂ + bias.",
                "没有用上 weight 和 bias：y = weight ⊙ x̂ + bias。",
            )),
            Mistake("y", lambda a: a.weight * _normalised(a), Text(
                "The bias is missing: y = weight ⊙ x̂ + bias.", "少了 bias：y = weight ⊙ x̂ + bias。",
            )),
            Mistake("y", lambda a: _normalised(a) + a.bias, Text(
                "The weight is missing: y = weight ⊙ x̂ + bias.", "少了 weight：y = weight ⊙ x̂ + bias。",
            )),
            Mistake("y", lambda a: _scaled(a, _normalised(a, correction=1)), Text(
                "The variance is divided by M − 1; in the batch's own it is M = N·H·W, the biased one (ddof=0).",
                "方差除以了 M − 1；批自身的方差除以 M = N·H·W（有偏，ddof=0）。",
            )),
            Mistake("y", lambda a: _scaled(a, _normalised(a, (1, 2))), Text(
                "Each picture is normalised by itself (that is instance norm): the statistics run over the batch as "
                "well, axes 0, 1 and 2.",
                "每张图片各自归一了（那是 instance norm）：统计量还要跨批，轴 0、1、2。",
            )),
            Mistake("y", lambda a: _scaled(a, _normalised(a, (0,))), Text(
                "Each pixel has statistics of its own: they run over height and width as well, axes 0, 1 and 2.",
                "每个像素有了自己的统计量：统计还要跨高和宽，轴 0、1、2。",
            )),
            Mistake("y", lambda a: _scaled(a, _normalised(a, (3,))), Text(
                "Each pixel's channels are normalised together (that is layer norm): batch norm normalises a channel "
                "over all pixels, axes 0, 1 and 2.",
                "把每个像素的各通道放在一起归一了（那是 layer norm）：批归一化是对一个通道的所有像素，轴 0、1、2。",
            )),
            Mistake("y", lambda a: _scaled(a, _normalised(a, (0, 1, 2, 3))), Text(
                "All channels share one mean and variance: each channel has its own, so leave axis 3 out.",
                "所有通道共用了一个均值和方差：每个通道有自己的，不要包括轴 3。",
            )),
            Mistake("y", lambda a: _scaled(a, (a.x - a.x.mean(PIXELS)) / (a.x.var(PIXELS) + a.epsilon)), Text(
                "The root is missing: divide by √(variance + ε), the deviation.",
                "没有开方：应除以标准差 √(variance + ε)。",
            )),
            Mistake("y", lambda a: _scaled(a, (a.x - a.x.mean(PIXELS)) / (a.x.std(PIXELS) + a.epsilon)), Text(
                "ε is added to the deviation; it is added to the variance, under the root.",
                "ε 加到了标准差上；应加到方差上，在根号里。",
            )),
            Mistake("y", lambda a: _scaled(a, (a.x - a.x.mean(PIXELS)) / a.x.std(PIXELS)), Text(
                "ε is missing: a channel that is the same everywhere would divide 0 by 0. √(variance + ε).",
                "少了 ε：处处相同的通道会变成 0 除以 0。应为 √(variance + ε)。",
            )),
            Mistake("y", lambda a: _scaled(a, a.x / np.sqrt(a.x.var(PIXELS) + a.epsilon)), Text(
                "The mean is not taken off: x̂ = (x − mean) / √(variance + ε).",
                "没有减去均值：x̂ = (x − mean) / √(variance + ε)。",
            )),
            Mistake("y", lambda a: _scaled(a, a.x - a.x.mean(PIXELS)), Text(
                "The mean is taken off, but nothing is divided by the deviation √(variance + ε).",
                "减去了均值，但没有除以标准差 √(variance + ε)。",
            )),
            Mistake("variance", lambda a: a.x.var(PIXELS, ddof=1), Text(
                "The variance that is returned is divided by M − 1; return the biased one, divided by M.",
                "返回的方差除以了 M − 1；应返回有偏的，除以 M。",
            )),
            Mistake("variance", lambda a: a.x.std(PIXELS), Text(
                "What is returned as variance is the deviation, its root.", "作为方差返回的是标准差（它的平方根）。",
            )),
            Mistake("variance", lambda a: a.x.var(PIXELS) + a.epsilon, Text(
                "The variance that is returned has ε in it: return it as it is, backward adds ε again.",
                "返回的方差里含有 ε：应原样返回，反向传播会再加 ε。",
            )),
        ),
        sizes=_sizes,
    ),
    Exercise(
        ops.batch_norm_backward,
        Text("its gradient by all three paths", "沿三条路径的梯度"),
        ("dx", "dweight", "dbias"),
        _backward_cases,
        (
            Mistake("dx", lambda a: _paths(a, mean=0, variance=0), Text(
                "Only the first path is there: mean and variance are taken as given numbers. In training they follow "
                "from "
                "x: dx also loses its own mean and its share along x̂.",
                "只有第一条路径：把均值和方差当成了给定的数。训练时它们由 x 算出：dx 还要减去自己的均值和沿 x̂ 的分量。"
                "",
            )),
            Mistake("dx", lambda a: _paths(a, mean=0), Text(
                "The path through the mean is missing: every x raises the mean, which is taken off all pixels: − "
                "dbias/M.",
                "少了经过均值的路径：每个 x 都抬高均值，而均值从所有像素中减去：− dbias/M。",
            )),
            Mistake("dx", lambda a: _paths(a, variance=0), Text(
                "The path through the variance is missing: − x̂·dweight/M.", "少了经过方差的路径：− x̂·dweight/M。",
            )),
            Mistake("dx", lambda a: _paths(a, mean=-1), Text(
                "The path through the mean has the wrong sign: it is taken off, − dbias/M.",
                "经过均值的路径符号错了：应减去，− dbias/M。",
            )),
            Mistake("dx", lambda a: _paths(a, variance=-1), Text(
                "The path through the variance has the wrong sign: it is taken off, − x̂·dweight/M.",
                "经过方差的路径符号错了：应减去，− x̂·dweight/M。",
            )),
            Mistake("dx", lambda a: _paths(a, variance=2), Text(
                "The path through the variance counts twice: the derivative of √ has a ½, which cancels the 2 of the "
                "square.",
                "经过方差的路径算了两遍：√ 的导数里有 ½，与平方的 2 抵消。",
            )),
            Mistake("dx", lambda a: _paths(a, pixels=1), Text(
                "The sums over the pixels are not divided by M = N·H·W: both are means.",
                "对像素的求和没有除以 M = N·H·W：两项都是平均。",
            )),
            Mistake("dx", lambda a: _paths(a, pixels=len(a.x)), Text(
                "The sums are divided by N; mean and variance ran over all M = N·H·W values of a channel.",
                "求和只除以了 N；均值和方差是对一个通道的全部 M = N·H·W 个值算的。",
            )),
            Mistake("dx", lambda a: _paths(a) / a.weight, Text(
                "The weight is missing in dx: going forward x̂ was multiplied by it.",
                "dx 里少了 weight：前向时 x̂ 乘了它。",
            )),
            Mistake("dx", lambda a: _paths(a) * np.sqrt(a.variance + a.epsilon), Text(
                "The deviation is missing in dx: going forward x − mean was divided by √(variance + ε), and so is dx.",
                "dx 里少了标准差：前向时 x − mean 除以了 √(variance + ε)，dx 也要除。",
            )),
            Mistake("dx", lambda a: _paths(a) / np.sqrt(a.variance + a.epsilon), Text(
                "dx is divided by the deviation twice.", "dx 除以了两次标准差。",
            )),
            Mistake("dweight", lambda a: (a.dy * a.x).sum(PIXELS), Text(
                "dweight uses x; the weight was multiplied with x̂: Σ dy ⊙ x̂.",
                "dweight 用了 x；与 weight 相乘的是 x̂：Σ dy ⊙ x̂。",
            )),
            Mistake("dweight", lambda a: (a.dy * (a.x - a.mean)).sum(PIXELS), Text(
                "dweight uses x − mean; x̂ is that divided by √(variance + ε).",
                "dweight 用了 x − mean；x̂ 还要除以 √(variance + ε)。",
            )),
            Mistake("dweight", lambda a: (a.dy * _x_hat(a)).sum(axis=0), Text(
                "dweight is summed over the batch alone: a channel has one weight for all its pixels, axes 0, 1 and 2.",
                "dweight 只对批求了和：一个通道的所有像素共用一个 weight，轴 0、1、2。",
            )),
            Mistake("dweight", lambda a: (a.dy * _x_hat(a)).mean(PIXELS), Text(
                "dweight is a mean over the pixels; it should be the sum.", "dweight 对像素取了平均；应当求和。",
            )),
            Mistake("dbias", lambda a: a.dy.mean(PIXELS), Text(
                "dbias is a mean over the pixels; it should be the sum.", "dbias 对像素取了平均；应当求和。",
            )),
            Mistake("dbias", lambda a: a.dy.sum(axis=0), Text(
                "dbias is summed over the batch alone: add up over height and width as well.",
                "dbias 只对批求了和：还要对高和宽求和。",
            )),
        ),
        sizes=_sizes,
        gradients=_gradients,
    ),
)  # fmt: skip
