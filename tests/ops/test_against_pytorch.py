"""Every operation against PyTorch, which computes in NCHW and finds its gradients by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicnn import ops, use_kernels
from tests.comparison import assert_close
from tests.ops.activations import ACTIVATIONS
from tests.ops.calls import kept_for_backward
from tests.ops.cases import CONVOLUTIONS, POOLING_WINDOWS, Window, convolutions

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


def test_global_average_pooling(mode, dtype, rng):
    x = 1000 + rng.standard_normal((3, 9, 11, 5)).astype(dtype)
    tx = to_torch(x)
    ty = functional.adaptive_avg_pool2d(tx, 1)
    assert_close(ops.global_avg_pool2d(x), ty.detach().numpy()[:, :, 0, 0], dtype)
    dy = rng.standard_normal((3, 5)).astype(dtype)
    ty.backward(torch.tensor(dy).reshape(3, 5, 1, 1))
    assert_close(ops.global_avg_pool2d_backward(dy, x.shape), from_torch(tx.grad), dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, mode, dtype, rng):
    x = (4 * rng.standard_normal((3, 6, 5, 4))).astype(dtype)
    tx = torch.tensor(x, requires_grad=True)
    settings = ACTIVATIONS[name].settings
    ty = ACTIVATIONS[name].pytorch(torch, tx)
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


# PyTorch's float32 is off itself where a channel's mean is large: 3e-5 at 1000, and its statistics by as much as its
# order of summing costs. So the normalisations are compared with what it computes in float64 from the same numbers, and
# from x − mean where that changes nothing: 1000 ± 1 less 1000 is exact, and spares PyTorch its rounding of the mean.
NORMALISATION_TOLERANCE = {"float32": 1e-5, "float64": 1e-12}  # of the largest value


def assert_close_to_exact(got: np.ndarray, expected, dtype: str, what: str) -> None:
    assert got.dtype == dtype, what
    expected = expected.detach().numpy()
    limit = NORMALISATION_TOLERANCE[dtype] * np.abs(expected).max()
    np.testing.assert_allclose(got, expected, rtol=0, atol=limit, err_msg=what)


def exact(x: np.ndarray, mean: float = 0):
    """Return x − mean as a tensor of float64 that collects its gradient."""
    return torch.tensor(x.astype("float64") - mean, requires_grad=True)


def normalisation_arrays(shape: tuple[int, ...], mean: float, dtype: str) -> tuple[np.ndarray, ...]:
    """Return x of that mean and deviation 1, dy and another picture of that shape; weight and bias of its channels."""
    rng = np.random.default_rng(0)
    x = mean + rng.standard_normal(shape)
    others = (rng.standard_normal(s) for s in (shape, shape, shape[-1:], shape[-1:]))
    return tuple(array.astype(dtype) for array in (x, *others))


def channels_first(x):
    return x.permute(0, 3, 1, 2)


picture_shapes = st.tuples(st.integers(1, 5), st.integers(2, 9), st.integers(3, 9), st.integers(1, 150))


@pytest.mark.parametrize("mean", [0.0, 1000.0])
@given(shape=picture_shapes, relu=st.booleans(), with_residual=st.booleans())
def test_batch_norm_and_norm_block(mean: float, shape: tuple[int, ...], relu: bool, with_residual: bool):
    for dtype in ("float32", "float64"):
        x, dy, residual, weight, bias = normalisation_arrays(shape, mean, dtype)
        tx, (tresidual, tweight, tbias) = exact(x, mean), (exact(a) for a in (residual, weight, bias))
        tmean, tvariance = torch.zeros(shape[3], dtype=torch.float64), torch.ones(shape[3], dtype=torch.float64)
        first = functional.batch_norm(
            channels_first(tx), tmean, tvariance, tweight, tbias, training=True, momentum=1.0, eps=1e-5
        ).permute(0, 2, 3, 1)
        second = first + tresidual if with_residual else first
        ty = torch.relu(second) if relu else second
        ty.backward(torch.tensor(dy.astype("float64")))
        pixels = x[..., 0].size
        for mode in ("reference", "fast"):
            with use_kernels(mode):
                given = residual if with_residual else None
                y, mean_, variance = ops.norm_block(x, weight, bias, 1e-5, given, relu)
                right_y = ty.detach().numpy()  # whose own zeros decide where the gradient goes
                gradients = ops.norm_block_backward(
                    dy, x, right_y.astype(dtype), weight, mean_, variance, 1e-5, relu, with_residual
                )
            for name, got, right in (
                ("y", y, ty), ("mean", mean_, tmean + mean), ("variance", variance, tvariance * (pixels - 1) / pixels),
                ("dx", gradients[0], tx.grad), ("dweight", gradients[1], tweight.grad),
                ("dbias", gradients[2], tbias.grad),
            ):  # fmt: skip
                assert_close_to_exact(got, right, dtype, f"{name}, {mode}, {dtype}")
            if with_residual:
                assert_close_to_exact(gradients[3], tresidual.grad, dtype, "dresidual")


@pytest.mark.parametrize("mean", [0.0, 1000.0])
@given(shape=picture_shapes)
def test_batch_norm_in_inference(mean: float, shape: tuple[int, ...]):
    for dtype in ("float32", "float64"):
        x, dy, other, weight, bias = normalisation_arrays(shape, mean, dtype)
        statistics = (mean + other[0, 0, 0]), (other[0, 0, 1] ** 2 + np.float32(0.1)).astype(dtype)
        statistics = tuple(a.astype(dtype) for a in statistics)
        tx, tweight, tbias = (exact(a) for a in (x, weight, bias))
        tstatistics = (torch.tensor(a.astype("float64")) for a in statistics)
        ty = functional.batch_norm(channels_first(tx), *tstatistics, tweight, tbias, eps=1e-5).permute(0, 2, 3, 1)
        ty.backward(torch.tensor(dy.astype("float64")))
        for mode in ("reference", "fast"):
            with use_kernels(mode):
                y = ops.batch_norm_inference(x, weight, bias, *statistics, 1e-5)
                gradients = ops.batch_norm_inference_backward(dy, x, weight, *statistics, 1e-5)
            assert_close_to_exact(y, ty, dtype, f"y, {mode}")
            for name, got, right in zip(("dx", "dweight", "dbias"), gradients, (tx, tweight, tbias), strict=True):
                assert_close_to_exact(got, right.grad, dtype, name)


@pytest.mark.parametrize("mean", [0.0, 1000.0])
@given(rows=st.lists(st.integers(1, 6), min_size=1, max_size=3), channels=st.integers(3, 150))
def test_layer_norm(mean: float, rows: list[int], channels: int):
    for dtype in ("float32", "float64"):
        x, dy, _, weight, bias = normalisation_arrays((*rows, channels), mean, dtype)
        tx, (tweight, tbias) = exact(x, mean), (exact(a) for a in (weight, bias))
        ty = functional.layer_norm(tx, (channels,), tweight, tbias, 1e-5)
        ty.backward(torch.tensor(dy.astype("float64")))
        for mode in ("reference", "fast"):
            with use_kernels(mode):
                y, mean_, variance = ops.layer_norm(x, weight, bias, 1e-5)
                gradients = ops.layer_norm_backward(dy, x, weight, mean_, variance, 1e-5)
            assert_close_to_exact(y, ty, dtype, f"y, {mode}")
            for name, got, right in zip(("dx", "dweight", "dbias"), gradients, (tx, tweight, tbias), strict=True):
                assert_close_to_exact(got, right.grad, dtype, name)


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.integers(1, 40)),
    size=st.integers(1, 9), alpha=st.sampled_from([1e-4, 0.5]), beta=st.sampled_from([0.75, 0.5, 1.2]),
    k=st.sampled_from([1.0, 2.0]),
)  # fmt: skip
def test_local_response_norm(shape: tuple[int, ...], size: int, alpha: float, beta: float, k: float):
    for dtype in ("float32", "float64"):
        x, dy, *_ = normalisation_arrays(shape, 0.0, dtype)
        tx = exact(x)
        ty = functional.local_response_norm(channels_first(tx), size, alpha, beta, k).permute(0, 2, 3, 1)
        ty.backward(torch.tensor(dy.astype("float64")))
        for mode in ("reference", "fast"):
            with use_kernels(mode):
                y = ops.local_response_norm(x, size, alpha, beta, k)
                dx = ops.local_response_norm_backward(dy, x, size, alpha, beta, k)
            assert_close_to_exact(y, ty, dtype, f"y, {mode}")
            assert_close_to_exact(dx, tx.grad, dtype, "dx")


def test_local_response_norm_has_pytorch_s_defaults(mode, rng):
    x = rng.standard_normal((2, 3, 4, 7)) * 30
    expected = torch.nn.LocalResponseNorm(5)(channels_first(torch.tensor(x))).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(ops.local_response_norm(x), expected, rtol=1e-13)
