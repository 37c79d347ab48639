"""Arrays with many zeros in less room: those numbers that are not zero, and a bit for each place that says which it is.

    name  →  name/values  (numbers that are not zero, in order)
             name/places  (a bit for each number, eight in a byte: whether it is one of these)
             name/shape

A float32 array of which 80 % are zeros takes 0.2·4 + 1/8 bytes a number in place of 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from minicnn.errors import UsageError

PARTS = ("values", "places", "shape")
OVERHEAD = 512  # bytes that the names of three arrays for one take in a file: what packing has to save at least


def pack(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays by name, those that take less room so in their three parts."""
    packed: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        places = array.reshape(-1) != 0
        parts = array.reshape(-1)[places], np.packbits(places), np.array(array.shape, "int64")
        if sum(part.nbytes for part in parts) + OVERHEAD < array.nbytes:
            packed |= {f"{name}/{part}": value for part, value in zip(PARTS, parts, strict=True)}
        else:
            packed[name] = array
    return packed


def unpack(arrays: Mapping[str, np.ndarray], where: object) -> dict[str, np.ndarray]:
    """Return what `pack` was given.

    where: the file, for messages. Raises UsageError where parts do not fit together.
    """
    unpacked: dict[str, np.ndarray] = {}
    for stored in arrays:
        name, _, part = stored.rpartition("/")
        if part not in PARTS:
            unpacked[stored] = arrays[stored]
        elif part == PARTS[0]:
            values, places, shape = (arrays.get(f"{name}/{part}") for part in PARTS)
            unpacked[name] = _whole(values, places, shape, f"{where} is damaged: {name}")
        elif f"{name}/{PARTS[0]}" not in arrays:
            raise UsageError(f"{where} is damaged: {stored} is there, and no values that go with it")
    return unpacked


def _whole(values: np.ndarray | None, places: np.ndarray | None, shape: np.ndarray | None, what: str) -> np.ndarray:
    if values is None or places is None or shape is None:
        raise UsageError(f"{what} lacks one of its parts {', '.join(PARTS)}")
    kinds = values.ndim == places.ndim == shape.ndim == 1 and places.dtype == "uint8" and shape.dtype == "int64"
    sides = shape.tolist() if kinds else []
    if not kinds or min(sides, default=1) < 0 or -(-prod(sides) // 8) != places.size:
        raise UsageError(f"{what} has parts that are not of one array")
    chosen = np.unpackbits(places, count=prod(sides)).astype(bool)
    if int(chosen.sum()) != values.size:
        raise UsageError(f"{what} has {values.size} values for {int(chosen.sum())} places")
    array = np.zeros(prod(sides), values.dtype)
    array[chosen] = values
    return array.reshape(sides)
