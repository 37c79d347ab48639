"""Saliency, Grad-CAM, occlusion and FGSM against PyTorch, which computes them by its own differentiation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minicnn import BatchNorm2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Sequential
from minicnn.errors import UsageError
from minicnn.inspection.adversarial import STEPS, fgsm, smallest_attack
from minicnn.inspection.grad_cam import grad_cam, place_of
from minicnn.inspection.occlusion import covered_by_pixel, occlusion_map, places
from minicnn.inspection.saliency import logit_gradient, saliency
from minicnn.training.normalization import Normalization

SIDE, CLASSES = 12, 5
LABELS = np.array([3, 0, 4])


@pytest.fixture
def net(rng: np.random.Generator) -> Sequential:
    layers = [
        Conv2D(6, 3, padding=1), BatchNorm2D(), ReLU(), MaxPool2D(2),
        Conv2D(8, 3), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.5), Dense(CLASSES),
    ]  # fmt: skip
    net = Sequential(layers, input_shape=(SIDE, SIDE, 3), seed=1, dtype="float64")
    norm = net.norm1 if hasattr(net, "norm1") else net.layers[1]
    norm.running_mean.value[:] = rng.normal(size=6) / 4
    norm.running_var.value[:] = rng.uniform(0.5, 2, 6)
    return net


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(3, SIDE, SIDE, 3))


def torch_passes(net: Sequential, x: np.ndarray) -> tuple[Any, Any, Any, Any]:
    """Return torch, the input (N, C, H, W), what the second ReLU gives, and the logits, by PyTorch's functions."""
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    conv1, norm, conv2, dense = (net.layers[place] for place in (0, 1, 4, 9))

    def given(array: Any) -> Any:
        return torch.from_numpy(np.array(array))

    def kernel(layer: Any) -> Any:
        return given(layer.weight.value.transpose(3, 2, 0, 1))

    pictures = given(x.transpose(0, 3, 1, 2)).requires_grad_()
    y = f.conv2d(pictures, kernel(conv1), given(conv1.bias.value), padding=1)
    y = f.batch_norm(
        y, given(norm.running_mean.value), given(norm.running_var.value), given(norm.weight.value),
        given(norm.bias.value), eps=norm.epsilon,
    )  # fmt: skip
    y = f.max_pool2d(y.relu(), 2)
    maps = f.conv2d(y, kernel(conv2), given(conv2.bias.value)).relu()
    features = f.max_pool2d(maps, 2).permute(0, 2, 3, 1).flatten(1)
    return torch, pictures, maps, features @ given(dense.weight.value) + given(dense.bias.value)


