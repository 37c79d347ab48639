"""What a layer owns: parameters, which learn; state, which is kept but not learnt; and sources of random numbers.

A layer holds them as attributes, and whatever walks the tree of layers (saving, converting, resuming, counting) finds
them there by their type.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from minicnn.backend import Array, device_of, is_array, mixed_devices, to_device
from minicnn.errors import ShapeError, UsageError
from minicnn.layers.initializers import initialize

Kind = TypeVar("Kind", bound="Variable")


class Variable:
    """An array of a layer that is saved with the network: its `value`.

    Made from an array, or `declared` with a shape, the name of an initializer, and no value until the network is built.
    """

    def __init__(
        self, value: Array | None = None, *, shape: tuple[int, ...] = (), initializer: str = "zeros", groups: int = 1
    ) -> None:  # fmt: skip
        if value is not None and (not is_array(value) or value.dtype.name not in ("float32", "float64")):
            kind = value.dtype if is_array(value) else type(value).__name__
            raise UsageError(f"a {type(self).__name__} needs an array of float32 or float64, got {kind}")
        self.value: Array = value
        self.initializer = None if value is not None else initializer
        self._groups = groups
        self._declared_shape = tuple(shape)

    @classmethod
    def declared(cls: type[Kind], shape: tuple[int, ...], initializer: str = "zeros", groups: int = 1) -> Kind:
        """Return one of `shape`, to be drawn by the initializer of that name when the network is built.

        groups: of a convolution, which an initializer has to know.
        """
        return cls(shape=shape, initializer=initializer, groups=groups)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value, known before there is one."""
        return self._declared_shape if self.value is None else tuple(self.value.shape)

    def draw(self, rng: np.random.Generator, dtype: str) -> None:
        """Make the value: drawn with `rng` if it was declared, else the one that is there, in `dtype`."""
        if self.initializer is None:
            self.convert(dtype)
        else:
            self.value = initialize(self.initializer, self.shape, rng, dtype, self._groups)

    def convert(self, dtype: str | None = None, device: str | None = None) -> None:
        """Bring the value to `dtype` and to `device`, each unless None."""
        if self.value is None:  # declared alone: there is nothing to bring anywhere yet
            return
        if dtype is not None:
            self.value = self.value.astype(dtype)
        if device is not None:
            self.value = to_device(self.value, device)

    def __repr__(self) -> str:
        dtype = "not drawn yet" if self.value is None else f"dtype={self.value.dtype}"
        return f"{type(self).__name__}(shape={self.shape}, {dtype})"


class Parameter(Variable):
    """An array that learns: its `value`, and `grad`, the sum of the gradients since the last `zero_grad` (or None).

    frozen: whether it takes up no gradient, and so stays as it is: see `Layer.freeze`.
    """

    frozen = False

    def __init__(
        self, value: Array | None = None, *, shape: tuple[int, ...] = (), initializer: str = "zeros", groups: int = 1
    ) -> None:  # fmt: skip
        super().__init__(value, shape=shape, initializer=initializer, groups=groups)
        self.grad: Array | None = None

    def accumulate(self, gradient: Array, own: bool = False) -> None:
        """Add `gradient` to `grad`.

        gradient: of value's shape and dtype, on its device. own: nobody else holds the array, so that it need not be
        copied to be kept. Raises ShapeError, TypeError or DeviceError unless it fits.
        """
        if self.frozen:
            return
        if not is_array(gradient):
            raise TypeError(f"a parameter's gradient should be an array, got {type(gradient).__name__}")
        if gradient.shape != self.value.shape:
            raise ShapeError(f"a gradient of shape {gradient.shape} does not fit a parameter of {self.value.shape}")
        if gradient.dtype != self.value.dtype:
            raise TypeError(f"a gradient of {gradient.dtype} does not fit a parameter of {self.value.dtype}")
        device = device_of(gradient)
        if device_of(self.value) != device or (self.grad is not None and device_of(self.grad) != device):
            raise mixed_devices("a parameter", {"value": self.value, "grad": self.grad, "gradient": gradient})
        if self.grad is None:
            self.grad = gradient if own else gradient.copy()
        else:
            self.grad += gradient

    def draw(self, rng: np.random.Generator, dtype: str) -> None:
        """Make the value, and forget the gradient."""
        super().draw(rng, dtype)
        self.grad = None

    def convert(self, dtype: str | None = None, device: str | None = None) -> None:
        """Bring the value to `dtype` and to `device`, each unless None, and forget the gradient."""
        super().convert(dtype, device)
        self.grad = None


class State(Variable):
    """An array that a layer keeps from pass to pass but does not learn, such as a running mean: its `value`."""

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        """Return the value, so that NumPy's functions take a State as it is."""
        return np.array(self.value, dtype=dtype, copy=copy)  # type: ignore[call-overload]


class Randomness:
    """A source of random numbers for a layer that draws some while training: its `generator`, None until it is built.

    The generator is spawned from that of the network's weights, so that the seed decides it, and its state is part of
    a checkpoint.
    """

    def __init__(self) -> None:
        self.generator: np.random.Generator | None = None

    def draw(self, rng: np.random.Generator, dtype: str) -> None:
        """Make the generator."""
        self.generator = rng.spawn(1)[0]
