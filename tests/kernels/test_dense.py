"""The dense layer's kernels: every way of cutting up the product gives the formula's result."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from minicnn import get_threads, ops, set_threads
from minicnn.kernels.cpu import dense as kernels
from tests.comparison import assert_close, call_keeping, other_layouts

# (N, D, U): one picture, few, many; pieces that end unevenly; fewer inputs than threads; packed and unpacked products
SHAPES = [(1, 301, 17), (1, 67, 600), (3, 64, 33), (5, 1, 7), (6, 130, 1), (8, 2, 9), (32, 999, 10), (64, 257, 300)]


@pytest.fixture(autouse=True)
def small_products_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernels take the small products of these tests, which they leave to NumPy otherwise."""
    monkeypatch.setattr(kernels, "SMALLEST", 0)


@pytest.fixture(params=["unpacked", "packed"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the weights into small pieces, as for large weights: in the way for few pictures and in that for many."""
    monkeypatch.setattr(kernels, "UNPACKED", 20_000 if request.param == "unpacked" else 0)
    monkeypatch.setattr(kernels, "UNPACKED_TRANSPOSED", 200)
    monkeypatch.setattr(kernels, "PACKED_PIECE", 1000)


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = get_threads()
    yield
    set_threads(before)


def arrays(rng: np.random.Generator, n: int, d: int, u: int, dtype: str) -> tuple[np.ndarray, ...]:
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in ((n, d), (d, u), (u,), (n, u)))


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("shape", SHAPES)
def test_forward_equals_the_formula(shape: tuple[int, int, int], dtype: str, rng: np.random.Generator) -> None:
    x, weight, bias, _ = arrays(rng, *shape, dtype)
    got = call_keeping(kernels.dense, x, weight, bias)
    assert_close(got, ops.dense.reference(x, weight, bias), dtype)


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("input_gradient", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_backward_equals_the_formula(
    shape: tuple[int, int, int], input_gradient: bool, dtype: str, rng: np.random.Generator
) -> None:
    x, weight, _, dy = arrays(rng, *shape, dtype)
    got = call_keeping(kernels.dense_backward, dy, x, weight, input_gradient=input_gradient)
    expected = ops.dense_backward.reference(dy, x, weight, input_gradient)
    assert (got[0] is None) == (not input_gradient)
    for name, a, b in zip(("dx", "dweight", "dbias"), got, expected, strict=True):
        if b is not None:
            assert_close(a, b, dtype, name)


def test_any_layout_in_memory_will_do(rng: np.random.Generator) -> None:
    x, weight, bias, dy = arrays(rng, 6, 50, 20, "float64")
    y, (dx, dweight, _) = ops.dense.reference(x, weight, bias), ops.dense_backward.reference(dy, x, weight)
    for layout, same in other_layouts(weight).items():
        assert_close(kernels.dense(x, same, bias), y, what=layout)
        assert_close(kernels.dense_backward(dy, x, same)[0], dx, what=layout)
    for layout, same in other_layouts(x).items():
        assert_close(kernels.dense(same, weight, bias), y, what=layout)
        assert_close(kernels.dense_backward(dy, same, weight)[1], dweight, what=layout)


@pytest.mark.usefixtures("restored_threads", "pieces")
def test_same_threads_same_bits_and_one_thread_the_same_result(rng: np.random.Generator) -> None:
    x, weight, bias, dy = arrays(rng, 16, 2003, 31, "float32")
    for threads in {1, get_threads()}:
        set_threads(threads)
        first, second = ([kernels.dense(x, weight, bias), *kernels.dense_backward(dy, x, weight)] for _ in range(2))
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)
        assert_close(first[0], ops.dense.reference(x, weight, bias), "float32")


def test_other_dtypes_are_left_to_the_formula() -> None:
    x, weight, bias = np.ones((4, 3), np.float16), np.ones((3, 2), np.float16), np.zeros(2, np.float16)
    assert kernels.dense(x, weight, bias) is NotImplemented
    assert kernels.dense_backward(x[:, :2], x, weight) is NotImplemented