def test_saliency(net: Sequential, x: np.ndarray) -> None:
    torch, pictures, _, logits = torch_passes(net, x)
    logits[torch.arange(3), torch.from_numpy(LABELS)].sum().backward()
    gradient = pictures.grad.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(logit_gradient(net, x, LABELS), gradient, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(saliency(net, x, LABELS), np.abs(gradient).max(-1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("layer", [None, "relu2"])
def test_grad_cam(net: Sequential, x: np.ndarray, layer: str | None) -> None:
    torch, _, maps, logits = torch_passes(net, x)
    maps.retain_grad()
    logits[torch.arange(3), torch.from_numpy(LABELS)].sum().backward()
    weights = maps.grad.mean((2, 3), keepdim=True)  # eq. 1 of Selvaraju et al.
    expected = (weights * maps).sum(1).relu().detach().numpy()  # eq. 2
    assert expected.any() and (expected == 0).any()
    found = grad_cam(net, x, LABELS, layer)
    assert found.shape == (3, 4, 4)  # before the pool
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_they_leave_the_network_as_it_was(net: Sequential, x: np.ndarray) -> None:
    for parameter in net.parameters().values():
        parameter.accumulate(np.ones_like(parameter.value))
    before = {name: array.copy() for name, array in net.state().items()}
    saliency(net, x, LABELS)
    grad_cam(net, x, LABELS)
    occlusion_map(net, x[0], 1, 4, 4)
    for parameter in net.parameters().values():
        np.testing.assert_array_equal(parameter.grad, 1)
    for name, array in net.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_layers_that_grad_cam_can_look_at(net: Sequential, x: np.ndarray) -> None:
    assert net.layers[place_of(net)].name == "relu2"
    assert grad_cam(net, x, LABELS, "conv1").shape == (3, SIDE, SIDE)
    for layer in ("flatten1", "dense1", "conv9"):
        with pytest.raises(UsageError, match="whose output is a picture"):
            grad_cam(net, x, LABELS, layer)
    with pytest.raises(UsageError, match="has none"):
        grad_cam(Sequential([Flatten(), Dense(3)], input_shape=(4, 4, 3)), x[:, :4, :4].astype("float32"), LABELS % 3)
    with pytest.raises(UsageError, match="one class 0 … 4"):
        saliency(net, x, LABELS + 1)


@pytest.mark.parametrize(("size", "stride"), [(4, 3), (5, 5), (12, 1)])
def test_occlusion(net: Sequential, x: np.ndarray, size: int, stride: int) -> None:
    found = occlusion_map(net, x[0], 2, size, stride, fill=0.25)
    tops = places(SIDE, size, stride)
    assert tops[0] == 0 and tops[-1] == SIDE - size
    expected = np.zeros((len(tops), len(tops)))
    for row, top in enumerate(tops):
        for column, left in enumerate(tops):
            covered = x[:1].copy()
            covered[:, top : top + size, left : left + size] = 0.25
            expected[row, column] = torch_passes(net, covered)[3].softmax(1)[0, 2].item()
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    by_pixel = covered_by_pixel(found, (SIDE, SIDE), size, stride)
    np.testing.assert_allclose(by_pixel[0, 0], expected[0, 0])
    np.testing.assert_allclose(by_pixel[-1, -1], expected[-1, -1])
    inside = [expected[r, c] for r, top in enumerate(tops) for c, left in enumerate(tops)
              if top <= 5 < top + size and left <= 7 < left + size]  # fmt: skip
    np.testing.assert_allclose(by_pixel[5, 7], np.mean(inside))


def test_a_square_that_does_not_fit(net: Sequential, x: np.ndarray) -> None:
    with pytest.raises(UsageError, match="does not fit"):
        occlusion_map(net, x[0], 2, SIDE + 1, 1)


@pytest.fixture
def reader(rng: np.random.Generator) -> Sequential:
    """Return a network in float32, as pictures of bytes reach it."""
    layers = [Conv2D(6, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(CLASSES)]
    return Sequential(layers, input_shape=(SIDE, SIDE, 3), seed=3)


def test_fgsm(reader: Sequential, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    normalization = Normalization(mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    pixels = rng.integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    mean, std = (torch.tensor(values)[:, None, None] for values in (normalization.mean, normalization.std))
    bytes_ = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32)).requires_grad_()
    conv, dense = reader.layers[0], reader.layers[4]
    y = torch.nn.functional.conv2d(
        (bytes_ / 255 - mean) / std, torch.from_numpy(conv.weight.value.transpose(3, 2, 0, 1).copy()),
        torch.from_numpy(conv.bias.value),
    )  # fmt: skip
    features = torch.nn.functional.max_pool2d(y.relu(), 2).permute(0, 2, 3, 1).flatten(1)
    logits = features @ torch.from_numpy(dense.weight.value) + torch.from_numpy(dense.bias.value)
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(LABELS)).backward()
    gradient = bytes_.grad.permute(0, 2, 3, 1).numpy()
    expected = np.clip(pixels + 7.0 * np.sign(gradient), 0, 255)
    clear = np.abs(gradient) > 1e-6 * np.abs(gradient).max()  # elsewhere the sign is one of rounding
    found = fgsm(reader, pixels, LABELS, 7, normalization)
    assert found.dtype == np.uint8 and clear.mean() > 0.5
    np.testing.assert_array_equal(found[clear], expected[clear])
    np.testing.assert_array_equal(fgsm(reader, pixels, LABELS, 0, normalization), pixels)
    with pytest.raises(UsageError, match="gray levels"):
        fgsm(reader, pixels, LABELS, 256, normalization)


def test_the_smallest_attack_fools_and_the_one_before_does_not(reader: Sequential, rng: np.random.Generator) -> None:
    normalization = Normalization()
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    label = int(reader.forward(normalization(pixels[None])).argmax())
    attack = smallest_attack(reader, pixels, label, normalization)
    assert attack.fooled and int(attack.probabilities.argmax()) != label
    assert np.abs(attack.pixels.astype(int) - pixels).max() == attack.epsilon
    np.testing.assert_array_equal(
        attack.pixels, fgsm(reader, pixels[None], np.array([label]), attack.epsilon, normalization)[0]
    )
    for weaker in STEPS[: STEPS.index(attack.epsilon)]:
        changed = fgsm(reader, pixels[None], np.array([label]), weaker, normalization)
        assert int(reader.forward(normalization(changed)).argmax()) == label
    reader.dense1.bias.value[label] += 1000  # nothing fools it any more
    unshaken = smallest_attack(reader, pixels, label, normalization)
    assert not unshaken.fooled and unshaken.epsilon == STEPS[-1]
