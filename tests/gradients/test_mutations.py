"""Classic mistakes, put into the formulas one at a time: the gradient check catches every one of them.

Each is a change of the operation's own source text. A formula that is rewritten no longer contains the old text, and
then the test says so: the mistake has to be described anew.
"""

from __future__ import annotations

import inspect
import pkgutil
import sys
import textwrap
from dataclasses import dataclass
from typing import Any

import pytest

from minicnn import SoftmaxCrossEntropy, gradcheck, ops, use_kernels
from minicnn.inspection import GradientReport, gradcheck_loss
from minicnn.layers import (
    GELU,
    AvgPool2D,
    BatchNorm2D,
    Conv2D,
    Dense,
    Dropout,
    GlobalAvgPool2D,
    LayerNorm,
    LeakyReLU,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
    ReLU6,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Tanh,
)

PICTURE = (7, 6, 2)
FLAT = (Dense, Dropout, ReLU, LeakyReLU, SiLU, GELU, Sigmoid, Tanh, LayerNorm)


@dataclass(frozen=True)
class Mistake:
    """A change in the source of an operation, and the layer and array whose gradient it spoils."""

    what: str
    operation: str
    right: str
    wrong: str
    layer: Any
    array: str = "x"


# What the mistakes are made in. The layers' settings are those at which the mistake matters.
DCOLUMNS = "dy_rows @ weight.reshape(kh * kw * c, f).T"
DX = "dy @ weight.T"
TARGET = "(1 - label_smoothing) * one_hot.astype(probabilities.dtype) + label_smoothing / k"
CHOICE = "xp.where(argmax == ky * size[1] + kx, dy, 0)"
CROP = "top : top + h, left : left + w"
CROSS_ENTROPY = "softmax_cross_entropy_backward"
CONV = Conv2D(3, 3)
SQUARE_CONV = Conv2D(8, 2)  # KH·KW·C = F, so that a forgotten transpose fits
STRIDED_CONV = Conv2D(3, 3, stride=2)
LOPSIDED_CONV = Conv2D(3, 3, padding=((2, 0), (0, 1)))
DILATED_CONV = Conv2D(3, (3, 2), padding="same", dilation=(1, 2))
GROUPED_CONV = Conv2D(4, 3, groups=2)
SQUARE_DENSE = Dense(6)
GROUPED_CONV = Conv2D(4, 3, groups=2)
NORM = BatchNorm2D()
LAYER_NORM = LayerNorm()
NORM_BLOCK = Sequential([Conv2D(3, 3), BatchNorm2D(), ReLU()])
RESIDUAL_BLOCK = Sequential(
    [Residual([Conv2D(2, 3, padding="same", bias=False), ReLU(), Conv2D(2, 1, bias=False), BatchNorm2D()]), ReLU()]
)
BOTH_MEANS = "(dy - dbias / pixels - x_hat * dweight / pixels)"
TURNED = "(size - 1) // 2, size // 2)"
RELU6 = Sequential([ReLU6()])
NEIGHBOURS = LocalResponseNorm(2, 0.8)
FROZEN = "batch_norm_inference_backward"
LOSS = SoftmaxCrossEntropy()

