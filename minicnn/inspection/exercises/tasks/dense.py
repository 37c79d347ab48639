"""The exercises on the dense layer."""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.inspection.exercises.exercise import Case, Exercise, Function, GradientCheck, Mistake
from minicnn.inspection.exercises.language import Text

N, D, U = 4, 5, 3


def _forward_cases(rng: np.random.Generator) -> list[Case]:
    return [
        Case({name: rng.standard_normal(shape) for name, shape in shapes.items()})
        for shapes in (
            {"x": (N, D), "weight": (D, U), "bias": (U,)},
            {"x": (U, U), "weight": (U, U), "bias": (U,)},  # where a transposed matrix has the right shape
        )
    ]


def _backward_cases(rng: np.random.Generator) -> list[Case]:
    first, second = (
        {"dy": rng.standard_normal((n, u)), "x": rng.standard_normal((n, d)), "weight": rng.standard_normal((d, u))}
        for n, d, u in ((N, D, U), (U, U, U))
    )
    return [Case(first), Case(second), Case(first | {"input_gradient": False})]


def _gradients(rng: np.random.Generator) -> GradientCheck:
    def backward(function: Function, dy: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> dict:
        return dict(zip(("x", "weight", "bias"), function(dy=dy, x=x, weight=weight), strict=True))

    shapes = {"x": (N, D), "weight": (D, U), "bias": (U,)}
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return GradientCheck(ops.dense, backward, arrays)


EXERCISES = (
    Exercise(
        ops.dense,
        Text("every output sees every input", "每个输出都看到每个输入"),
        ("y",),
        _forward_cases,
        (
            Mistake("y", lambda a: a.x @ a.weight, Text(
                "The bias is missing: y = x·W + b, the same b for every row.",
                "没有加偏置：y = x·W + b，每一行加同一个 b。",
            )),
            Mistake("y", lambda a: a.x @ a.weight - a.bias, Text(
                "The bias is taken off; it should be added.", "偏置被减去了；应当加上。",
            )),
            Mistake("y", lambda a: (a.x @ a.weight + a.bias).T, Text(
                "y is transposed: a row of y belongs to a row of x, one sample a row. Write x·W + b, not Wᵀ·xᵀ + b.",
                "y 被转置了：y 的一行对应 x 的一行，一行一个样本。写 x·W + b，而不是 Wᵀ·xᵀ + b。",
            )),
            Mistake("y", lambda a: ops.softmax(a.x @ a.weight + a.bias), Text(
                "softmax is not part of the layer: its output is a logit. Document 004 §4.2 calls it “the predicted "
                "probability”, but that is what softmax makes of it afterwards.",
                "softmax 不属于这一层：它的输出是 logit。文档 004 §4.2 称之为“预测概率”，但那是之后 softmax 才给出的。",
            )),
            Mistake("y", lambda a: np.maximum(a.x @ a.weight + a.bias, 0), Text(
                "A ReLU was applied: that is a layer of its own. The dense layer is x·W + b and no more.",
                "多做了一次 ReLU：那是另外一层。全连接层只是 x·W + b。",
            )),
            Mistake("y", lambda a: (a.x + a.bias) @ a.weight, Text(
                "The bias is added to x, before the product. It has one number an output: x·W first, then + b.",
                "偏置在相乘之前就加到了 x 上。每个输出有一个偏置：先算 x·W，再加 b。",
            )),
            Mistake("y", lambda a: a.x @ a.weight.T + a.bias, Text(
                "The weights are transposed. They are (inputs, outputs) here: W[d, u] leads from input d to output u.",
                "权重被转置了。这里权重的形状是（输入，输出）：W[d, u] 从输入 d 通向输出 u。",
            )),
            Mistake("y", lambda a: a.x @ a.weight + a.bias[:, None], Text(
                "The bias is added by rows; it has one number for each output, that is for each column.",
                "偏置按行加了；它对每个输出（即每一列）有一个数。",
            )),
            Mistake("y", lambda a: a.x @ a.weight / a.x.shape[1] + a.bias, Text(
                "The products are averaged over the inputs; they should be added up.",
                "对各输入的乘积取了平均；应当求和。",
            )),
        ),
        errors={"ValueError": Text(
            "x (N, D) times W (D, U): the columns of the first are the rows of the second. W is not transposed here.",
            "x (N, D) 乘 W (D, U)：前者的列数等于后者的行数。这里 W 不转置。",
        )},
    ),
    Exercise(
        ops.dense_backward,
        Text("the gradients of a dense layer", "全连接层的梯度"),
        ("dx", "dweight", "dbias"),
        _backward_cases,
        (
            Mistake("dx", lambda a: a.dy @ a.weight, Text(
                "dx takes the weights as they are; going back it is their transpose: dx = dy·Wᵀ.",
                "dx 直接用了权重；反向要用它的转置：dx = dy·Wᵀ。",
            )),
            Mistake("dx", lambda a: a.weight @ a.dy.T, Text(
                "dx is transposed: W·dyᵀ has a column for each sample. dx is like x, a row for each: dy·Wᵀ.",
                "dx 被转置了：W·dyᵀ 是一列一个样本。dx 应与 x 一样一行一个样本：dy·Wᵀ。",
            )),
            Mistake("dweight", lambda a: a.dy.T @ a.x, Text(
                "dweight is transposed: dyᵀ·x has shape (outputs, inputs). W is (inputs, outputs), and so is its "
                "gradient: xᵀ·dy.",
                "dweight 被转置了：dyᵀ·x 的形状是（输出，输入）。W 是（输入，输出），它的梯度也一样：xᵀ·dy。",
            )),
            Mistake("dweight", lambda a: np.outer(a.x[0], a.dy[0]), Text(
                "Only the first sample is in dweight. Every sample used the same W: add up what each of them says, "
                "which xᵀ·dy does.",
                "dweight 里只有第一个样本。每个样本都用了同一个 W：要把各样本的贡献加起来，xᵀ·dy 正是如此。",
            )),
            Mistake("dweight", lambda a: np.outer(a.x[-1], a.dy[-1]), Text(
                "Only the last sample is in dweight: does a loop overwrite it (=) where it should add (+=)?",
                "dweight 里只有最后一个样本：是不是循环里用了 =，而应当用 +=？",
            )),
            Mistake("dweight", lambda a: a.x.T @ a.dy / len(a.dy), Text(
                "dweight is divided by the batch N. The loss is a mean, and has put its 1/N into dy already: here the "
                "samples are added up.",
                "dweight 又除以了批大小 N。损失取的是平均，1/N 已经在 dy 里了：这里应当把样本加起来。",
            )),
            Mistake("dbias", lambda a: a.dy.mean(axis=0), Text(
                "dbias is the mean over the batch; it should be the sum. The 1/N of the mean loss is in dy already.",
                "dbias 取了批上的平均；应当求和。平均损失的 1/N 已经在 dy 里了。",
            )),
            Mistake("dbias", lambda a: a.dy, Text(
                "dbias is dy itself, one row for each sample. All samples share one b: add the rows up, "
                "dy.sum(axis=0).",
                "dbias 就是 dy，每个样本一行。所有样本共用一个 b：把各行加起来，dy.sum(axis=0)。",
            )),
            Mistake("dbias", lambda a: a.dy.sum(axis=1), Text(
                "dbias is summed over the outputs; it should be summed over the samples, axis 0, and keep the outputs.",
                "dbias 沿输出求和了；应当沿样本（轴 0）求和，保留各个输出。",
            )),
            Mistake("dbias", lambda a: a.dy.sum(), Text(
                "dbias is one number for all outputs; each has a bias of its own: add up over the samples alone, axis "
                "0.",
                "dbias 对所有输出只有一个数；每个输出有自己的偏置：只沿样本（轴 0）求和。",
            )),
        ),
        errors={"ValueError": Text(
            "Of a product (a, b)·(b, c) the middle must agree, and the outer give the shape: dx = dy (N, U) · Wᵀ (U, "
            "D), "
            "dweight = xᵀ (D, N) · dy (N, U).",
            "乘积 (a, b)·(b, c) 中间要一致，外面给出形状：dx = dy (N, U) · Wᵀ (U, D)，dweight = xᵀ (D, N) · dy (N, U)。"
            "",
        )},
        sizes=lambda a: {"N": len(a.dy), "D": a.x.shape[1], "U": a.dy.shape[1]},
        gradients=_gradients,
    ),
)  # fmt: skip
