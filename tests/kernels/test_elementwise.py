"""Activations, dropout, optimizer steps and pixel normalisation: the kernels give what the formulas give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from minicnn import get_threads, ops, set_threads
from minicnn.kernels.cpu import elementwise, images
from tests.comparison import assert_close, call_keeping, other_layouts
from tests.ops.activations import ACTIVATIONS
from tests.ops.calls import kept_for_backward

SHAPE = (3, 7, 5, 13)


@pytest.fixture
def small_arrays_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernels take the small arrays of these tests, which they leave to NumPy otherwise."""
    monkeypatch.setattr(elementwise, "SMALLEST", 0)
    monkeypatch.setattr(elementwise, "SMALLEST_SHARE", 1)
    monkeypatch.setattr(images, "SMALLEST", 0)


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = get_threads()
    yield
    set_threads(before)


def kernel(operation: Any) -> Any:
    """Return the operation's kernel, which fails where it leaves the work to the formula."""

    def run(*arguments: Any, **settings: Any) -> Any:
        result = operation.twin("cpu")(*arguments, **settings)
        assert result is not NotImplemented
        return result

    run.__name__ = operation.__name__
    return run


def normal(rng: np.random.Generator, dtype: str, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return (3 * rng.standard_normal(shape)).astype(dtype)


@pytest.mark.usefixtures("small_arrays_too")
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_equal_their_formulas_in_every_layout(name: str, dtype: str, rng: np.random.Generator) -> None:
    dy, x = normal(rng, dtype), normal(rng, dtype)
    for suffix, arrays in (("", [x]), ("_backward", [dy, kept_for_backward(name, x)])):
        operation, settings = getattr(ops, name + suffix), ACTIVATIONS[name].settings
        expected = operation.reference(*arrays, *settings)
        assert_close(call_keeping(kernel(operation), *arrays, *settings), expected, dtype)
        for layout, same in other_layouts(arrays[0]).items():
            assert_close(kernel(operation)(same, *arrays[1:], *settings), expected, dtype, layout)


@pytest.mark.usefixtures("small_arrays_too")
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_and_infinity_pass_as_in_the_formula(name: str, dtype: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 800.0, -800.0, 1e30, -1e30], dtype)
    for suffix, arrays in (("", [x]), ("_backward", [np.ones_like(x), kept_for_backward(name, x)])):
        operation, settings = getattr(ops, name + suffix), ACTIVATIONS[name].settings
        got, expected = kernel(operation)(*arrays, *settings), operation.reference(*arrays, *settings)
        np.testing.assert_allclose(got, expected, rtol=1e-6, equal_nan=True)


@pytest.mark.usefixtures("small_arrays_too")
def test_relu_backward_does_not_hide_nan(dtype: str) -> None:
    dy, y = np.array([np.nan, np.nan, 1, 1], dtype), np.array([0, 1, 0, 1], dtype)
    np.testing.assert_array_equal(kernel(ops.relu_backward)(dy, y), ops.relu_backward.reference(dy, y))


@pytest.mark.usefixtures("small_arrays_too")
@pytest.mark.parametrize("seed", [0, 7, 2**40 + 3, 2**63 - 1])
def test_dropout_keeps_the_same_elements(seed: int, dtype: str, rng: np.random.Generator) -> None:
    x, dy = normal(rng, dtype), normal(rng, dtype)
    (y, keep), (expected, expected_keep) = kernel(ops.dropout)(x, 0.3, seed), ops.dropout.reference(x, 0.3, seed)
    np.testing.assert_array_equal(keep, expected_keep)
    assert keep.dtype == np.bool_
    assert_close(y, expected, dtype)
    assert_close(kernel(ops.dropout_backward)(dy, keep, 0.3), ops.dropout_backward.reference(dy, keep, 0.3), dtype)


