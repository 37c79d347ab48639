"""minicnn itself, with its kernels or (as a plain NumPy im2col engine) with its formulas."""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

import numpy as np

from benchmarks.engines import LEARNING_RATE, MOMENTUM
from benchmarks.workloads import CLASSES


def create(model: str, image_size: int, batch: int, threads: int, device: str, kernels: str) -> MinicnnEngine:
    os.environ["MINICNN_KERNELS"] = kernels
    os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    return MinicnnEngine(model, image_size, batch, threads, device)


class MinicnnEngine:
    """See `benchmarks.engines.Engine`."""

    def __init__(self, model: str, image_size: int, batch: int, threads: int, device: str) -> None:
        import benchmarks.depthwise  # noqa: F401  (a network to find by its name)
        import minicnn
        from minicnn.backend import to_device

        minicnn.set_threads(threads)
        rng = np.random.default_rng(0)
        self.net = minicnn.models.build(model, (image_size, image_size, 3), CLASSES.get(model), seed=0).to(device)
        classes = self.net.output_shape[0]
        self.x = to_device(rng.standard_normal((batch, image_size, image_size, 3), dtype=np.float32), device)
        self.labels = to_device(rng.integers(0, classes, batch), device)
        self.loss = minicnn.SoftmaxCrossEntropy()
        self.optimizer: Any = None
        self.make_optimizer = lambda: minicnn.SGD(self.net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)

    def train_step(self) -> None:
        self.optimizer = self.optimizer or self.make_optimizer()
        self.loss.forward(self.net.forward(self.x, training=True), self.labels)
        self.optimizer.zero_grad()
        self.net.backward(self.loss.backward(), input_gradient=False)
        self.optimizer.step()

    def infer(self) -> Any:
        return self.net.forward(self.x)

    def layer_times(self, repeats: int) -> list[tuple[str, float, float]]:
        from minicnn.layers.plan import layers_of

        x, times = self.x, []
        for step in self.net.plan(training=True).steps:
            forward, backward = [], []
            for _ in range(repeats + 1):  # the first is a warm-up
                started = time.perf_counter()
                y = step.forward(x, training=True)
                forward.append(time.perf_counter() - started)
                started = time.perf_counter()
                step.backward(y, input_gradient=x is not self.x)
                backward.append(time.perf_counter() - started)
                for parameter in self.net.parameters().values():
                    parameter.grad = None
            name = "+".join(layer.name for layer in layers_of(step))
            times.append((name, statistics.median(forward[1:]), statistics.median(backward[1:])))
            x = y
        return times

    def flops(self) -> int:
        from minicnn import Conv2D, Dense

        total = 0
        for _, layer in self.net.walk():
            if isinstance(layer, Conv2D | Dense):
                total += layer.operations()
        return total * len(self.x)
