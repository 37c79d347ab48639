"""A layer of your own: write its formula and its gradient, and everything else finds it by itself.

    python examples/10_a_layer_of_your_own.py

The layer is squeeze-and-excite (Hu et al. 2018): every channel is scaled by how much the whole picture wants it. It
holds other layers, in a Sequential, and one parameter; nothing is registered anywhere.
"""

from pathlib import Path

import numpy as np

from minicnn import (
    SGD,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    MaxPool2D,
    Parameter,
    ReLU,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    gradcheck,
)
from minicnn.inspection import summarize


class SqueezeExcite(Layer):
    """y = x ⊙ strength·gate(mean of x over the picture), a gate between 0 and 1 for each channel."""

    def __init__(self, hidden: int, channels: int) -> None:
        self.gate = Sequential([Dense(hidden), ReLU(), Dense(channels), Sigmoid()])

    def resolve(self, input_shape):
        self.gate.fix_shapes(input_shape[-1:])
        self.strength = Parameter.declared((1,), "ones")
        return input_shape

    def forward(self, x, training=False):
        gate = self.gate.forward(x.mean(axis=(1, 2)), training)[:, None, None, :]
        self.keep(training, x=x, gates=gate)
        return x * gate * self.strength.value

    def backward(self, dy, input_gradient=True):
        x, gates = self.take("x"), self.take("gates")
        self.strength.accumulate((dy * x * gates).sum().reshape(1))
        dgates = (dy * x).sum(axis=(1, 2)) * self.strength.value
        dmean = self.gate.backward(dgates)[:, None, None, :]
        return dy * gates * self.strength.value + dmean / (x.shape[1] * x.shape[2])

    def operations(self) -> int:
        return 3 * self.output_numbers()


def main() -> None:
    layers = [Conv2D(8, 3), SqueezeExcite(4, 8), ReLU(), MaxPool2D(4), Flatten(), Dense(3)]
    net = Sequential(layers, input_shape=(14, 14, 3), seed=0)
    print(gradcheck(net, (14, 14, 3)).describe())
    for row in summarize(net).rows:
        print(f"{row.name:28}{row.parameters:6} parameters{row.flops:10,} operations")

    x, labels = pictures(96)
    loss, optimizer = SoftmaxCrossEntropy(), SGD(net.parameters(), lr=0.1, momentum=0.9)
    for step in range(100):
        value = loss.forward(net.forward(x, training=True), labels)
        net.backward(loss.backward(), input_gradient=False)
        optimizer.step()
        optimizer.zero_grad()
        if step % 20 == 0:
            print(f"step {step}: loss {value:.3f} nats")
    print(f"{(net.forward(x).argmax(axis=1) == labels).mean():.0%} right")
    Path("runs").mkdir(exist_ok=True)
    net.save("runs/squeeze.safetensors")
    print("written to runs/squeeze.safetensors:", ", ".join(net.state()))


def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noise with a bright red, green or blue square in it, and which of the three it is."""
    rng = np.random.default_rng(1)
    x, labels = 0.5 * rng.random((count, 14, 14, 3), dtype="float32"), rng.integers(3, size=count)
    for picture, label in zip(x, labels, strict=True):
        top, left = rng.integers(10, size=2)
        picture[top : top + 4, left : left + 4, label] = 1
    return x, labels


if __name__ == "__main__":
    main()
