"""TensorFlow with the same networks, in NHWC; `tf.function` compiles the forward pass and the whole training step."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.engines import LEARNING_RATE, MOMENTUM
from benchmarks.workloads import CLASSES


def create(model: str, image_size: int, batch: int, threads: int, device: str) -> TensorflowEngine:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # errors alone
    import tensorflow as tf

    # One pool, of `threads` threads, inside the operations; the layers come one after the other, so one thread runs
    # the graph. That one works too, and the cores bound them all.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return TensorflowEngine(model, image_size, batch)


class TensorflowEngine:
    """See `benchmarks.engines.Engine`. The layers are read off minicnn's own network, and its weights are taken."""

    def __init__(self, model: str, image_size: int, batch: int) -> None:
        import tensorflow as tf

        from minicnn import models

        net = models.build(model, (image_size, image_size, 3), CLASSES.get(model), seed=0)
        rng = np.random.default_rng(0)
        x = tf.constant(rng.standard_normal((batch, image_size, image_size, 3), dtype=np.float32))
        labels = tf.constant(rng.integers(0, net.output_shape[0], batch))
        self.weights = {name: tf.Variable(p.value) for name, p in net.parameters().items()}
        statistics = {name: tf.Variable(v) for name, v in net.state().items() if name not in self.weights}
        velocity = {name: tf.Variable(tf.zeros_like(weight)) for name, weight in self.weights.items()}
        variables = self.weights | statistics

        def step() -> None:
            with tf.GradientTape() as tape:
                logits = forward(net, variables, x, training=True)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            for name, gradient in tape.gradient(loss, self.weights).items():
                variable, sum_of_gradients = self.weights[name].handle, velocity[name].handle
                # TensorFlow's own SGD in one pass over the weights; Keras's optimizer takes several.
                tf.raw_ops.ResourceApplyMomentum(
                    var=variable, accum=sum_of_gradients, lr=LEARNING_RATE, grad=gradient, momentum=MOMENTUM
                )

        self.train_step = tf.function(step)
        self.infer = tf.function(lambda: forward(net, variables, x, training=False))


def forward(layer: Any, variables: dict, x: Any, training: bool) -> Any:
    """Run one of minicnn's layers, and those that it holds, as TensorFlow functions.

    training: whether dropout drops and batch norm takes the batch's statistics.
    """
    import tensorflow as tf

    from minicnn import GlobalAvgPool2D

    if layer.kind == "residual":
        shortcut = x if layer.shortcut is None else forward(layer.shortcut, variables, x, training)
        return forward(layer.body, variables, x, training) + shortcut
    if layer.kind == "sequential":
        for child in layer.layers:
            x = forward(child, variables, x, training)
    elif layer.kind == "conv":
        x = convolution(layer, variables[f"{layer.name}.weight"], x)
        x = x if layer.bias is None else tf.nn.bias_add(x, variables[f"{layer.name}.bias"])
    elif layer.kind == "bn":
        names = ("weight", "bias", "running_mean", "running_var")
        weight, bias, mean, variance = (variables[f"{layer.name}.{name}"] for name in names)
        factor = layer.momentum if training else 1.0
        x, new_mean, new_variance = tf.compat.v1.nn.fused_batch_norm(
            x, weight, bias, mean, variance, layer.epsilon, is_training=training, exponential_avg_factor=factor
        )
        if training:
            mean.assign(new_mean)
            variance.assign(new_variance)
    elif isinstance(layer, GlobalAvgPool2D):
        x = tf.reduce_mean(x, (1, 2))
    elif layer.kind == "pool":
        x = tf.nn.max_pool2d(x, layer.size, layer.stride, padding_of(layer))
    elif layer.kind == "dense":
        x = tf.nn.bias_add(x @ variables[f"{layer.name}.weight"], variables[f"{layer.name}.bias"])
    elif layer.kind == "flatten":
        x = tf.reshape(x, (x.shape[0], -1))
    elif layer.kind == "dropout":
        x = tf.nn.dropout(x, layer.rate) if training else x
    else:
        x = {"relu": tf.nn.relu, "relu6": tf.nn.relu6}[layer.kind](x)
    return x


def convolution(layer: Any, weight: Any, x: Any) -> Any:
    """Convolve. TensorFlow trains one filter a channel on a CPU, but no other groups."""
    import tensorflow as tf

    if layer.groups == 1:
        return tf.nn.conv2d(x, weight, layer.stride, padding_of(layer))
    assert layer.groups == x.shape[3] == layer.filters, f"neither one group nor one a channel: {layer!r}"
    weight = tf.transpose(weight, (0, 1, 3, 2))
    return tf.nn.depthwise_conv2d(x, weight, (1, *layer.stride, 1), padding_of(layer))


def padding_of(layer: Any) -> str | list:
    """Return the padding of a convolution or pool in TensorFlow's words: by name, or in pixels for each axis."""
    if layer.padding_setting in ("valid", "same"):
        return layer.padding_setting.upper()
    return [(0, 0), *layer.padding, (0, 0)]
