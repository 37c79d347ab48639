"""How two results are compared: against the largest value, as tightly as the dtype allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}  # of the largest value


def assert_close(got: Any, expected: Any, dtype: str = "float64", what: str = "result") -> None:
    """Fail unless `got` has `dtype`, the shape of `expected`, and its values within TOLERANCE of the largest one."""
    expected = np.asarray(expected)
    assert got.dtype == dtype, f"{what}: dtype {got.dtype} should be {dtype}"
    assert tuple(got.shape) == expected.shape, f"{what}: shape {got.shape} should be {expected.shape}"
    if expected.size == 0:
        return
    limit = TOLERANCE[dtype] * float(np.nanmax(np.abs(expected)))
    np.testing.assert_allclose(got, expected, rtol=0, atol=limit, equal_nan=True, err_msg=what)


def call_keeping(operation: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
    """Call `operation` and fail if it changed any array that it was given."""
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    result = operation(*arguments, **settings)
    for position, (before, after) in enumerate(zip(copies, arguments, strict=True)):
        if isinstance(before, np.ndarray):
            assert np.array_equal(before, after, equal_nan=before.dtype.kind == "f"), (
                f"{operation.__name__} changed its argument {position}"
            )
    return result


def other_layouts(x: np.ndarray) -> dict[str, np.ndarray]:
    """Return arrays equal to `x` that lie differently in memory, and one that may not be written to."""
    spread = np.zeros(tuple(2 * size for size in x.shape), x.dtype)
    every_other = spread[tuple(slice(None, None, 2) for _ in x.shape)]
    every_other[...] = x
    backwards = np.flip(np.flip(x).copy())
    read_only = x.copy()
    read_only.flags.writeable = False
    return {
        "fortran": np.asfortranarray(x),
        "every other element": every_other,
        "negative strides": backwards,
        "read-only": read_only,
    }
