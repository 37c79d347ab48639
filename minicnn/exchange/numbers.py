"""Stored bytes to NumPy arrays, with the kinds of numbers that NumPy lacks."""

from __future__ import annotations

import numpy as np

BFLOAT16 = "bf16"  # the upper half of a float32; every other kind goes by NumPy's own code: f4, i8, …


def bytes_each(code: str) -> int:
    """Return how many bytes a number of that kind takes in a file."""
    return 2 if code == BFLOAT16 else np.dtype(code).itemsize


def decode(content: bytes | memoryview, code: str, byteorder: str = "<") -> np.ndarray:
    """Return the numbers (n,) that `content` holds; those of 16 bits as float32, which computes the same everywhere.

    code: BFLOAT16, or NumPy's for the kind. byteorder: "<" little endian, ">" big. Where nothing has to be converted,
    the array is a read-only view of `content`.
    """
    if code == BFLOAT16:
        wide = np.frombuffer(content, f"{byteorder}u2").astype("u4")
        wide <<= 16
        return wide.view("f4")
    if code == "?":
        return np.frombuffer(content, "u1") != 0  # a byte other than 0 and 1 is no bool that NumPy could compute with
    return np.frombuffer(content, byteorder + code).astype("f4" if code == "f2" else code, copy=False)
