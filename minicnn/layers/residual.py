"""The residual connection: what a body of layers adds to its input."""

from __future__ import annotations

from collections.abc import Sequence

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import ShapeError
from minicnn.layers.base import Layer, Shape, shape_text
from minicnn.layers.passes import keeps_for_backward
from minicnn.layers.sequential import Sequential


class Residual(Layer):
    """Add the input to what the body makes of it: y = body(x) + x, or body(x) + shortcut(x).

    body, shortcut: a layer, or a list of layers to run one after the other. Without a shortcut the body must keep the
    shape; with one, both must give the same. The gradient reaches x along both paths, and is their sum: through the
    shortcut it comes unweakened, however deep the network. Input (N, …), output that of the body.
    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", §3.2, eq. 1 and 2.
    """

    ran: bool | None = None  # whether a whole pass has been kept: of one that failed midway, nothing can be gone back

    def __init__(self, body: Layer | Sequence[Layer], shortcut: Layer | Sequence[Layer] | None = None) -> None:
        self.body = _as_layer(body)
        self.shortcut = None if shortcut is None else _as_layer(shortcut)

    def resolve(self, input_shape: Shape) -> Shape:
        body = self.body.fix_shapes(input_shape)
        shortcut = input_shape if self.shortcut is None else self.shortcut.fix_shapes(input_shape)
        if body != shortcut:
            path = "its input" if self.shortcut is None else "its shortcut"
            raise ShapeError(
                f"Residual adds {shape_text(body)} of its body to {shape_text(shortcut)} of {path}: they must be "
                "alike; a shortcut of Conv2D(filters, 1, stride) brings the input to the body's size and channels"
            )
        return body

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, …). Returns y, of the body's output shape."""
        self.require_built()
        if keeps_for_backward(training):
            self.ran = None
        y = self.body.forward(x, training)
        y = ops.residual(y, x if self.shortcut is None else self.shortcut.forward(x, training))
        self.keep(training, ran=True)
        return y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: like y. Returns dx = the body's dx + the shortcut's, or None."""
        self.take("ran")
        dx_body = self.body.backward(dy, input_gradient)
        dx_shortcut = dy if self.shortcut is None else self.shortcut.backward(dy, input_gradient)
        return ops.residual_backward(dx_body, dx_shortcut) if input_gradient else None

    def operations(self) -> int:
        """Return one addition for every output."""
        return self.output_numbers()

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        from minicnn.layers import Conv2D, ReLU

        picture = (5, 6, 2)
        return [
            (cls([Conv2D(3, 3, padding="same"), ReLU(), Conv2D(2, 3, padding="same")]), picture),
            (cls(Conv2D(4, 3, stride=2, padding=1), shortcut=Conv2D(4, 1, stride=2)), picture),
        ]

    def describe(self) -> str:
        return "" if self.shortcut is None else "with a shortcut of its own"


def _as_layer(layers: Layer | Sequence[Layer]) -> Layer:
    return layers if isinstance(layers, Layer) else Sequential(layers)