MISTAKES = [
    Mistake("wrong sign", "conv2d_backward", "(columns, ", "(-columns, ", CONV, "weight"),
    Mistake("transpose forgotten", "conv2d_backward", DCOLUMNS, DCOLUMNS.removesuffix(".T"), SQUARE_CONV),
    Mistake("reshape for a transpose", "conv2d_backward", DCOLUMNS, "dy_rows @ weight.reshape(f, -1)", CONV),
    Mistake("flipped kernel", "conv2d_backward", DCOLUMNS, DCOLUMNS.replace("weight", "weight[::-1, ::-1]"), CONV),
    Mistake("mean over the batch twice", "conv2d_backward", "(columns, ", "(columns / len(dy), ", CONV, "weight"),
    Mistake("bias: mean for sum", "conv2d_backward", "rows.sum(axis=0", "rows.mean(axis=0", CONV, "bias"),
    Mistake("bias forgotten", "conv2d", "y + bias", "y + 0 * bias", CONV, "bias"),
    Mistake("flipped kernel", "conv2d", "weight.reshape(", "weight[::-1, ::-1].reshape(", CONV, "weight"),
    Mistake("overlap: overwritten, not added", "col2im", "cols, :] +=", "cols, :] =", CONV),
    Mistake("padding cut off the wrong side", "col2im", CROP, "bottom : bottom + h, right : right + w", LOPSIDED_CONV),
    Mistake("padding put on the wrong side", "im2col", ", padding)", ", [p[::-1] for p in padding])", LOPSIDED_CONV),
    Mistake("stride forgotten on the way back", "col2im", "(oh, ow), stride,", "(oh, ow), (1, 1),", STRIDED_CONV),
    Mistake("rows and columns swapped", "col2im", "window_slice((ky, kx)", "window_slice((kx, ky)", CONV),
    Mistake("dilation forgotten on the way back", "col2im", "stride, dilation)", "stride)", DILATED_CONV),
    Mistake("another group's filters", "conv2d_backward", "weight[..., f]", "weight[..., ::-1][..., f]", GROUPED_CONV),
    Mistake("another group's gradient", "conv2d_backward", "(dy[..., f]", "(dy[..., ::-1][..., f]", GROUPED_CONV),
    Mistake("transpose forgotten", "dense_backward", DX, DX.removesuffix(".T"), SQUARE_DENSE),
    Mistake("factors in the wrong order", "dense_backward", "x.T @ dy", "dy.T @ x", SQUARE_DENSE, "weight"),
    Mistake("bias: mean for sum", "dense_backward", "dy.sum(", "dy.mean(", SQUARE_DENSE, "bias"),
    Mistake("mask on the wrong side", "relu_backward", "y > 0", "y <= 0", ReLU()),
    Mistake("mask lets zeros through", "relu_backward", "y > 0", "y >= 0", ReLU()),
    Mistake("mask of the wrong array", "relu_backward", "y > 0", "dy > 0", ReLU()),
    Mistake("y for y(1 − y)", "sigmoid_backward", "dy * y * (1 - y)", "dy * y", Sigmoid()),
    Mistake("1 − y for 1 − y²", "tanh_backward", "(1 - y * y)", "(1 - y)", Tanh()),
    Mistake("to the whole window", "max_pool2d_backward", CHOICE, "dy", MaxPool2D(2)),
    Mistake("overlap: overwritten", "max_pool2d_backward", "cols, :] +=", "cols, :] =", MaxPool2D(3, stride=2)),
    Mistake("window by columns", "max_pool2d_backward", "ky * size[1] + kx", "kx * size[0] + ky", MaxPool2D(3)),
    Mistake("division forgotten", "avg_pool2d_backward", "dy / (size[0] * size[1])", "dy", AvgPool2D(2)),
    Mistake("divided by one side only", "avg_pool2d_backward", "(size[0] * size[1])", "size[0]", AvgPool2D(2)),
    Mistake("overlap: overwritten", "avg_pool2d_backward", "cols, :] +=", "cols, :] =", AvgPool2D(3, stride=2)),
    Mistake("scale forgotten", "dropout_backward", " * (1 / (1 - rate))", "", Dropout(0.4)),
    Mistake("mask forgotten", "dropout_backward", "dy * keep", "dy", Dropout(0.4)),
    Mistake("the mean's path forgotten", "batch_norm_backward", BOTH_MEANS, "(dy - x_hat * dweight / pixels)", NORM),
    Mistake("the variance's path forgotten", "batch_norm_backward", BOTH_MEANS, "(dy - dbias / pixels)", NORM),
    Mistake("epsilon forgotten", "batch_norm_backward", "variance + epsilon", "variance", BatchNorm2D(epsilon=0.1)),
    Mistake("weight of the output", "batch_norm_backward", "(dy * x_hat)", "(dy * x)", NORM, "weight"),
    Mistake("variance for deviation", FROZEN, "xp.sqrt(variance + epsilon)", "(variance + epsilon)", NORM),
    Mistake("statistics of the batch", FROZEN, "x_hat).sum(", "(x_hat - x_hat.mean((0, 1, 2)))).sum(", NORM, "weight"),
    Mistake("mask forgotten", "norm_block_backward", "relu_backward(dy, y) if relu else dy", "dy", NORM_BLOCK, "bn1.x"),
    Mistake("past ReLU", "norm_block_backward", "dz if residual", "dy if residual", RESIDUAL_BLOCK, "residual1.x"),
    Mistake("the mean's path forgotten", "layer_norm_backward", "dx_hat - dx_hat", "dx_hat - 0 * dx_hat", LAYER_NORM),
    Mistake("weight forgotten", "layer_norm_backward", "dx_hat = dy * weight", "dx_hat = dy", LAYER_NORM),
    Mistake("weight forgotten", "batch_norm_backward", "dx = weight / deviation", "dx = 1 / deviation", NORM),
    Mistake("window turned round", "local_response_norm_backward", TURNED, "size // 2, (size - 1) // 2)", NEIGHBOURS),
    Mistake("division forgotten", "global_avg_pool2d_backward", " / (h * w)", "", GlobalAvgPool2D()),
    Mistake("no second bend", "relu6_backward", "((y > 0) & (y < 6))", "(y > 0)", RELU6, "relu61.x"),
    Mistake("slope forgotten", "leaky_relu_backward", "slope * dy", "0 * dy", LeakyReLU(0.1)),
    Mistake("x forgotten", "silu_backward", "(1 + near * (1 - share))", "(1 + (1 - share))", SiLU()),
    Mistake("density forgotten", "gelu_backward", " + near * density", "", GELU()),
    Mistake("groups in another order", "conv2d_backward", "(dx_parts,", "(dx_parts[::-1],", GROUPED_CONV),
    Mistake("1/N forgotten", CROSS_ENTROPY, "(probabilities - target) / n", "probabilities - target", LOSS),
    Mistake("one-hot label forgotten", CROSS_ENTROPY, "(probabilities - target)", "probabilities", LOSS),
    Mistake("wrong sign", CROSS_ENTROPY, "(probabilities - target)", "(target - probabilities)", LOSS),
    Mistake("multiplied by itself", CROSS_ENTROPY, "(probabilities - target)", "(probabilities - target) ** 2", LOSS),
    Mistake("smoothing forgotten", CROSS_ENTROPY, TARGET, "one_hot", SoftmaxCrossEntropy(0.1)),
]


