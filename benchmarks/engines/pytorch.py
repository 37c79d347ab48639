"""PyTorch with the same networks, in its default layout (NCHW) or in channels_last.

The layers are read off minicnn's own network.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import benchmarks.depthwise  # noqa: F401  (a network to find by its name)
from benchmarks.engines import LEARNING_RATE, MOMENTUM
from benchmarks.workloads import CLASSES
from minicnn import Layer, Sequential, models
from minicnn import Residual as MinicnnResidual


class Residual(nn.Module):
    """What `minicnn.Residual` is."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + self.shortcut(x)


def translate(layer: Layer) -> nn.Module:
    """Return PyTorch's module for one of minicnn's layers, with weights of its own. Raises KeyError for other kinds."""
    if isinstance(layer, Sequential):
        return nn.Sequential(*map(translate, layer.layers))
    if isinstance(layer, MinicnnResidual):
        return Residual(translate(layer.body), nn.Identity() if layer.shortcut is None else translate(layer.shortcut))
    return MODULES[type(layer).__name__](layer)


def _symmetric(layer: Any) -> tuple[int, int]:
    (top, bottom), (left, right) = layer.padding
    assert (top, left) == (bottom, right), f"PyTorch pads both sides alike: {layer!r}"
    return top, left


def _convolution(conv: Any) -> nn.Module:
    """Return PyTorch's convolution, with a layer before it where one side is padded more than the other."""
    (top, bottom), (left, right) = conv.padding
    alike = (top, left) == (bottom, right)
    layer = nn.Conv2d(
        conv.input_shape[2], conv.filters, conv.kernel_size, conv.stride, (top, left) if alike else 0, conv.dilation,
        conv.groups, conv.bias is not None,
    )  # fmt: skip
    return layer if alike else nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), layer)


MODULES: dict[str, Callable[[Any], nn.Module]] = {
    "Conv2D": _convolution,
    "BatchNorm2D": lambda b: nn.BatchNorm2d(b.input_shape[2], b.epsilon, b.momentum),
    "MaxPool2D": lambda p: nn.MaxPool2d(p.size, p.stride, _symmetric(p)),
    "GlobalAvgPool2D": lambda _: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "Dense": lambda d: nn.Linear(d.input_shape[0], d.units),
    "ReLU": lambda _: nn.ReLU(),
    "ReLU6": lambda _: nn.ReLU6(),
    "Flatten": lambda _: nn.Flatten(),
    "Dropout": lambda d: nn.Dropout(d.rate),
}


def create(model: str, image_size: int, batch: int, threads: int, device: str, channels_last: bool) -> PytorchEngine:
    torch.set_num_threads(threads)
    return PytorchEngine(model, image_size, batch, {"cpu": "cpu", "gpu": "cuda"}[device], channels_last)


class PytorchEngine:
    """See `benchmarks.engines.Engine`."""

    def __init__(self, model: str, image_size: int, batch: int, device: str, channels_last: bool) -> None:
        torch.manual_seed(0)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        outline = models.outline(model, (image_size, image_size, 3), CLASSES.get(model))
        net = translate(outline)
        self.net = net.to(device=device, memory_format=layout)
        self.x = torch.randn(batch, 3, image_size, image_size).to(device=device, memory_format=layout)
        self.labels = torch.randint(0, outline.output_shape[0], (batch,), device=device)
        self.loss = nn.CrossEntropyLoss()
        self.optimizer: torch.optim.Optimizer | None = None
        self.synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None

    def train_step(self) -> None:
        if self.optimizer is None:
            self.optimizer = torch.optim.SGD(self.net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        self.net.train()
        loss = self.loss(self.net(self.x), self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.synchronize()

    def infer(self) -> torch.Tensor:
        self.net.eval()
        with torch.inference_mode():
            logits = self.net(self.x)
        self.synchronize()
        return logits

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """Return the layers, with ReLU and max-pool joined to their convolution as minicnn fuses them."""
        kinds = {nn.Conv2d: "conv", nn.ReLU: "relu", nn.MaxPool2d: "pool", nn.Linear: "dense", nn.Flatten: "flatten"}
        numbers: dict[str, int] = {}
        blocks: list[tuple[str, list[nn.Module]]] = []
        for layer in self.net:
            kind = kinds.get(type(layer), "dropout")
            numbers[kind] = numbers.get(kind, 0) + 1
            name = f"{kind}{numbers[kind]}"
            if kind in ("relu", "pool") and blocks and blocks[-1][0].startswith("conv"):
                blocks[-1] = (f"{blocks[-1][0]}+{name}", [*blocks[-1][1], layer])
            else:
                blocks.append((name, [layer]))
        return [(name, nn.Sequential(*layers)) for name, layers in blocks]

    def layer_times(self, repeats: int) -> list[tuple[str, float, float]]:
        self.net.train()
        x, times = self.x, []
        for name, block in self.blocks():
            forward, backward = [], []
            for _ in range(repeats + 1):  # the first is a warm-up
                x = x.detach().requires_grad_(bool(times))  # as in training: the picture itself needs no gradient
                started = time.perf_counter()
                y = block(x)
                self.synchronize()
                forward.append(time.perf_counter() - started)
                dy = y.detach()
                started = time.perf_counter()
                if y.requires_grad:
                    y.backward(dy)
                self.synchronize()
                backward.append(time.perf_counter() - started)
                self.net.zero_grad()
            times.append((name, statistics.median(forward[1:]), statistics.median(backward[1:])))
            x = y
        return times
