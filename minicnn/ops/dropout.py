"""Inverted dropout: in training each value is set to zero with probability `rate`, the rest are scaled up.

Shapes: x, y, keep, dy, dx are all alike. The random numbers come from a counter: element i of a call with a given
seed is kept or dropped by a hash of (seed, i) alone, so the same seed gives the same mask on every device and with
any number of threads. Source: Srivastava et al. 2014, "Dropout", §10 (inverted form); the hash is the finalizer of
MurmurHash3 (Appleby), applied twice.
"""

from __future__ import annotations

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.errors import UsageError
from minicnn.ops.windows import is_number, require_shape

_WORD = 0xFFFFFFFF


def _check_dropout(x: Array, rate: float, seed: int) -> None:
    require_rate(rate)


def _check_dropout_backward(dy: Array, keep: Array, rate: float) -> None:
    require_shape(dy.shape == keep.shape, "dropout_backward", dy=dy.shape, keep=keep.shape)
    require_rate(rate)


def require_rate(rate: float) -> None:
    """Raise UsageError unless `rate`, the share that is dropped, is at least 0 and below 1."""
    if not (is_number(rate) and 0 <= rate < 1):
        raise UsageError(f"rate={rate!r} should be at least 0 and below 1: the share of values to drop")


@accelerated(_check_dropout)
def dropout(x: Array, rate: float, seed: int) -> tuple[Array, Array]:
    """Drop each value with probability `rate` and divide the others by 1 − rate, so that the mean stays.

        keep_i = [hash(seed, i) ≥ rate · 2³²]        y = x ⊙ keep / (1 − rate)

    x: any shape. rate: in [0, 1). seed: a whole number below 2⁶⁴, new for every call. Returns (y, keep), both of x's
    shape; y has x's dtype, keep is bool. Raises UsageError for another rate.
    """
    xp = array_module(x)
    counter = xp.arange(x.size, dtype="uint32")
    bits = _hash(_hash(counter ^ (seed & _WORD)) ^ (seed >> 32))
    keep = (bits >= int(rate * 2**32)).reshape(x.shape)
    return x * keep * (1 / (1 - rate)), keep


@accelerated(_check_dropout_backward)
def dropout_backward(dy: Array, keep: Array, rate: float) -> Array:
    """Let the gradient through where the value was kept: dx = dy ⊙ keep / (1 − rate).

    dy: any shape. keep: as returned by `dropout`. rate: as given to it. Returns dx like dy. Raises ShapeError when dy
    and keep differ in shape, UsageError for another rate.
    """
    return dy * keep * (1 / (1 - rate))


def _hash(words: Array) -> Array:
    """Mix each 32-bit word so that every bit of it depends on every bit that went in (MurmurHash3's finalizer)."""
    words = words ^ (words >> 16)
    words = words * 0x85EBCA6B
    words = words ^ (words >> 13)
    words = words * 0xC2B2AE35
    return words ^ (words >> 16)
