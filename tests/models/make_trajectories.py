"""Train PyTorch's own versions of the six networks for ten steps in float64 and write the losses to trajectories.json.

Run it from the top of the repository, only when a network, its initial weights or the batches change on purpose:

    python -m tests.models.make_trajectories

The networks are written out anew from the documents, in PyTorch's layers and layout. They begin with our weights:
filters (KH, KW, C, F) become (F, C, KH, KW); a dense weight (D, U) becomes (U, D), and behind the flattening its D
inputs, in our order (row, column, channel), are brought into PyTorch's (channel, row, column).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from minicnn import models
from tests.models.trajectory import ADAM, ADAM_EPSILON, SEED, SETTINGS, SGD, Setting, batches

TRAJECTORIES = Path(__file__).with_name("trajectories.json")


def conv(inputs: int, filters: int, size: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(inputs, filters, size, stride, padding), nn.ReLU()]


def head(inputs: int, *widths: int) -> list[nn.Module]:
    """Return the dense layers after the feature maps, with ReLU between them."""
    layers: list[nn.Module] = [nn.Flatten()]
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return layers[:-1]


def pool(size: int = 2, stride: int = 2) -> nn.Module:
    return nn.MaxPool2d(size, stride)


def network(name: str, classes: int) -> nn.Sequential:
    """Return the network as its document gives it, for the picture size in SETTINGS, without dropout."""
    layers = {
        "cnn3": lambda: [
            *conv(3, 32, 3), pool(), *conv(32, 64, 3), pool(), *conv(64, 128, 3), pool(),
            *head(128 * 2 * 2, 128, classes),
        ],
        "cnn2": lambda: [*conv(3, 32, 3), pool(), *conv(32, 64, 3), pool(), *head(64 * 2 * 2, classes)],
        "cifar_cnn": lambda: [
            *conv(3, 32, 3), pool(), *conv(32, 64, 3), pool(), *conv(64, 64, 3), *head(64 * 2 * 2, 64, classes),
        ],
        "torch_cnn": lambda: [*conv(3, 32, 3, padding=1), pool(), *head(32 * 5 * 5, 128, classes)],
        "simple_cnn": lambda: [
            *conv(3, 64, 7, 2, 3), pool(3), *conv(64, 128, 3, 2, 1), pool(3), *conv(128, 256, 3, 2, 1), pool(3),
            *head(256 * 2 * 2, 1280, 640, classes),
        ],
        "dcnn5": lambda: [
            *conv(3, 32, 5, padding=2), pool(), *conv(32, 64, 5, padding=2), pool(), *conv(64, 128, 5, padding=2),
            pool(), *head(128 * 2 * 2, 1024, classes),
        ],
    }  # fmt: skip
    return nn.Sequential(*layers[name]()).double()


def take_weights(theirs: nn.Sequential, name: str, setting: Setting) -> None:
    """Give PyTorch's network the weights that ours begins with."""
    size = setting.image_size
    ours = models.build(name, (size, size, 3), setting.classes, seed=SEED, dtype="float64")
    values = [torch.tensor(parameter.value) for parameter in ours.parameters().values()]
    flattened = next(layer.input_shape for layer in ours.layers if layer.kind == "flatten")
    layers = [layer for layer in theirs if isinstance(layer, nn.Conv2d | nn.Linear)]
    first_dense = next(layer for layer in layers if isinstance(layer, nn.Linear))
    with torch.no_grad():
        for layer, weight, bias in zip(layers, values[::2], values[1::2], strict=True):
            if isinstance(layer, nn.Conv2d):
                weight = weight.permute(3, 2, 0, 1)
            elif layer is first_dense:
                weight = weight.reshape(*flattened, -1).permute(3, 2, 0, 1).flatten(1)
            else:
                weight = weight.T
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)


def train(name: str, optimizer: str) -> list[float]:
    """Return the loss before each of the steps, in nats."""
    setting = SETTINGS[name]
    net = network(name, setting.classes)
    take_weights(net, name, setting)
    updates = {
        "sgd": lambda: torch.optim.SGD(net.parameters(), **SGD),
        "adam": lambda: torch.optim.Adam(net.parameters(), **ADAM, eps=ADAM_EPSILON),
    }[optimizer]()
    losses = []
    for x, labels in batches(setting):
        pictures = torch.tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        loss = nn.functional.cross_entropy(net(pictures), torch.tensor(labels))
        losses.append(loss.item())
        updates.zero_grad()
        loss.backward()
        updates.step()
    return losses


def main() -> None:
    """Write all trajectories."""
    trajectories = {name: {optimizer: train(name, optimizer) for optimizer in ("sgd", "adam")} for name in SETTINGS}
    made_with = f"PyTorch {torch.__version__}, float64"
    TRAJECTORIES.write_text(json.dumps({"made_with": made_with, "losses": trajectories}, indent=1) + "\n")


if __name__ == "__main__":
    main()
