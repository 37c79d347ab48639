"""PyTorch with the same networks, in its default layout (NCHW) or in channels_last."""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

from benchmarks.engines import LEARNING_RATE, MOMENTUM


def conv_relu_pool(c: int, f: int, k: int, stride: int = 1, padding: int = 0, pool: tuple[int, int] = (2, 2)) -> list:
    return [nn.Conv2d(c, f, k, stride, padding), nn.ReLU(), nn.MaxPool2d(*pool)]


def head(inputs: int, *units: int) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Flatten()]
    for previous, following in zip((inputs, *units), units, strict=False):
        layers += [nn.Linear(previous, following), nn.ReLU()]
    return layers[:-1]


NETWORKS = {
    "cnn3": lambda: [
        *conv_relu_pool(3, 32, 3), *conv_relu_pool(32, 64, 3), *conv_relu_pool(64, 128, 3),
    ],
    "cnn2": lambda: [*conv_relu_pool(3, 32, 3), *conv_relu_pool(32, 64, 3)],
    "cifar_cnn": lambda: [
        *conv_relu_pool(3, 32, 3), *conv_relu_pool(32, 64, 3), nn.Conv2d(64, 64, 3), nn.ReLU(),
    ],
    "torch_cnn": lambda: conv_relu_pool(3, 32, 3, padding=1),
    "simple_cnn": lambda: [
        *conv_relu_pool(3, 64, 7, 2, 3, (3, 2)), *conv_relu_pool(64, 128, 3, 2, 1, (3, 2)),
        *conv_relu_pool(128, 256, 3, 2, 1, (3, 2)), nn.Dropout(0.5),
    ],
    "dcnn5": lambda: [
        *conv_relu_pool(3, 32, 5, padding=2), *conv_relu_pool(32, 64, 5, padding=2),
        *conv_relu_pool(64, 128, 5, padding=2),
    ],
}  # fmt: skip
UNITS = {
    "cnn3": (128, 1000), "cnn2": (10,), "cifar_cnn": (64, 10), "torch_cnn": (128, 10), "simple_cnn": (1280, 640, 1000),
    "dcnn5": (1024, 1000),
}  # fmt: skip


def create(model: str, image_size: int, batch: int, threads: int, device: str, channels_last: bool) -> PytorchEngine:
    torch.set_num_threads(threads)
    return PytorchEngine(model, image_size, batch, {"cpu": "cpu", "gpu": "cuda"}[device], channels_last)


class PytorchEngine:
    """See `benchmarks.engines.Engine`."""

    def __init__(self, model: str, image_size: int, batch: int, device: str, channels_last: bool) -> None:
        torch.manual_seed(0)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        features = nn.Sequential(*NETWORKS[model]())
        with torch.no_grad():
            inputs = features(torch.zeros(1, 3, image_size, image_size)).numel()
        net = nn.Sequential(*features, *head(inputs, *UNITS[model]))
        self.net = net.to(device=device, memory_format=layout)
        self.x = torch.randn(batch, 3, image_size, image_size).to(device=device, memory_format=layout)
        self.labels = torch.randint(0, UNITS[model][-1], (batch,), device=device)
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
