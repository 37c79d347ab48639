"""Every backward function in `minicnn.ops` is the derivative of its forward function, in both modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minicnn import ops
from minicnn.inspection import gradcheck_operation
from minicnn.ops.conv_block import Convolution, Epilogue, Pooling
from tests.ops.activations import ACTIVATIONS
from tests.ops.calls import kept_for_backward

GEOMETRIES = {
    "plain": ((3, 3), (1, 1), (0, 0)),
    "padded": ((3, 3), (1, 1), (1, 1)),
    "strided": ((3, 2), (2, 1), (1, 0)),
    "even kernel, padded on one side": ((2, 4), (1, 1), ((0, 1), (1, 2))),
    "stride over the window": ((2, 2), (3, 4), (0, 0)),
    "five by five": ((5, 5), (1, 1), (2, 2)),
    "one by one": ((1, 1), (2, 2), (0, 0)),
}


def assert_gradients(forward: Callable[..., Any], backward: Callable[..., Any], **arrays: np.ndarray) -> None:
    report = gradcheck_operation(forward, backward, arrays)
    assert report.passed, report.describe()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation: str, mode: str, rng: np.random.Generator) -> None:
    forward, backward, settings = (
        getattr(ops, activation), getattr(ops, f"{activation}_backward"), ACTIVATIONS[activation].settings,
    )  # fmt: skip
    assert_gradients(
        lambda x: forward(x, *settings),
        lambda dy, x: {"x": backward(dy, kept_for_backward(activation, x), *settings)},
        x=3 * rng.standard_normal((3, 4, 5, 2)),
    )


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_convolution(geometry: str, mode: str, rng: np.random.Generator) -> None:
    (kh, kw), stride, padding = GEOMETRIES[geometry]
    assert_gradients(
        lambda x, weight, bias: ops.conv2d(x, weight, bias, stride, padding),
        lambda dy, x, weight, bias: dict(
            zip(("x", "weight", "bias"), ops.conv2d_backward(dy, x, weight, stride, padding), strict=True)
        ),
        x=rng.standard_normal((2, 7, 8, 3)),
        weight=rng.standard_normal((kh, kw, 3, 4)),
        bias=rng.standard_normal(4),
    )


@pytest.mark.parametrize("groups, channels_read", [(1, 4), (2, 2), (4, 1)])
@pytest.mark.parametrize("stride, dilation", [((1, 1), (1, 1)), ((2, 1), (1, 1)), ((1, 1), (2, 3)), ((2, 3), (3, 2))])
def test_grouped_and_dilated_convolution(groups, channels_read, stride, dilation, mode, rng) -> None:
    padding = ((2, 1), (1, 2))
    assert_gradients(
        lambda x, weight, bias: ops.conv2d(x, weight, bias, stride, padding, groups, dilation),
        lambda dy, x, weight, bias: dict(
            zip(
                ("x", "weight", "bias"),
                ops.conv2d_backward(dy, x, weight, stride, padding, True, groups, dilation),
                strict=True,
            )
        ),
        x=rng.standard_normal((2, 7, 8, 4)),
        weight=rng.standard_normal((3, 2, channels_read, 4)),
        bias=rng.standard_normal(4),
    )


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_im2col_and_col2im(geometry: str, mode: str, rng: np.random.Generator) -> None:
    kernel, stride, padding = GEOMETRIES[geometry]
    x = rng.standard_normal((2, 7, 8, 3))
    assert_gradients(
        lambda x: ops.im2col(x, kernel, stride, padding),
        lambda dy, x: {"x": ops.col2im(dy, x.shape, kernel, stride, padding)},
        x=x,
    )
    assert_gradients(
        lambda columns: ops.col2im(columns, x.shape, kernel, stride, padding),
        lambda dy, columns: {"columns": ops.im2col(dy, kernel, stride, padding)},
        columns=ops.im2col(x, kernel, stride, padding),
    )


POOLS = {
    "tiles": ((2, 2), (2, 2), (0, 0)),
    "overlapping": ((3, 3), (2, 2), (0, 0)),
    "overlapping and padded": ((3, 3), (1, 2), (1, 1)),
    "wide": ((2, 3), (2, 1), ((1, 0), (0, 2))),
    "gaps": ((2, 2), (3, 3), (0, 0)),
}


@pytest.mark.parametrize("pool", POOLS)
def test_max_pool(pool: str, mode: str, rng: np.random.Generator) -> None:
    settings = POOLS[pool]
    assert_gradients(
        lambda x: ops.max_pool2d(x, *settings)[0],
        lambda dy, x: {"x": ops.max_pool2d_backward(dy, ops.max_pool2d(x, *settings)[1], x.shape, *settings)},
        x=rng.standard_normal((2, 7, 8, 3)),
    )


@pytest.mark.parametrize("pool", POOLS)
def test_avg_pool(pool: str, mode: str, rng: np.random.Generator) -> None:
    settings = POOLS[pool]
    assert_gradients(
        lambda x: ops.avg_pool2d(x, *settings),
        lambda dy, x: {"x": ops.avg_pool2d_backward(dy, x.shape, *settings)},
        x=rng.standard_normal((2, 7, 8, 3)),
    )


def test_dense(mode: str, rng: np.random.Generator) -> None:
    assert_gradients(
        ops.dense,
        lambda dy, x, weight, bias: dict(zip(("x", "weight", "bias"), ops.dense_backward(dy, x, weight), strict=True)),
        x=rng.standard_normal((5, 7)),
        weight=rng.standard_normal((7, 4)),
        bias=rng.standard_normal(4),
    )


def test_dropout(mode: str, rng: np.random.Generator) -> None:
    assert_gradients(
        lambda x: ops.dropout(x, 0.3, seed=7)[0],
        lambda dy, x: {"x": ops.dropout_backward(dy, ops.dropout(x, 0.3, seed=7)[1], 0.3)},
        x=rng.standard_normal((4, 6)),
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_softmax_cross_entropy(smoothing: float, mode: str, rng: np.random.Generator) -> None:
    labels = rng.integers(5, size=6)
    assert_gradients(
        lambda logits: ops.softmax_cross_entropy(logits, labels, smoothing)[0],
        lambda dy, logits: {
            "logits": dy
            * ops.softmax_cross_entropy_backward(
                ops.softmax_cross_entropy(logits, labels, smoothing)[1], labels, smoothing
            )
        },
        logits=3 * rng.standard_normal((6, 5)),
    )


def test_soft_target_cross_entropy(mode: str, rng: np.random.Generator) -> None:
    targets = rng.random((6, 5))
    assert_gradients(
        lambda logits: ops.soft_target_cross_entropy(logits, targets)[0],
        lambda dy, logits: {
            "logits": dy
            * ops.soft_target_cross_entropy_backward(ops.soft_target_cross_entropy(logits, targets)[1], targets)
        },
        logits=3 * rng.standard_normal((6, 5)),
    )


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(
    "pool", [None, Pooling((2, 2), (2, 2)), Pooling((3, 3), (2, 2)), Pooling((3, 3), (2, 2), (1, 1))]
)
@pytest.mark.parametrize("geometry", ["plain", "padded", "strided", "five by five"])
def test_conv_block(geometry: str, pool: Pooling | None, relu: bool, mode: str, rng: np.random.Generator) -> None:
    (kh, kw), stride, padding = GEOMETRIES[geometry]
    settings = Convolution(stride, padding), Epilogue(relu, pool)

    def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        return ops.conv_block(x, weight, bias, *settings)[0]

    def backward(dy: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
        y, argmax = ops.conv_block(x, weight, bias, *settings)
        gradients = ops.conv_block_backward(dy, x, weight, y, argmax, *settings)
        return dict(zip(("x", "weight", "bias"), gradients, strict=True))

    assert_gradients(
        forward,
        backward,
        x=rng.standard_normal((2, 9, 10, 3)),
        weight=rng.standard_normal((kh, kw, 3, 4)),
        bias=rng.standard_normal(4),
    )


PICTURE = (2, 4, 5, 3)


def normalisation_arrays(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {"x": 3 + rng.standard_normal(PICTURE), "weight": rng.standard_normal(3), "bias": rng.standard_normal(3)}


@pytest.mark.parametrize("kind", ["batch_norm", "layer_norm"])
def test_normalisation(kind: str, mode: str, rng: np.random.Generator) -> None:
    forward, slope = getattr(ops, kind), getattr(ops, f"{kind}_backward")

    def backward(dy: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
        _, mean, variance = forward(x, weight, bias, 1e-5)
        return dict(zip(("x", "weight", "bias"), slope(dy, x, weight, mean, variance, 1e-5), strict=True))

    assert_gradients(
        lambda x, weight, bias: forward(x, weight, bias, 1e-5)[0], backward, **normalisation_arrays(rng)
    )  # fmt: skip


def test_batch_norm_in_inference(mode: str, rng: np.random.Generator) -> None:
    statistics = (rng.standard_normal(3), rng.random(3) + 0.5, 1e-5)
    assert_gradients(
        lambda x, weight, bias: ops.batch_norm_inference(x, weight, bias, *statistics),
        lambda dy, x, weight, bias: dict(
            zip(("x", "weight", "bias"), ops.batch_norm_inference_backward(dy, x, weight, *statistics), strict=True)
        ),
        **normalisation_arrays(rng),
    )


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("with_residual", [True, False])
def test_norm_block(with_residual: bool, relu: bool, mode: str, rng: np.random.Generator) -> None:
    def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, residual: Any = None) -> np.ndarray:
        return ops.norm_block(x, weight, bias, 1e-5, residual, relu)[0]

    def backward(dy: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray, residual: Any = None) -> Any:
        y, *statistics = ops.norm_block(x, weight, bias, 1e-5, residual, relu)
        gradients = ops.norm_block_backward(dy, x, y, weight, *statistics, 1e-5, relu, residual is not None)
        named = dict(zip(("x", "weight", "bias", "residual"), gradients, strict=True))
        return {name: gradient for name, gradient in named.items() if gradient is not None}

    arrays = normalisation_arrays(rng)
    if with_residual:
        arrays["residual"] = rng.standard_normal(PICTURE)
    assert_gradients(forward, backward, **arrays)


@pytest.mark.parametrize("settings", [(5, 1e-4, 0.75, 1.0), (2, 0.8, 0.75, 1.0), (3, 1.5, 0.6, 0.5)], ids=str)
def test_local_response_norm(settings: tuple[Any, ...], mode: str, rng: np.random.Generator) -> None:
    assert_gradients(
        lambda x: ops.local_response_norm(x, *settings),
        lambda dy, x: {"x": ops.local_response_norm_backward(dy, x, *settings)},
        x=2 * rng.standard_normal((2, 3, 2, 7)),
    )
