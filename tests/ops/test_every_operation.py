"""What holds for every operation: both modes agree, in any memory layout, and no argument is changed."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import ops, threads, use_kernels
from tests.comparison import TOLERANCE, other_layouts
from tests.ops.calls import CALLS, IN_PLACE, results


def run(name, arguments, mode):
    with use_kernels(mode):
        return results(name, getattr(ops, name)(*arguments), arguments)


def assert_same(got, expected, dtype):
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        if one.dtype == dtype:
            np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE[dtype] * np.abs(other).max())
        else:
            np.testing.assert_array_equal(one, other)


def test_every_operation_has_a_call():
    assert sorted(CALLS) == sorted(ops.__all__)


@pytest.mark.parametrize("name", CALLS)
def test_the_kernel_gives_what_the_formula_gives(name, dtype):
    formula, kernel = (run(name, CALLS[name](np.random.default_rng(1), dtype), m) for m in ("reference", "fast"))
    assert_same(kernel, formula, dtype)


@pytest.mark.parametrize("name", CALLS)
def test_floats_come_out_in_the_dtype_that_went_in(name, mode, dtype, rng):
    for result in run(name, CALLS[name](rng, dtype), mode):
        assert result.dtype.kind != "f" or result.dtype == dtype


@pytest.mark.parametrize("name", CALLS)
def test_no_argument_is_changed(name, mode, dtype, rng):
    arguments = CALLS[name](rng, dtype)
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    run(name, arguments, mode)
    for position, (old, new) in enumerate(zip(before, arguments, strict=True)):
        if isinstance(old, np.ndarray) and position not in IN_PLACE.get(name, ()):
            np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("layout", ["fortran", "every other element", "negative strides", "read-only"])
@pytest.mark.parametrize("name", CALLS)
def test_any_memory_layout_gives_the_same(name, layout, mode, dtype):
    expected = run(name, CALLS[name](np.random.default_rng(1), dtype), "reference")
    arguments = [
        other_layouts(a)[layout]
        if isinstance(a, np.ndarray) and not (layout == "read-only" and position in IN_PLACE.get(name, ()))
        else a
        for position, a in enumerate(CALLS[name](np.random.default_rng(1), dtype))
    ]
    assert_same(run(name, arguments, mode), expected, dtype)


@pytest.mark.parametrize("name", CALLS)
def test_the_same_call_gives_the_same_bits(name, mode, dtype):
    first, second = (run(name, CALLS[name](np.random.default_rng(1), dtype), mode) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", CALLS)
def test_reference_is_the_formula_whatever_the_mode(name, dtype):
    formula = run(name, CALLS[name](np.random.default_rng(1), dtype), "reference")
    arguments = CALLS[name](np.random.default_rng(1), dtype)
    with use_kernels("fast"):
        again = results(name, getattr(ops, name).reference(*arguments), arguments)
    for one, other in zip(again, formula, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", CALLS)
def test_one_thread_gives_what_five_give(name, dtype, monkeypatch):
    """Five are more than there are rows or pictures to share in these calls: some threads have nothing to do."""
    outcomes = []
    for count in (1, 5):
        monkeypatch.setattr(threads, "_threads", count)
        outcomes.append(run(name, CALLS[name](np.random.default_rng(1), dtype), "fast"))
    assert_same(*outcomes, dtype)
