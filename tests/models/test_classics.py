"""The classic networks: as many weights as in their papers, and PyTorch's numbers, forwards and backwards."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from minicnn import SGD, BatchNorm2D, Conv2D, Dense, SoftmaxCrossEntropy, models
from tests.comparison import assert_close

torch = pytest.importorskip("torch")

PARAMETERS = {"resnet18": 11_689_512}


@pytest.mark.parametrize("name", PARAMETERS)
def test_as_many_parameters_as_published(name):
    outline = models.outline(name)
    assert sum(prod(parameter.shape) for parameter in outline.parameters().values()) == PARAMETERS[name]


def module_of(net):
    """Return PyTorch's network with the weights and statistics of `net`, and a pair (layer, module) for each kind."""
    from benchmarks.engines.pytorch import translate

    module = translate(net).double()
    kinds = (Conv2D, BatchNorm2D, Dense)
    ours = [layer for _, layer in net.walk() if isinstance(layer, kinds)]
    theirs = [
        part for part in module.modules() if isinstance(part, (torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.Linear))
    ]
    pairs = list(zip(ours, theirs, strict=True))
    with torch.no_grad():
        for layer, part in pairs:
            part.weight.copy_(torch.from_numpy(to_pytorch(layer, layer.weight.value)))
            if layer.bias is not None:
                part.bias.copy_(torch.from_numpy(layer.bias.value))
    return module, pairs


def to_pytorch(layer, array):
    """Return a weight of `layer`, or its gradient, with its axes in PyTorch's order."""
    return array.transpose(3, 2, 0, 1) if isinstance(layer, Conv2D) else array.T if isinstance(layer, Dense) else array


@pytest.mark.parametrize("name", PARAMETERS)
def test_training_and_evaluation_are_pytorch_s(name, mode, rng):
    net = models.build(name, (32, 32, 3), classes=5, dtype="float64")
    module, pairs = module_of(net)
    loss, optimizer = SoftmaxCrossEntropy(), SGD(net.parameters(), lr=0.01)
    torch_loss, torch_optimizer = torch.nn.CrossEntropyLoss(), torch.optim.SGD(module.parameters(), lr=0.01)
    for step in range(2):
        x, labels = rng.standard_normal((4, 32, 32, 3)), rng.integers(5, size=4)
        module.train()
        expected = torch_loss(module(torch.from_numpy(x.transpose(0, 3, 1, 2))), torch.from_numpy(labels))
        value = loss.forward(net.forward(x, training=True), labels)
        assert_close(np.asarray(value), expected.detach().numpy(), what=f"loss of step {step}")
        torch_optimizer.zero_grad()
        expected.backward()
        optimizer.zero_grad()
        net.backward(loss.backward(), input_gradient=False)
        for layer, part in pairs:
            scale = float(part.weight.grad.abs().max())
            gradient = to_pytorch(layer, layer.weight.grad)
            np.testing.assert_allclose(
                gradient, part.weight.grad.numpy(), rtol=0, atol=1e-8 * scale, err_msg=layer.name
            )
            if isinstance(layer, BatchNorm2D):
                assert_close(layer.running_mean.value, part.running_mean.numpy(), what=layer.name)
                assert_close(layer.running_var.value, part.running_var.numpy(), what=layer.name)
        optimizer.step()
        torch_optimizer.step()
    module.eval()
    with torch.no_grad():
        expected = module(torch.from_numpy(x.transpose(0, 3, 1, 2))).numpy()
    np.testing.assert_allclose(net.forward(x), expected, rtol=0, atol=1e-8 * np.abs(expected).max())
