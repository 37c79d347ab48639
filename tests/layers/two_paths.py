"""A layer of one's own that holds others in a list and a dict, with a parameter and a running statistic."""

from __future__ import annotations

import numpy as np

from minicnn import Conv2D, Dropout, Layer, Parameter, ReLU, Sequential, State


class TwoPaths(Layer):
    """scale ⊙ (first path + second path), with a running mean of what comes out."""

    def __init__(self, filters):
        self.paths = [Conv2D(filters, 3, padding="same"), Sequential([Conv2D(filters, 1), ReLU()])]
        self.heads = {"drop": Dropout(0.25)}

    def resolve(self, input_shape):
        first, second = (path.fix_shapes(input_shape) for path in self.paths)
        assert first == second
        self.scale = Parameter(np.full(first[-1], 0.5))
        self.average = State.declared(first[-1:], "zeros")
        return self.heads["drop"].fix_shapes(first)

    def forward(self, x, training=False):
        total = self.paths[0].forward(x, training) + self.paths[1].forward(x, training)
        if training:
            self.average.value = 0.9 * self.average.value + 0.1 * total.mean(axis=(0, 1, 2)).astype(self.dtype)
        self.keep(training, total=total)
        return self.heads["drop"].forward(total * self.scale.value, training)

    def backward(self, dy, input_gradient=True):
        total, dy = self.take("total"), self.heads["drop"].backward(dy)
        self.scale.accumulate((dy * total).sum(axis=(0, 1, 2)))
        dtotal = dy * self.scale.value
        dxs = [path.backward(dtotal, input_gradient) for path in self.paths]
        return dxs[0] + dxs[1] if input_gradient else None

    def operations(self):
        return 2 * self.output_numbers()
