"""Layers of an int8 network: bytes in, bytes out, each with the scale and the zero that make numbers of them.

They are made from a trained network (see `int8`), and do not learn. Each is told by name: `conv1.weight` is int8,
`conv1.weight_scale` (F,) goes with it; `conv1.x_scale` and `conv1.x_zero` say what the bytes that come in stand for,
`conv1.y_scale` and `conv1.y_zero` what goes out. All of that is saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicnn import ops
from minicnn.backend import Array, device_of, to_device
from minicnn.errors import ShapeError, UsageError
from minicnn.layers.base import Layer, Shape
from minicnn.layers.conv2d import Conv2D
from minicnn.layers.dense import Dense
from minicnn.layers.pooling import MaxPool2D
from minicnn.layers.variables import Variable

SMALLEST_SCALE = float(np.finfo("float32").tiny)  # a smaller one would be 0, or nearly, in float32


class Scale(NamedTuple):
    """What bytes q stand for: numbers scale · (q − zero)."""

    scale: float
    zero: int


class Fixed(Variable):
    """An array of a dtype of its own, which no conversion of the network's changes: `value`."""

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        super().__init__(shape=shape)
        self.dtype = dtype

    def draw(self, rng: np.random.Generator, dtype: str) -> None:
        """Make the value, of ones: what it is comes from elsewhere."""
        self.value = np.ones(self.shape, self.dtype)

    def convert(self, dtype: str | None = None, device: str | None = None) -> None:
        """Bring the value to `device`, unless None."""
        if device is not None and self.value is not None:
            self.value = to_device(self.value, device)

    def fill(self, value: object) -> None:
        """Set the value, in its dtype, where it is."""
        array = np.broadcast_to(np.asarray(value), self.shape).astype(self.dtype, order="C")
        self.value = to_device(array, device_of(self.value))


class _Int8(Layer):
    """A layer of an int8 network."""

    def require_inference(self, training: bool) -> None:
        """Raise UsageError in a training pass."""
        if training:
            raise UsageError("an int8 network does not learn: train the one that it was made from, and compress that")

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """Raise UsageError: rounding has no gradient."""
        raise UsageError("an int8 network has no gradients: take the one that it was made from")

    def declare_scale(self, name: str) -> None:
        """Declare `name`_scale and `name`_zero."""
        setattr(self, f"{name}_scale", Fixed((1,), "float32"))
        setattr(self, f"{name}_zero", Fixed((1,), "uint8"))

    def fill_scale(self, name: str, scale: Scale) -> None:
        """Set `name`_scale and `name`_zero."""
        getattr(self, f"{name}_scale").fill(scale.scale)
        getattr(self, f"{name}_zero").fill(scale.zero)

    def scale_of(self, name: str) -> Scale:
        """Return `name`_scale and `name`_zero as plain numbers."""
        return Scale(float(getattr(self, f"{name}_scale").value[0]), int(getattr(self, f"{name}_zero").value[0]))

    def operations(self) -> int:
        """Return a product, a sum and a rounding for every number."""
        return 3 * self.output_numbers()


class Quantize(_Int8):
    """Numbers become bytes: q = round(x / y_scale) + y_zero. For any shape."""

    def resolve(self, input_shape: Shape) -> Shape:
        self.declare_scale("y")
        return input_shape

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: floats. Returns bytes of its shape."""
        self.require_inference(training)
        return ops.quantize(x, *self.scale_of("y"))


class Dequantize(_Int8):
    """Bytes become numbers: y = x_scale · (q − x_zero). For any shape."""

    def resolve(self, input_shape: Shape) -> Shape:
        self.declare_scale("x")
        return input_shape

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: bytes. Returns floats of its shape."""
        self.require_inference(training)
        return ops.dequantize(x, *self.scale_of("x"), self.dtype)


class _Weighted(_Int8):
    """What convolution and dense layer have in common. `floats`: whether the output is left in floating point."""

    weight_scale: Fixed
    floats: bool

    def declare(self, weight_shape: Shape) -> None:
        """Declare weights of that shape (…, F), what goes with them, and the scales of what comes in and goes out."""
        filters = weight_shape[-1:]
        self.weight = Fixed(weight_shape, "int8")
        self.weight_scale = Fixed(filters, "float32")
        self.bias = Fixed(filters, "int32")
        self.declare_scale("x")
        if not self.floats:
            self.declare_scale("y")

    def fill(self, weight: np.ndarray, bias: np.ndarray, x: Scale, y: Scale | None) -> None:
        """Set all from real weights (…, F) and biases (F,), and what the bytes that come in and go out stand for."""
        scale = ops.quantize_weight(weight.astype("float64"))[1]
        # A bias has to fit into 32 bits in units of its filter's sums, also where the weights are next to nothing.
        scale = np.maximum(scale, np.abs(bias) / (x.scale * 2.0**24))
        scale = np.maximum(scale, SMALLEST_SCALE).astype("float32")
        self.weight_scale.fill(scale)
        self.weight.fill(np.clip(np.rint(weight / scale), -127, 127))
        self.bias.fill(np.rint(bias / (scale.astype("float64") * x.scale)))
        self.fill_scale("x", x)
        if y is not None:
            self.fill_scale("y", y)

    def finish(self) -> tuple[Array, int, int | None]:
        """Return the factors from sums to results, the zero of what comes in, and that of the results or None."""
        x = self.scale_of("x")
        if self.floats:
            return (self.weight_scale.value * x.scale).astype(self.dtype), x.zero, None
        y = self.scale_of("y")
        return self.weight_scale.value * (x.scale / y.scale), x.zero, y.zero


