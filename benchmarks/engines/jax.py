"""JAX with the same networks, in NHWC; XLA compiles the forward pass and the whole training step."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.engines import LEARNING_RATE, MOMENTUM
from benchmarks.workloads import CLASSES


def create(model: str, image_size: int, batch: int, threads: int, device: str) -> JaxEngine:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # XLA starts a thread for each core it may use
    return JaxEngine(model, image_size, batch)


class JaxEngine:
    """See `benchmarks.engines.Engine`. The layers are read off minicnn's own network, and its weights are taken."""

    def __init__(self, model: str, image_size: int, batch: int) -> None:
        import jax

        from minicnn import models

        net = models.build(model, (image_size, image_size, 3), CLASSES.get(model), seed=0)
        rng = np.random.default_rng(0)
        x = jax.numpy.asarray(rng.standard_normal((batch, image_size, image_size, 3), dtype=np.float32))
        labels = jax.numpy.asarray(rng.integers(0, net.output_shape[0], batch))
        state = {name: jax.numpy.asarray(value) for name, value in net.state().items()}
        self.weights = {name: state.pop(name) for name in net.parameters()}
        self.statistics = state
        self.velocity = jax.tree.map(jax.numpy.zeros_like, self.weights)

        def loss(weights: dict, statistics: dict, key: jax.Array) -> tuple[jax.Array, dict]:
            variables = weights | statistics
            log_probabilities = jax.nn.log_softmax(forward(net, variables, x, key))
            new = {name: variables[name] for name in statistics}
            return -log_probabilities[jax.numpy.arange(batch), labels].mean(), new

        def step(weights: dict, statistics: dict, velocity: dict, key: jax.Array) -> tuple[dict, dict, dict]:
            gradients, statistics = jax.grad(loss, has_aux=True)(weights, statistics, key)
            velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradients)
            return jax.tree.map(lambda w, v: w - LEARNING_RATE * v, weights, velocity), statistics, velocity

        self.key = jax.random.key(0)
        self.step = jax.jit(step, donate_argnums=(0, 1, 2))
        self.forward = jax.jit(lambda weights, statistics: forward(net, weights | statistics, x, None))

    def train_step(self) -> None:
        self.weights, self.statistics, self.velocity = self.step(
            self.weights, self.statistics, self.velocity, self.key
        )  # fmt: skip
        for weight in self.weights.values():
            weight.block_until_ready()

    def infer(self) -> Any:
        return self.forward(self.weights, self.statistics).block_until_ready()


def forward(layer: Any, variables: dict, x: Any, key: Any) -> Any:
    """Run one of minicnn's layers, and those that it holds, as JAX functions.

    variables: the running statistics in it are replaced in training. key: draws dropout's mask; None means inference.
    """
    import jax
    from jax import lax

    from minicnn import GlobalAvgPool2D

    if layer.kind == "residual":
        shortcut = x if layer.shortcut is None else forward(layer.shortcut, variables, x, key)
        return forward(layer.body, variables, x, key) + shortcut
    if layer.kind == "sequential":
        for child in layer.layers:
            x = forward(child, variables, x, key)
    elif layer.kind == "conv":
        kernel, axes = variables[f"{layer.name}.weight"], ("NHWC", "HWIO", "NHWC")
        x = lax.conv_general_dilated(
            x, kernel, layer.stride, layer.padding, dimension_numbers=axes, feature_group_count=layer.groups
        )
        x = x if layer.bias is None else x + variables[f"{layer.name}.bias"]
    elif layer.kind == "bn":
        x = batch_norm(layer, variables, x, training=key is not None)
    elif isinstance(layer, GlobalAvgPool2D):
        x = x.mean((1, 2))
    elif layer.kind == "pool":
        window, stride = (1, *layer.size, 1), (1, *layer.stride, 1)
        x = lax.reduce_window(x, -np.inf, lax.max, window, stride, ((0, 0), *layer.padding, (0, 0)))
    elif layer.kind == "dense":
        x = x @ variables[f"{layer.name}.weight"] + variables[f"{layer.name}.bias"]
    elif layer.kind == "flatten":
        x = x.reshape(x.shape[0], -1)
    elif layer.kind == "dropout":
        if key is not None:
            x = x * jax.random.bernoulli(key, 1 - layer.rate, x.shape) / (1 - layer.rate)
    else:
        x = {"relu": jax.nn.relu, "relu6": jax.nn.relu6}[layer.kind](x)
    return x


def batch_norm(layer: Any, variables: dict, x: Any, training: bool) -> Any:
    """Normalise by the batch's statistics, which the running ones then follow, or in inference by those."""
    from jax import lax

    names = ("weight", "bias", "running_mean", "running_var")
    weight, bias, running_mean, running_var = (variables[f"{layer.name}.{name}"] for name in names)
    mean, variance = running_mean, running_var
    if training:
        count = x.shape[0] * x.shape[1] * x.shape[2]
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        news = {"running_mean": mean, "running_var": variance * (count / (count - 1))}
        for name, new in news.items():
            old = variables[f"{layer.name}.{name}"]
            variables[f"{layer.name}.{name}"] = old + layer.momentum * (lax.stop_gradient(new) - old)
    return (x - mean) * (weight * lax.rsqrt(variance + layer.epsilon)) + bias
