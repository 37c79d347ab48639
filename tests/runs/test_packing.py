"""Arrays with many zeros in less room, and back to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn.errors import UsageError
from minicnn.runs.packing import OVERHEAD, PARTS, pack, unpack


@pytest.mark.parametrize("kind", ["float32", "int8"])
@pytest.mark.parametrize("shape", [(3, 3, 40, 41), (10001,)])
def test_what_was_packed_comes_back(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    whole = (100 * rng.standard_normal(shape)).astype(kind)
    whole[rng.random(shape) < 0.8] = 0
    arrays = {"a.weight": whole, "a.bias": np.zeros(4, kind), "nothing": np.zeros((0, 3), kind)}
    packed = pack(arrays)
    assert sorted(packed) == ["a.bias", *sorted(f"a.weight/{part}" for part in PARTS), "nothing"]
    size = sum(array.nbytes for array in packed.values() if array.size > 4)
    each = (whole != 0).mean() * whole.itemsize + 1 / 8
    assert size == pytest.approx(whole.size * each, abs=OVERHEAD)
    unpacked = unpack(packed, "a file")
    for name, array in arrays.items():
        assert unpacked[name].dtype == array.dtype
        np.testing.assert_array_equal(unpacked[name], array)


def test_an_array_without_zeros_stays_as_it_is(rng: np.random.Generator) -> None:
    arrays = {"weight": rng.random((50, 50))}
    assert pack(arrays)["weight"] is arrays["weight"]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("values", None),
        ("places", None),
        ("shape", None),
        ("values", np.ones(3, "float32")),
        ("places", np.full(1250, 255, "uint8")),
        ("places", np.zeros(3, "uint8")),
        ("places", np.zeros(1250, "int8")),
        ("shape", np.array([100, -100])),
        ("shape", np.array([10**9, 10**9])),
        ("shape", np.array([100.0, 100.0])),
        ("shape", np.array([[100, 100]])),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(part: str, value: np.ndarray | None) -> None:
    packed = pack({"weight": np.eye(100, dtype="float32")})
    del packed[f"weight/{part}"]
    if value is not None:
        packed[f"weight/{part}"] = value
    with pytest.raises(UsageError, match=r"file\.safetensors is damaged: weight"):
        unpack(packed, "file.safetensors")
