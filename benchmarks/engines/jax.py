"""JAX with the same networks, in NHWC; XLA compiles the forward pass and the whole training step."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.engines import LEARNING_RATE, MOMENTUM


def create(model: str, image_size: int, batch: int, threads: int, device: str) -> JaxEngine:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # XLA starts a thread for each core it may use
    return JaxEngine(model, image_size, batch)


class JaxEngine:
    """See `benchmarks.engines.Engine`. The layers are read off minicnn's own network, and its weights are taken."""

    def __init__(self, model: str, image_size: int, batch: int) -> None:
        import jax

        from minicnn import models

        net = models.build(model, (image_size, image_size, 3), seed=0)
        rng = np.random.default_rng(0)
        x = jax.numpy.asarray(rng.standard_normal((batch, image_size, image_size, 3), dtype=np.float32))
        labels = jax.numpy.asarray(rng.integers(0, net.output_shape[0], batch))
        self.weights = {name: jax.numpy.asarray(p.value) for name, p in net.parameters().items()}
        self.velocity = jax.tree.map(jax.numpy.zeros_like, self.weights)

        def loss(weights: dict, key: jax.Array) -> jax.Array:
            log_probabilities = jax.nn.log_softmax(forward(net.layers, weights, x, key))
            return -log_probabilities[jax.numpy.arange(batch), labels].mean()

        def step(weights: dict, velocity: dict, key: jax.Array) -> tuple[dict, dict]:
            gradients = jax.grad(loss)(weights, key)
            velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradients)
            return jax.tree.map(lambda w, v: w - LEARNING_RATE * v, weights, velocity), velocity

        self.key = jax.random.key(0)
        self.step = jax.jit(step, donate_argnums=(0, 1))
        self.forward = jax.jit(lambda weights: forward(net.layers, weights, x, None))

    def train_step(self) -> None:
        self.weights, self.velocity = self.step(self.weights, self.velocity, self.key)
        for weight in self.weights.values():
            weight.block_until_ready()

    def infer(self) -> Any:
        return self.forward(self.weights).block_until_ready()


def forward(layers: list, weights: dict, x: Any, key: Any) -> Any:
    """Run minicnn's layers as JAX functions; `key` draws dropout's mask, None leaves it out."""
    import jax
    from jax import lax

    for layer in layers:
        if layer.kind == "conv":
            kernel, bias = weights[f"{layer.name}.weight"], weights[f"{layer.name}.bias"]
            numbers = ("NHWC", "HWIO", "NHWC")
            x = lax.conv_general_dilated(x, kernel, layer.stride, layer.padding, dimension_numbers=numbers) + bias
        elif layer.kind == "pool":
            window, stride = (1, *layer.size, 1), (1, *layer.stride, 1)
            x = lax.reduce_window(x, -np.inf, lax.max, window, stride, ((0, 0), *layer.padding, (0, 0)))
        elif layer.kind == "dense":
            x = x @ weights[f"{layer.name}.weight"] + weights[f"{layer.name}.bias"]
        elif layer.kind == "flatten":
            x = x.reshape(x.shape[0], -1)
        elif layer.kind == "dropout" and key is not None:
            x = x * jax.random.bernoulli(key, 1 - layer.rate, x.shape) / (1 - layer.rate)
        elif layer.kind == "relu":
            x = jax.nn.relu(x)
    return x