class Int8Conv2D(_Weighted, Conv2D):  # type: ignore[misc]
    """`Conv2D` with bytes, the batch norm behind it in its weights and the ReLU in its range.

    conv: whose settings it takes. floats: whether the output is left in floating point.
    """

    kind = "conv"

    def __init__(self, conv: Conv2D, floats: bool = False) -> None:
        super().__init__(
            conv.filters, conv.kernel_size, conv.stride, conv.padding_setting, groups=conv.groups,
            dilation=conv.dilation,
        )  # fmt: skip
        self.floats = floats

    def resolve(self, input_shape: Shape) -> Shape:
        shape = Conv2D.resolve(self, input_shape)
        self.declare(self.weight.shape)
        return shape

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C) bytes. Returns (N, OH, OW, F) bytes or floats."""
        self.require_inference(training)
        scale, x_zero, y_zero = self.finish()
        return ops.quantized_conv2d(x, self.weight.value, self.bias.value, scale, x_zero, y_zero, *self.convolution)

    def operations(self) -> int:
        return Conv2D.operations(self)


class Int8Dense(_Weighted, Dense):  # type: ignore[misc]
    """`Dense` with bytes, its ReLU in its range.

    floats: whether the output is left in floating point, as logits are.
    """

    kind = "dense"

    def __init__(self, units: int, floats: bool = False) -> None:
        super().__init__(units)
        self.floats = floats

    def resolve(self, input_shape: Shape) -> Shape:
        shape = Dense.resolve(self, input_shape)
        self.declare((input_shape[0], self.units))
        return shape

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, D) bytes. Returns (N, U) bytes or floats."""
        self.require_inference(training)
        scale, x_zero, y_zero = self.finish()
        return ops.quantized_dense(x, self.weight.value, self.bias.value, scale, x_zero, y_zero)

    def operations(self) -> int:
        return Dense.operations(self)


class Int8MaxPool2D(_Int8, MaxPool2D):  # type: ignore[misc]
    """`MaxPool2D` of bytes: the largest stands for the largest."""

    def __init__(self, pool: MaxPool2D) -> None:
        super().__init__(pool.size, pool.stride, pool.padding_setting)

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C) bytes. Returns (N, OH, OW, C) bytes."""
        self.require_inference(training)
        return ops.quantized_max_pool2d(x, self.size, self.stride, self.padding)

    def operations(self) -> int:
        return MaxPool2D.operations(self)


class Int8Residual(_Int8):
    """What a body makes of bytes, added to what a shortcut makes of them, or to themselves; a ReLU in its range.

    The bytes of the two have different scales: each is brought to that of the sum. body, shortcut: layers that run one
    after the other, the last of which gives bytes; None for no shortcut.
    """

    kind = "residual"

    def __init__(self, body: Sequence[Layer], shortcut: Sequence[Layer] | None = None) -> None:
        self.body = tuple(body)
        self.shortcut = None if shortcut is None else tuple(shortcut)

    def resolve(self, input_shape: Shape) -> Shape:
        shapes = []
        for layers in (self.body, self.shortcut or ()):
            shape = input_shape
            for layer in layers:
                shape = layer.fix_shapes(shape)
            shapes.append(shape)
        if shapes[0] != shapes[1]:
            raise ShapeError(f"an int8 residual adds {shapes[0]} to {shapes[1]}: they should be alike")
        for name in "aby":  # what the body gives, what is added, and the sum
            self.declare_scale(name)
        return shapes[0]

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, …) bytes. Returns bytes of the body's output shape."""
        self.require_inference(training)
        a = b = x
        for layer in self.body:
            a = layer.forward(a)
        for layer in self.shortcut or ():
            b = layer.forward(b)
        of_a, of_b, of_y = (self.scale_of(name) for name in "aby")
        return ops.quantized_residual(
            a, b, of_a.scale / of_y.scale, of_a.zero, of_b.scale / of_y.scale, of_b.zero, of_y.zero
        )
