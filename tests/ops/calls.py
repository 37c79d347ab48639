"""One call of every operation, for the tests that walk over all of them.

`CALLS[name](rng, dtype)` returns the arguments of one plain call of `ops.name`, arrays and settings in order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.ops.conv_block import Convolution, Epilogue, Pooling
from tests.ops.activations import ACTIVATIONS
from tests.ops.updates import UPDATES

Arguments = tuple[Any, ...]

GEOMETRY = ((3, 2), (2, 1), ((1, 0), (0, 1)))  # kernel, stride, padding
X_SHAPE = (2, 7, 6, 3)
Y_SHAPE = (2, 3, 6, 3)  # of a pooling of X_SHAPE by GEOMETRY
BLOCK = Convolution(padding=(1, 1)), Epilogue(relu=True, pool=Pooling((2, 2), (2, 2)))


def _normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator, str], Arguments]:
    return lambda rng, dtype: tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)


def _col2im(rng: np.random.Generator, dtype: str) -> Arguments:
    columns = ops.im2col.reference(rng.standard_normal(X_SHAPE).astype(dtype), *GEOMETRY)
    return columns, X_SHAPE, *GEOMETRY


def _conv2d(rng: np.random.Generator, dtype: str) -> Arguments:
    return *_normal(X_SHAPE, (3, 2, 3, 4), (4,))(rng, dtype), *GEOMETRY[1:]


def _conv2d_backward(rng: np.random.Generator, dtype: str) -> Arguments:
    return *_normal((2, 3, 6, 4), X_SHAPE, (3, 2, 3, 4))(rng, dtype), *GEOMETRY[1:]


def _conv_block(rng: np.random.Generator, dtype: str) -> Arguments:
    return *_normal(X_SHAPE, (3, 3, 3, 4), (4,))(rng, dtype), *BLOCK


def _conv_block_backward(rng: np.random.Generator, dtype: str) -> Arguments:
    x, weight, bias, *_ = _conv_block(rng, dtype)
    y, argmax = ops.conv_block.reference(x, weight, bias, *BLOCK)
    return rng.standard_normal(y.shape).astype(dtype), x, weight, y, argmax, *BLOCK


def _max_pool2d_backward(rng: np.random.Generator, dtype: str) -> Arguments:
    x, dy = _normal(X_SHAPE, Y_SHAPE)(rng, dtype)
    return dy, ops.max_pool2d.reference(x, *GEOMETRY)[1], X_SHAPE, *GEOMETRY


def activation_calls(name: str) -> dict[str, Callable[[np.random.Generator, str], Arguments]]:
    """Return a call of the activation `name`, and one of its backward pass, which takes x or y, as its name says."""
    settings, backward = ACTIVATIONS[name].settings, getattr(ops, f"{name}_backward")

    def forward_arguments(rng: np.random.Generator, dtype: str) -> Arguments:
        return *_normal((3, 5, 4))(rng, dtype), *settings

    def backward_arguments(rng: np.random.Generator, dtype: str) -> Arguments:
        dy, x = _normal((3, 5, 4), (3, 5, 4))(rng, dtype)
        return dy, kept_for_backward(name, x), *settings

    return {name: forward_arguments, backward.__name__: backward_arguments}


def kept_for_backward(name: str, x: np.ndarray) -> np.ndarray:
    """Return what the backward pass of the activation `name` takes: x itself, or the output y."""
    takes_input = "x" in inspect.signature(getattr(ops, f"{name}_backward")).parameters
    return x if takes_input else getattr(ops, name)(x, *ACTIVATIONS[name].settings)


def _softmax_cross_entropy(rng: np.random.Generator, dtype: str) -> Arguments:
    return rng.standard_normal((4, 6)).astype(dtype), rng.integers(6, size=4), 0.1


def _softmax_cross_entropy_backward(rng: np.random.Generator, dtype: str) -> Arguments:
    logits, labels, smoothing = _softmax_cross_entropy(rng, dtype)
    return ops.softmax.reference(logits), labels, smoothing


def _soft_target_cross_entropy(rng: np.random.Generator, dtype: str) -> Arguments:
    return rng.standard_normal((4, 6)).astype(dtype), rng.random((4, 6)).astype(dtype)


def _soft_target_cross_entropy_backward(rng: np.random.Generator, dtype: str) -> Arguments:
    logits, targets = _soft_target_cross_entropy(rng, dtype)
    return ops.softmax.reference(logits), targets


EPSILON = 1e-5


def _statistics(rng: np.random.Generator, dtype: str) -> Arguments:
    return rng.standard_normal(3).astype(dtype), rng.random(3).astype(dtype) + 0.5


def _batch_norm_inference(rng: np.random.Generator, dtype: str) -> Arguments:
    return *_normal(X_SHAPE, (3,), (3,))(rng, dtype), *_statistics(rng, dtype), EPSILON


def _batch_norm_backward(rng: np.random.Generator, dtype: str) -> Arguments:
    dy, x, weight, bias = _normal(X_SHAPE, X_SHAPE, (3,), (3,))(rng, dtype)
    return dy, x, weight, *ops.batch_norm.reference(x, weight, bias, EPSILON)[1:], EPSILON


def _layer_norm_backward(rng: np.random.Generator, dtype: str) -> Arguments:
    dy, x, weight, bias = _normal(X_SHAPE, X_SHAPE, (3,), (3,))(rng, dtype)
    return dy, x, weight, *ops.layer_norm.reference(x, weight, bias, EPSILON)[1:], EPSILON


def _norm_block(rng: np.random.Generator, dtype: str) -> Arguments:
    x, weight, bias, residual = _normal(X_SHAPE, (3,), (3,), X_SHAPE)(rng, dtype)
    return x, weight, bias, EPSILON, residual, True


def _norm_block_backward(rng: np.random.Generator, dtype: str) -> Arguments:
    forward = _norm_block(rng, dtype)
    y, mean, variance = ops.norm_block.reference(*forward)
    return rng.standard_normal(X_SHAPE).astype(dtype), forward[0], y, forward[1], mean, variance, EPSILON, True, True


def _dropout_backward(rng: np.random.Generator, dtype: str) -> Arguments:
    return rng.standard_normal((3, 5)).astype(dtype), rng.random((3, 5)) < 0.7, 0.3


def _crop_and_flip(rng: np.random.Generator, dtype: str) -> Arguments:
    windows = np.array([(0, 0, 0), (-2, 3, 1), (1, -1, 0), (-9, 0, 1)], "int32")
    return rng.integers(1, 256, size=(4, 5, 6, 3), dtype="uint8"), windows, (4, 5)


def _normalize_pixels(rng: np.random.Generator, dtype: str) -> Arguments:
    return rng.integers(256, size=(2, 4, 5, 3), dtype="uint8"), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), dtype


def _bytes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(256, size=shape, dtype="uint8")


def quantized_weights(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Arguments:
    """Return weights of `shape` (…, F), biases, and scales with which most sums become bytes."""
    weight = rng.integers(-127, 128, size=shape, dtype="int8")
    bias = rng.integers(-5000, 5000, size=shape[-1:], dtype="int32")
    return weight, bias, (rng.uniform(0.5, 1.0, shape[-1]) / (70 * np.prod(shape[:-1]))).astype(dtype)


def _quantized_conv2d(rng: np.random.Generator, dtype: str) -> Arguments:
    return _bytes(rng, X_SHAPE), *quantized_weights(rng, (3, 2, 3, 4), dtype), 100, 130, *GEOMETRY[1:]


def _quantized_dense(rng: np.random.Generator, dtype: str) -> Arguments:
    return _bytes(rng, (4, 6)), *quantized_weights(rng, (6, 5), dtype), 100, None


CALLS: dict[str, Callable[[np.random.Generator, str], Arguments]] = {
    "avg_pool2d": lambda rng, dtype: (*_normal(X_SHAPE)(rng, dtype), *GEOMETRY),
    "avg_pool2d_backward": lambda rng, dtype: (*_normal(Y_SHAPE)(rng, dtype), X_SHAPE, *GEOMETRY),
    "batch_norm": lambda rng, dtype: (*_normal(X_SHAPE, (3,), (3,))(rng, dtype), EPSILON),
    "batch_norm_backward": _batch_norm_backward,
    "batch_norm_inference": _batch_norm_inference,
    "batch_norm_inference_backward": lambda rng, dtype: (
        *_normal(X_SHAPE, X_SHAPE, (3,))(rng, dtype),
        *_statistics(rng, dtype),
        EPSILON,
    ),
    "col2im": _col2im,
    "conv2d": _conv2d,
    "conv2d_backward": _conv2d_backward,
    "conv_block": _conv_block,
    "conv_block_backward": _conv_block_backward,
    "crop_and_flip": _crop_and_flip,
    "dense": _normal((4, 6), (6, 5), (5,)),
    "dense_backward": _normal((4, 5), (4, 6), (6, 5)),
    "dropout": lambda rng, dtype: (*_normal((3, 5, 4))(rng, dtype), 0.4, 2**40 + 17),
    "dropout_backward": _dropout_backward,
    "global_avg_pool2d": _normal(X_SHAPE),
    "global_avg_pool2d_backward": lambda rng, dtype: (*_normal((X_SHAPE[0], X_SHAPE[3]))(rng, dtype), X_SHAPE),
    "im2col": lambda rng, dtype: (*_normal(X_SHAPE)(rng, dtype), *GEOMETRY),
    "layer_norm": lambda rng, dtype: (*_normal(X_SHAPE, (3,), (3,))(rng, dtype), EPSILON),
    "layer_norm_backward": _layer_norm_backward,
    "local_response_norm": lambda rng, dtype: (*_normal(X_SHAPE)(rng, dtype), 2, 0.5, 0.75, 1.0),
    "local_response_norm_backward": lambda rng, dtype: (*_normal(X_SHAPE, X_SHAPE)(rng, dtype), 2, 0.5, 0.75, 1.0),
    "max_pool2d": lambda rng, dtype: (*_normal(X_SHAPE)(rng, dtype), *GEOMETRY),
    "max_pool2d_backward": _max_pool2d_backward,
    "norm_block": _norm_block,
    "norm_block_backward": _norm_block_backward,
    "normalize_pixels": _normalize_pixels,
    "dequantize": lambda rng, dtype: (_bytes(rng, (3, 5)), 0.125, 100, dtype),
    "quantize": lambda rng, dtype: (*_normal((3, 5, 4))(rng, dtype), 0.0173, 100),
    "quantize_weight": _normal((3, 3, 2, 4)),
    "quantized_conv2d": _quantized_conv2d,
    "quantized_dense": _quantized_dense,
    "quantized_max_pool2d": lambda rng, dtype: (_bytes(rng, X_SHAPE), *GEOMETRY),
    "quantized_residual": lambda rng, dtype: (
        *(_bytes(rng, (3, 5, 4)) for _ in "ab"),
        0.71,
        100,
        0.43,
        7,
        120,
    ),
    "residual": _normal((3, 5, 4), (3, 5, 4)),
    "residual_backward": _normal((3, 5, 4), (3, 5, 4)),
    "soft_target_cross_entropy": _soft_target_cross_entropy,
    "soft_target_cross_entropy_backward": _soft_target_cross_entropy_backward,
    "softmax": _normal((4, 6)),
    "softmax_cross_entropy": _softmax_cross_entropy,
    "softmax_cross_entropy_backward": _softmax_cross_entropy_backward,
}
CALLS |= {name: update.call for name, update in UPDATES.items()}
for _name in ACTIVATIONS:
    CALLS |= activation_calls(_name)

IN_PLACE = {name: update.changed for name, update in UPDATES.items()}  # the positions of the arguments that are changed


def results(name: str, returned: Any, arguments: Arguments) -> list[Any]:
    """Return all arrays that a call gave: what it returned, or what it changed in place."""
    if name in IN_PLACE:
        return [arguments[position] for position in IN_PLACE[name]]
    values = returned if isinstance(returned, tuple) else (returned,)
    return [value for value in values if value is not None]
