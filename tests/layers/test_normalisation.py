"""The normalisation layers: running statistics, frozen ones, and PyTorch's numbers over several steps."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import (
    SGD,
    BatchNorm2D,
    Conv2D,
    Dense,
    Flatten,
    LayerNorm,
    LocalResponseNorm,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    gradcheck,
    keep_for_backward,
)
from minicnn.errors import ShapeError, UsageError

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}  # of the largest value


def built(layer, shape, dtype="float64"):
    layer.build(shape, np.random.default_rng(0), dtype)
    return layer


def assert_near(got, expected, dtype, what, times=1):
    assert got.dtype == dtype, what
    limit = times * TOLERANCE[dtype] * np.abs(expected).max()
    np.testing.assert_allclose(got, expected, rtol=0, atol=limit, err_msg=what)


@pytest.mark.parametrize("mean", [0.0, 1000.0])
@pytest.mark.parametrize("shape", [(2, 4, 5, 3), (1, 2, 2, 70), (7, 1, 3, 16)], ids=str)
@pytest.mark.parametrize("momentum", [0.1, 0.7])
def test_batch_norm_learns_as_pytorch_s_does(shape, mean, momentum, mode, dtype, rng):
    """Over three steps of training and one of evaluation; PyTorch in float64: its float32 is off at a mean of 1000."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    layer = built(BatchNorm2D(momentum=momentum, epsilon=1e-3), shape[1:], dtype)
    theirs = torch.nn.BatchNorm2d(shape[3], eps=1e-3, momentum=momentum, dtype=torch.float64)
    for name in ("weight", "bias"):
        value = rng.standard_normal(shape[3:]).astype(dtype)
        layer.parameters()[name].value = value
        getattr(theirs, name).data = torch.tensor(value.astype("float64"))
    times = 10 if mean and dtype == "float64" else 1  # PyTorch's own rounding of such a mean: see tests/ops
    for training in (True, True, True, False):
        x, dy = (mean + rng.standard_normal(shape)).astype(dtype), rng.standard_normal(shape).astype(dtype)
        tx = torch.tensor(x.astype("float64"), requires_grad=True)
        theirs.train(training)
        theirs.zero_grad()
        for parameter in layer.parameters().values():
            parameter.grad = None
        ty = theirs(tx.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        ty.backward(torch.tensor(dy.astype("float64")))
        with keep_for_backward():
            y = layer.forward(x, training=training)
        dx = layer.backward(dy)
        assert_near(y, ty.detach().numpy(), dtype, "y", times)
        assert_near(dx, tx.grad.numpy(), dtype, "dx", times)
        assert_near(layer.weight.grad, theirs.weight.grad.numpy(), dtype, "dweight", times)
        assert_near(layer.bias.grad, theirs.bias.grad.numpy(), dtype, "dbias", times)
        assert_near(layer.running_mean.value, theirs.running_mean.numpy(), dtype, "running_mean", times)
        assert_near(layer.running_var.value, theirs.running_var.numpy(), dtype, "running_var", times)


def test_the_other_layers_are_pytorch_s(mode, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    x = rng.standard_normal((2, 3, 4, 9)).astype(dtype)
    tx = torch.tensor(x.astype("float64"))
    theirs = torch.nn.LayerNorm(9).double()(tx)
    assert_near(built(LayerNorm(), x.shape[1:], dtype).forward(x), theirs.detach().numpy(), dtype, "y")
    ours = built(LocalResponseNorm(3, alpha=0.5, beta=0.6, k=2.0), x.shape[1:], dtype).forward(x)
    theirs = torch.nn.LocalResponseNorm(3, alpha=0.5, beta=0.6, k=2.0)(tx.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert_near(ours, theirs.numpy(), dtype, "y")


def test_evaluation_uses_the_running_statistics_and_leaves_them(mode, rng):
    layer = built(BatchNorm2D(), (4, 5, 3))
    for _ in range(3):
        layer.forward(5 + 2 * rng.standard_normal((6, 4, 5, 3)), training=True)
    before = {name: value.copy() for name, value in layer.state().items()}
    x = rng.standard_normal((2, 4, 5, 3))
    y = layer.forward(x)
    expected = (x - before["running_mean"]) / np.sqrt(before["running_var"] + 1e-5)
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    for name, value in layer.state().items():
        np.testing.assert_array_equal(value, before[name])


def test_statistics_are_saved_and_come_back(tmp_path, rng):
    net = Sequential([Conv2D(4, 3), BatchNorm2D(), ReLU(), Flatten(), Dense(3)], (6, 6, 2), seed=1)
    for _ in range(2):
        net.forward(rng.standard_normal((4, 6, 6, 2)).astype("float32"), training=True)
    assert list(net.state())[2:6] == ["bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"]
    assert "bn1.running_mean" not in net.parameters()
    net.save(tmp_path / "net.safetensors")
    other = Sequential([Conv2D(4, 3), BatchNorm2D(), ReLU(), Flatten(), Dense(3)], (6, 6, 2), seed=2)
    other.load(tmp_path / "net.safetensors")
    x = rng.standard_normal((2, 6, 6, 2)).astype("float32")
    np.testing.assert_array_equal(other.forward(x), net.forward(x))


def test_a_frozen_batch_norm_has_the_gradient_of_what_it_computes(mode, rng):
    """In evaluation, kept for backward, dx is that of fixed statistics: finite differences of the forward pass."""
    layer = built(BatchNorm2D(), (2, 3, 2))
    layer.running_mean.value, layer.running_var.value = rng.standard_normal(2), rng.random(2) + 0.5
    x, dy, step = rng.standard_normal((2, 2, 3, 2)), rng.standard_normal((2, 2, 3, 2)), 1e-6
    with keep_for_backward():
        layer.forward(x)
    dx = layer.backward(dy)
    for place in np.ndindex(x.shape):
        more, less = x.copy(), x.copy()
        more[place] += step
        less[place] -= step
        slope = ((layer.forward(more) - layer.forward(less)) * dy).sum() / (2 * step)
        assert dx[place] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_an_evaluation_pass_in_between_spoils_nothing(rng):
    layer, undisturbed = built(BatchNorm2D(), (4, 5, 3)), built(BatchNorm2D(), (4, 5, 3))
    x, dy = rng.standard_normal((2, 4, 5, 3)), rng.standard_normal((2, 4, 5, 3))
    layer.forward(x, training=True)
    layer.forward(x + 100)
    undisturbed.forward(x, training=True)
    np.testing.assert_array_equal(layer.backward(dy), undisturbed.backward(dy))


@pytest.mark.parametrize("layer", [BatchNorm2D(), LayerNorm(), LocalResponseNorm(3, alpha=0.5)], ids=repr)
def test_gradients_within_a_network(layer):
    net = Sequential([Conv2D(4, 3), ReLU(), layer, Flatten(), Dense(3)], (5, 6, 2))
    report = gradcheck(net, (5, 6, 2))
    assert report.passed, report.describe()


def test_batch_norm_lets_a_badly_scaled_network_learn(rng):
    """Pictures of mean 1000: without normalisation the same steps lead nowhere."""
    x = (1000 + rng.standard_normal((32, 6, 6, 1))).astype("float32")
    labels = (x.mean(axis=(1, 2, 3)) > 1000).astype(int)
    losses = {}
    for name, first in (("normalised", [BatchNorm2D()]), ("plain", [])):
        net = Sequential([*first, Flatten(), Dense(2)], (6, 6, 1), seed=0)
        loss, optimizer = SoftmaxCrossEntropy(), SGD(net.parameters(), lr=0.1, momentum=0.9)
        for _ in range(60):
            optimizer.zero_grad()
            losses[name] = float(loss.forward(net.forward(x, training=True), labels))
            net.backward(loss.backward(), input_gradient=False)
            optimizer.step()
    assert losses["normalised"] < 0.2
    assert not losses["plain"] < 2


def test_what_cannot_be_is_refused():
    with pytest.raises(ShapeError, match="BatchNorm2D reads pictures"):
        built(BatchNorm2D(), (5,))
    with pytest.raises(ShapeError, match="LocalResponseNorm reads pictures"):
        built(LocalResponseNorm(), (5,))
    with pytest.raises(ShapeError, match="more than one value a channel"):
        built(BatchNorm2D(), (1, 1, 3)).forward(np.zeros((1, 1, 1, 3)), training=True)
    for make in (lambda: BatchNorm2D(momentum=1.5), lambda: BatchNorm2D(epsilon=0), lambda: LayerNorm(epsilon=-1)):
        with pytest.raises(UsageError, match="should be"):
            make()
    with pytest.raises(ShapeError, match="size=0 should be a whole number"):
        LocalResponseNorm(0)
