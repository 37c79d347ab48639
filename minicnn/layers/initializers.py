"""How weights begin. Each initialiser draws an array of `shape` whose spread keeps signals alive through the layers.

fan_in is the number of inputs that one output sums over, fan_out the number of outputs that one input reaches: for a
kernel (KH, KW, C/groups, F) KH·KW·C/groups and KH·KW·F/groups, for a dense weight (D, U) D and U. `dtype` is the
array's; whatever it is, the numbers are drawn as float64 and rounded, so that a seed means the same weights in both
precisions.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod, sqrt

import numpy as np

from minicnn.errors import UsageError

PIECE = 1 << 16  # numbers drawn at once: 512 KiB in float64, whatever the size of the weight


def fans(shape: tuple[int, ...], groups: int = 1) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight of `shape`."""
    window = prod(shape[:-2])
    return window * shape[-2], window * shape[-1] // groups


def glorot_uniform(shape: tuple[int, ...], rng: np.random.Generator, dtype: str, groups: int = 1) -> np.ndarray:
    """Uniform in ±√(6 / (fan_in + fan_out)): equal variance forwards and backwards, for tanh and for shallow nets.

    Source: Glorot & Bengio 2010, eq. 16. Keras's default, and the documents'.
    """
    fan_in, fan_out = fans(shape, groups)
    limit = sqrt(6 / (fan_in + fan_out))
    return _fill(shape, dtype, lambda count: rng.uniform(-limit, limit, count))


def he_normal(shape: tuple[int, ...], rng: np.random.Generator, dtype: str, groups: int = 1) -> np.ndarray:
    """Normal with deviation √(2 / fan_in): the 2 makes up for the half of the signal that ReLU drops.

    Source: He et al. 2015, "Delving Deep into Rectifiers", eq. 10.
    """
    deviation = sqrt(2 / fans(shape)[0])
    return _fill(shape, dtype, lambda count: rng.normal(0.0, deviation, count))


def he_uniform(shape: tuple[int, ...], rng: np.random.Generator, dtype: str, groups: int = 1) -> np.ndarray:
    """Uniform in ±√(6 / fan_in), of the same variance as `he_normal`.

    Source: He et al. 2015.
    """
    limit = sqrt(6 / fans(shape)[0])
    return _fill(shape, dtype, lambda count: rng.uniform(-limit, limit, count))


def normal(shape: tuple[int, ...], rng: np.random.Generator, dtype: str, groups: int = 1) -> np.ndarray:
    """Normal with deviation 0.01, whatever the fans: for a last layer, whose classes then begin all but equal.

    Source: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks", §5.
    """
    return _fill(shape, dtype, lambda count: rng.normal(0.0, 0.01, count))


def dirac(shape: tuple[int, ...], rng: np.random.Generator, dtype: str, groups: int = 1) -> np.ndarray:
    """The first filters each hand on a channel as it is, the others are uniform in ±1 / √fan_in.

    A deep stack of such convolutions begins near the identity, so that the first gradients reach its first layer. A
    group's first filters hand on its channels. For convolutions, whose kernels have a middle: of an even size the lower
    right of the four. Source: Zagoruyko & Komodakis 2017, "DiracNets"; PyTorch's `dirac_`.
    """
    limit = 1 / sqrt(fans(shape)[0])
    weight = _fill(shape, dtype, lambda count: rng.uniform(-limit, limit, count))
    *window, channels, filters = shape
    middle = weight[tuple(side // 2 for side in window)]
    for first in range(0, filters, filters // groups):
        count = min(channels, filters // groups)
        weight[..., first : first + count] = 0
        middle[:count, first : first + count] = np.eye(count)
    return weight


def zeros(shape: tuple[int, ...], rng: np.random.Generator, dtype: str, groups: int = 1) -> np.ndarray:
    """All zero: right for biases, wrong for weights.

    Document 004 §3.2 allows kernels of zeros. With them all filters of a layer compute the same output, receive the
    same gradient and stay equal for ever: the layer is as wide as one filter, and where the layer above is zero too,
    the gradient is zero and nothing is learnt at all. `tests/layers/test_initializers.py` shows both.
    """
    return np.zeros(shape, dtype)


def ones(shape: tuple[int, ...], rng: np.random.Generator, dtype: str, groups: int = 1) -> np.ndarray:
    """All one: where a factor begins that changes nothing, such as batch norm's."""
    return np.ones(shape, dtype)


def _fill(shape: tuple[int, ...], dtype: str, draw: Callable[[int], np.ndarray]) -> np.ndarray:
    """Return an array of `shape` and `dtype` filled in order with what `draw(count)` gives, a piece at a time."""
    weight = np.empty(shape, dtype)
    flat = weight.reshape(-1)
    for start in range(0, flat.size, PIECE):
        piece = flat[start : start + PIECE]
        piece[:] = draw(piece.size)
    return weight


INITIALIZERS: dict[str, Callable[[tuple[int, ...], np.random.Generator, str, int], np.ndarray]] = {
    function.__name__: function for function in (glorot_uniform, he_normal, he_uniform, normal, dirac, zeros, ones)
}


def require_initializer(name: str) -> None:
    """Raise UsageError unless there is an initialiser called `name`."""
    if not isinstance(name, str) or name not in INITIALIZERS:
        raise UsageError(f"unknown initializer {name!r}: choose one of {', '.join(INITIALIZERS)}")


def initialize(
    name: str, shape: tuple[int, ...], rng: np.random.Generator, dtype: str, groups: int = 1
) -> np.ndarray:  # fmt: skip
    """Return a weight of `shape` and `dtype` drawn by the initialiser called `name`.

    groups: of a convolution; an output sums over one group's inputs, an input reaches one group's outputs.
    Raises UsageError for an unknown name.
    """
    require_initializer(name)
    return INITIALIZERS[name](shape, rng, dtype, groups)
