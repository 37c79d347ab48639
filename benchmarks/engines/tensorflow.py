"""TensorFlow with the same networks, in NHWC; `tf.function` compiles the forward pass and the whole training step."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.engines import LEARNING_RATE, MOMENTUM


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

        net = models.build(model, (image_size, image_size, 3), seed=0)
        rng = np.random.default_rng(0)
        x = tf.constant(rng.standard_normal((batch, image_size, image_size, 3), dtype=np.float32))
        labels = tf.constant(rng.integers(0, net.output_shape[0], batch))
        self.weights = {name: tf.Variable(p.value) for name, p in net.parameters().items()}
        velocity = {name: tf.Variable(tf.zeros_like(weight)) for name, weight in self.weights.items()}

        def step() -> None:
            with tf.GradientTape() as tape:
                logits = forward(net.layers, self.weights, x, training=True)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            for name, gradient in tape.gradient(loss, self.weights).items():
                variable, sum_of_gradients = self.weights[name].handle, velocity[name].handle
                # TensorFlow's own SGD in one pass over the weights; Keras's optimizer takes several.
                tf.raw_ops.ResourceApplyMomentum(
                    var=variable, accum=sum_of_gradients, lr=LEARNING_RATE, grad=gradient, momentum=MOMENTUM
                )

        self.train_step = tf.function(step)
        self.infer = tf.function(lambda: forward(net.layers, self.weights, x, training=False))


def forward(layers: list, weights: dict, x: Any, training: bool) -> Any:
    """Run minicnn's layers as TensorFlow functions; `training` turns dropout on."""
    import tensorflow as tf

    for layer in layers:
        if layer.kind == "conv":
            kernel, bias = weights[f"{layer.name}.weight"], weights[f"{layer.name}.bias"]
            x = tf.nn.bias_add(tf.nn.conv2d(x, kernel, layer.stride, padding_of(layer)), bias)
        elif layer.kind == "pool":
            x = tf.nn.max_pool2d(x, layer.size, layer.stride, padding_of(layer))
        elif layer.kind == "dense":
            x = tf.nn.bias_add(x @ weights[f"{layer.name}.weight"], weights[f"{layer.name}.bias"])
        elif layer.kind == "flatten":
            x = tf.reshape(x, (x.shape[0], -1))
        elif layer.kind == "dropout" and training:
            x = tf.nn.dropout(x, layer.rate)
        elif layer.kind == "relu":
            x = tf.nn.relu(x)
    return x


def padding_of(layer: Any) -> str | list:
    """Return the padding of a convolution or pool in TensorFlow's words: by name, or in pixels for each axis."""
    if layer.padding_setting in ("valid", "same"):
        return layer.padding_setting.upper()
    return [(0, 0), *layer.padding, (0, 0)]