def check(layer: Any) -> GradientReport:
    if isinstance(layer, SoftmaxCrossEntropy):
        return gradcheck_loss(layer)
    return gradcheck(layer, (6,) if isinstance(layer, FLAT) else PICTURE)


def put_in(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recompile the operation from its changed source, and put it in wherever `minicnn.ops` refers to it."""
    original = getattr(ops, mistake.operation)
    formula = inspect.unwrap(original)
    source = inspect.getsource(formula)
    assert mistake.right in source, f"{mistake.operation} no longer reads {mistake.right!r}: describe this mistake anew"
    namespace = dict(vars(sys.modules[formula.__module__]))
    exec(compile(source.replace(mistake.right, mistake.wrong), f"<{mistake.what}>", "exec"), namespace)
    names = [f"minicnn.ops.{module.name}" for module in pkgutil.iter_modules(ops.__path__)]
    for module in (ops, *(sys.modules[name] for name in names)):
        if getattr(module, mistake.operation, None) is original:
            monkeypatch.setattr(module, mistake.operation, namespace[mistake.operation])


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake.operation}: {mistake.what}")
def test_mistake_is_caught(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    with use_kernels("reference"):
        before = check(mistake.layer)
        assert before.passed, before.describe()
        put_in(mistake, monkeypatch)
        report = check(mistake.layer)
    assert not report.passed
    assert report.max_relative_error > 1e-3
    assert any(problem.startswith(f"{mistake.array}: ") for problem in report.problems), report.describe()


@pytest.mark.parametrize(
    ("right", "wrong", "array"),
    [
        ("ops.residual_backward(dx_body, dx_shortcut)", "dx_body", "residual1.x"),
        ("ops.residual_backward(dx_body, dx_shortcut)", "dx_body * dx_shortcut", "residual1.x"),
        ("self.body.backward(dy", "self.body.backward(2 * dy", "residual1.body.weight"),
    ],
)
def test_mistake_in_a_residual_connection_is_caught(
    right: str, wrong: str, array: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = textwrap.dedent(inspect.getsource(Residual.backward))
    assert right in source, f"Residual.backward no longer reads {right!r}: describe this mistake anew"
    namespace = dict(vars(sys.modules[Residual.__module__]))
    exec(compile(source.replace(right, wrong), "<residual>", "exec"), namespace)
    monkeypatch.setattr(Residual, "backward", namespace["backward"])
    report = gradcheck(Sequential([Residual(Dense(6)), Tanh()]), (6,))
    assert report.at_fault == ["residual1"]  # and not the layer inside
    assert any(problem.startswith(f"{array}: ") for problem in report.problems), report.describe()


def test_a_mistake_in_a_formula_is_caught_although_the_kernels_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    dbias = next(mistake for mistake in MISTAKES if mistake.what == "bias: mean for sum")
    put_in(dbias, monkeypatch)
    report = gradcheck(dbias.layer, PICTURE)
    assert {problem.rpartition(" (")[2] for problem in report.problems} == {"formulas, whole)"}
