"""The classic networks: as many weights as published, and with PyTorch's weights PyTorch's numbers, there and back."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from minicnn import BatchNorm2D, Dropout, SoftmaxCrossEntropy, models
from minicnn.exchange.torch_weights import from_torch
from minicnn.layers import variables
from minicnn.layers.tree import found_in
from minicnn.layers.variables import Variable

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")

from tests.models.torch_modules import MODULES, random_module  # noqa: E402

PUBLISHED = {  # torchvision's numbers; of EfficientNet-Lite those of the published weights
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "mobilenet_v2": 3_504_872,
    "efficientnet_lite0": 4_652_008,
    "efficientnet_lite1": 5_416_680,
    "efficientnet_lite2": 6_092_072,
}
CLASSES = 5


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_many_parameters_as_published(name):
    outline = models.outline(name)
    assert sum(prod(parameter.shape) for parameter in outline.parameters().values()) == PUBLISHED[name]


@pytest.fixture(autouse=True)
def undrawn_weights(monkeypatch):
    """Leave weights at zero, which are imported in the next line: drawing a hundred million numbers takes seconds."""
    monkeypatch.setattr(variables, "initialize", lambda name, shape, rng, dtype, groups: np.zeros(shape, dtype))


def imported(name, module, side, dtype):
    """Return minicnn's network with the weights and statistics of PyTorch's module."""
    network = models.known(name)
    net = models.build(network, (side, side, 3), CLASSES, dtype=dtype)
    arrays = {key: value.numpy() for key, value in module.state_dict().items()}
    for key, array in from_torch(network, net, arrays).items():
        net.variables()[key].value = array.astype(dtype)
    return net


@pytest.mark.parametrize("name", MODULES)
def test_logits_in_float32(name, rng):
    module, side = random_module(name, CLASSES)
    net = imported(name, module, side, "float32")
    x = rng.standard_normal((3, side, side, 3), dtype="float32")
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(x.transpose(0, 3, 1, 2))).numpy()
    np.testing.assert_allclose(net.forward(x), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", MODULES)
def test_a_training_step_in_float64(name, rng):
    module, side = random_module(name, CLASSES)
    module = module.double().train()
    net = imported(name, module, side, "float64")
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0  # the two would draw other numbers
    for _, layer in net.walk():
        if isinstance(layer, Dropout):
            layer.rate = 0.0
    x, labels = rng.standard_normal((4, side, side, 3)), rng.integers(CLASSES, size=4)
    loss = SoftmaxCrossEntropy()
    value = loss.forward(net.forward(x, training=True), labels)
    net.backward(loss.backward(), input_gradient=False)
    expected = torch.nn.functional.cross_entropy(
        module(torch.from_numpy(x.transpose(0, 3, 1, 2))), torch.from_numpy(labels)
    )
    expected.backward()
    np.testing.assert_allclose(float(value), float(expected.detach()), rtol=1e-10)

    network = models.known(name)
    gradients = {key: parameter.grad.numpy() for key, parameter in module.named_parameters()} | {
        key: value.numpy() for key, value in module.named_buffers()
    }  # running statistics ride along
    for key, right in from_torch(network, net, gradients).items():
        owner, _, variable = key.rpartition(".")
        layer = dict(net.walk())[owner]
        statistic = isinstance(layer, BatchNorm2D) and variable.startswith("running")
        got = found_in(layer, Variable)[variable].value if statistic else found_in(layer, Variable)[variable].grad
        np.testing.assert_allclose(got, right, rtol=0, atol=1e-8 * np.abs(right).max() + 1e-12, err_msg=key)