@pytest.mark.usefixtures("small_arrays_too")
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_sgd_steps_alike(momentum: float, nesterov: bool, decay: float, dtype: str, rng: np.random.Generator) -> None:
    value, grad, velocity = (normal(rng, dtype) for _ in range(3))
    by_kernel = [value.copy(), grad, velocity.copy() if momentum else None]
    by_formula = [value.copy(), grad, velocity.copy() if momentum else None]
    kernel(ops.sgd_update)(*by_kernel, 0.1, momentum, nesterov, decay)
    ops.sgd_update.reference(*by_formula, 0.1, momentum, nesterov, decay)
    for got, expected in zip(by_kernel, by_formula, strict=True):
        if expected is not None:
            assert_close(got, expected, dtype)


@pytest.mark.usefixtures("small_arrays_too")
def test_adam_steps_alike(dtype: str, rng: np.random.Generator) -> None:
    by_kernel = [normal(rng, dtype) for _ in range(3)] + [abs(normal(rng, dtype))]
    by_formula = [array.copy() for array in by_kernel]
    for step in (1, 2, 3):
        kernel(ops.adam_update)(*by_kernel, 1 - 0.9**step, 1 - 0.999**step, 1e-3, 0.9, 0.999, 1e-8, 0.01)
        ops.adam_update.reference(*by_formula, 1 - 0.9**step, 1 - 0.999**step, 1e-3, 0.9, 0.999, 1e-8, 0.01)
    for got, expected in zip(by_kernel, by_formula, strict=True):
        assert_close(got, expected, dtype)


@pytest.mark.usefixtures("small_arrays_too")
def test_averages_move_alike(dtype: str, rng: np.random.Generator) -> None:
    average, value = normal(rng, dtype), normal(rng, dtype)
    by_kernel, by_formula = average.copy(), average.copy()
    kernel(ops.average_update)(by_kernel, value, 0.05)
    ops.average_update.reference(by_formula, value, 0.05)
    assert_close(by_kernel, by_formula, dtype)
    assert not np.array_equal(by_kernel, average)


@pytest.mark.usefixtures("small_arrays_too")
def test_a_parameter_that_is_no_single_block_is_still_stepped_in_place(rng: np.random.Generator) -> None:
    whole = normal(rng, "float32")
    value, grad = whole[:, ::2], normal(rng, "float32")[:, ::2]
    expected = value - np.float32(0.5) * grad
    ops.sgd_update(value, grad, None, 0.5, 0.0, False, 0.0)
    assert_close(whole[:, ::2], expected, "float32")


@pytest.mark.usefixtures("small_arrays_too")
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_are_normalised_alike_to_the_last_bit(channels: int, dtype: str, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (2, 9, 5, channels), dtype=np.uint8)
    mean, std = tuple(np.linspace(0.3, 0.6, channels)), tuple(np.linspace(0.2, 0.3, channels))
    expected = ops.normalize_pixels.reference(pixels, mean, std, dtype)
    for layout, same in {"plain": pixels, **other_layouts(pixels)}.items():
        np.testing.assert_array_equal(kernel(ops.normalize_pixels)(same, mean, std, dtype), expected, layout)


@pytest.mark.usefixtures("restored_threads")
def test_the_number_of_threads_changes_no_bit(rng: np.random.Generator) -> None:
    x = normal(rng, "float32", (4, 150, 150))
    results = []
    for threads in {1, get_threads()}:
        set_threads(threads)
        results.append([ops.relu(x), ops.sigmoid(x), *ops.dropout(x, 0.5, 11)])
    for got, expected in zip(results[0], results[-1], strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("x", [np.zeros(100_000, np.float16), np.zeros(100_000, np.int32), np.zeros(10, np.float32)])
def test_other_dtypes_and_small_arrays_are_left_to_the_formula(x: np.ndarray) -> None:
    assert ops.relu.twin("cpu")(x) is NotImplemented
    assert ops.relu(x).dtype == x.dtype
