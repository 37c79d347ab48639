"""Every operation against PyTorch, which computes in NCHW and finds its gradients by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from minicnn import ops, use_kernels
from tests.comparison import assert_close
from tests.ops.calls import kept_for_backward
from tests.ops.cases import CONVOLUTIONS, POOLING_WINDOWS, Window, convolutions
from tests.oracles.activations import ACTIVATIONS

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
functional = torch.nn.functional
torch.set_num_threads(1)  # its idle threads would spin against the kernels


def to_torch(x: np.ndarray):
    """Return a picture batch (N, H, W, C) as a tensor (N, C, H, W) that collects its gradient."""
    return torch.tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)), requires_grad=True)


def filters_to_torch(weight: np.ndarray):
    """Return filters (KH, KW, C, F) as a tensor (F, C, KH, KW) that collects its gradient."""
    return torch.tensor(np.ascontiguousarray(weight.transpose(3, 2, 0, 1)), requires_grad=True)


def from_torch(y) -> np.ndarray:
    """Return a tensor (N, C, H, W) as a picture batch (N, H, W, C)."""
    return y.detach().numpy().transpose(0, 2, 3, 1)


def pad(x, padding, value=0.0):
    (top, bottom), (left, right) = padding
    return functional.pad(x, (left, right, top, bottom), value=value)


def check_convolution(window: Window, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(window.x_shape).astype(dtype)
    weight = rng.standard_normal(window.weight_shape).astype(dtype)
    bias = rng.standard_normal(window.filters).astype(dtype)
    tx, tweight, tbias = to_torch(x), filters_to_torch(weight), torch.tensor(bias, requires_grad=True)
    ty = functional.conv2d(
        pad(tx, window.padding), tweight, tbias, window.stride, groups=window.groups, dilation=window.dilation
    )
    y = ops.conv2d(x, weight, bias, **window.convolution)
    assert_close(y, from_torch(ty), dtype, "y")

    dy = rng.standard_normal(y.shape).astype(dtype)
    ty.backward(to_torch(dy).detach())
    dx, dweight, dbias = ops.conv2d_backward(dy, x, weight, **window.convolution)
    assert_close(dx, from_torch(tx.grad), dtype, "dx")
    assert_close(dweight, tweight.grad.numpy().transpose(2, 3, 1, 0), dtype, "dweight")
    assert_close(dbias, tbias.grad.numpy(), dtype, "dbias")


@pytest.mark.parametrize("window", CONVOLUTIONS, ids=str)
def test_convolution(window: Window, mode, dtype):
    check_convolution(window, dtype)


@given(window=convolutions())
def test_convolution_by_any_window(window: Window):
    for mode in ("reference", "fast"):
        with use_kernels(mode):
            check_convolution(window, "float32")
            check_convolution(window, "float64")


@pytest.mark.parametrize(
    "window",
    [
        Window("cnn3's first", (2, 32, 32, 3), (3, 3), filters=32),
        Window("cnn3's second", (2, 15, 15, 32), (3, 3), filters=64),
        Window("simple_cnn's first", (1, 32, 32, 3), (7, 7), (2, 2), ((3, 3), (3, 3)), filters=64),
        Window("simple_cnn's second", (1, 15, 15, 64), (3, 3), (2, 2), ((1, 1), (1, 1)), filters=128),
        Window("dcnn5's second", (1, 16, 16, 32), (5, 5), (1, 1), ((2, 2), (2, 2)), filters=64),
    ],
    ids=str,
)
def test_the_documents_convolutions(window: Window, mode, dtype):
    check_convolution(window, dtype)


@pytest.mark.parametrize("window", POOLING_WINDOWS, ids=str)
def test_max_pooling(window: Window, mode, dtype, rng):
    x = rng.standard_normal(window.x_shape).astype(dtype)
    tx = to_torch(x)
    ty = functional.max_pool2d(pad(tx, window.padding, -np.inf), window.kernel, window.stride)
    y, argmax = ops.max_pool2d(x, *window.geometry)
    np.testing.assert_array_equal(y, from_torch(ty))
    dy = rng.standard_normal(y.shape).astype(dtype)
    ty.backward(to_torch(dy).detach())
    assert_close(ops.max_pool2d_backward(dy, argmax, x.shape, *window.geometry), from_torch(tx.grad), dtype)


@pytest.mark.parametrize("window", POOLING_WINDOWS, ids=str)
def test_average_pooling(window: Window, mode, dtype, rng):
    x = rng.standard_normal(window.x_shape).astype(dtype)
    tx = to_torch(x)
    ty = functional.avg_pool2d(pad(tx, window.padding), window.kernel, window.stride)
    y = ops.avg_pool2d(x, *window.geometry)
    assert_close(y, from_torch(ty), dtype)
    dy = rng.standard_normal(y.shape).astype(dtype)
    ty.backward(to_torch(dy).detach())
    assert_close(ops.avg_pool2d_backward(dy, x.shape, *window.geometry), from_torch(tx.grad), dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, mode, dtype, rng):
    x = (4 * rng.standard_normal((3, 6, 5, 4))).astype(dtype)
    tx = torch.tensor(x, requires_grad=True)
    settings = ACTIVATIONS[name].settings
    ty = ACTIVATIONS[name].pytorch(torch, tx, *settings)
    y = getattr(ops, name)(x, *settings)
    assert_close(y, ty.detach().numpy(), dtype)
    dy = rng.standard_normal(x.shape).astype(dtype)
    ty.backward(torch.tensor(dy))
    dx = getattr(ops, f"{name}_backward")(dy, kept_for_backward(name, x), *settings)
    assert_close(dx, tx.grad.numpy(), dtype)


def test_dense(mode, dtype, rng):
    x, weight, bias, dy = (rng.standard_normal(s).astype(dtype) for s in ((7, 50), (50, 13), (13,), (7, 13)))
    tx, tweight, tbias = (torch.tensor(a, requires_grad=True) for a in (x, weight, bias))
    ty = tx @ tweight + tbias
    assert_close(ops.dense(x, weight, bias), ty.detach().numpy(), dtype)
    ty.backward(torch.tensor(dy))
    gradients = ops.dense_backward(dy, x, weight)
    for got, right in zip(gradients, (tx.grad, tweight.grad, tbias.grad), strict=True):
        assert_close(got, right.numpy(), dtype)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_softmax_cross_entropy(label_smoothing, mode, dtype, rng):
    logits = (5 * rng.standard_normal((9, 11))).astype(dtype)
    labels = rng.integers(11, size=9)
    tlogits = torch.tensor(logits, requires_grad=True)
    tloss = functional.cross_entropy(tlogits, torch.tensor(labels), label_smoothing=label_smoothing)
    loss, probabilities = ops.softmax_cross_entropy(logits, labels, label_smoothing)
    assert_close(loss, tloss.detach().numpy(), dtype)
    assert_close(ops.softmax(logits), torch.softmax(tlogits, 1).detach().numpy(), dtype)
    tloss.backward()
    dlogits = ops.softmax_cross_entropy_backward(probabilities, labels, label_smoothing)
    assert_close(dlogits, tlogits.grad.numpy(), dtype)
