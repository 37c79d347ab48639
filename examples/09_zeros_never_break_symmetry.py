"""Why weights must not begin at zero, as document 004 §3.2 allows: the units of a layer then stay equal for ever.

    python examples/09_zeros_never_break_symmetry.py

The task: is a point inside or outside a ring? One unit draws one line, which is not enough; a closed border takes
several units that differ.
"""

import numpy as np

from minicnn import Adam, Dense, ReLU, Sequential, Sigmoid, SoftmaxCrossEntropy
from minicnn.layers import Layer

UNITS, STEPS = 8, 800


def ring(points: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return points (points, 2) of the square −1 … 1, and whether each is further than 0.7 from its middle."""
    x = rng.uniform(-1, 1, (points, 2)).astype("float32")
    return x, (np.hypot(*x.T) > 0.7).astype(int)


def train(activation: Layer, initializer: str) -> tuple[float, float, Sequential]:
    """Return (loss in nats, share of the points that are right, the network) after STEPS steps."""
    x, labels = ring(400, np.random.default_rng(0))
    net = Sequential(
        [Dense(UNITS, initializer=initializer), activation, Dense(2, initializer=initializer)], (2,), seed=0
    )
    loss, optimizer = SoftmaxCrossEntropy(), Adam(net.parameters(), lr=0.02)
    for _ in range(STEPS):
        value = loss.forward(net.forward(x, training=True), labels)
        net.backward(loss.backward(), input_gradient=False)
        optimizer.step()
        optimizer.zero_grad()
    return float(value), float((net.forward(x).argmax(axis=1) == labels).mean()), net


def main() -> None:
    for activation in (Sigmoid, ReLU):
        for initializer in ("zeros", "glorot_uniform"):
            loss, right, net = train(activation(), initializer)
            weight = net.parameters()["dense1.weight"].value
            distinct = len(np.unique(weight, axis=1).T)
            print(
                f"{activation.__name__:8}{initializer:15} loss {loss:.3f}, {right:.0%} right, "
                f"{distinct} of {UNITS} units are distinct, largest weight {np.abs(weight).max():.2f}"
            )


if __name__ == "__main__":
    main()

# Sigmoid zeros           loss 0.562, 59% right, 1 of 8 units are distinct, largest weight 11.33
# Sigmoid glorot_uniform  loss 0.051, 100% right, 8 of 8 units are distinct, largest weight 11.19
# ReLU    zeros           loss 0.674, 60% right, 1 of 8 units are distinct, largest weight 0.00
# ReLU    glorot_uniform  loss 0.033, 100% right, 8 of 8 units are distinct, largest weight 5.52
#
# With sigmoids eight equal units do the work of one. With ReLUs nothing is learnt at all: every gradient is zero.
