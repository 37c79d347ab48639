"""The dense layer's formula against the slow loops, in both modes."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import ops
from minicnn.errors import ShapeError
from minicnn.loops import dense as oracle
from tests.comparison import assert_close, call_keeping


@pytest.mark.parametrize("n, d, u", [(1, 1, 1), (1, 7, 3), (5, 4, 6), (3, 40, 33)])
def test_forward_and_backward_equal_the_loops(n, d, u, mode, dtype, rng):
    x, weight, bias, dy = (rng.standard_normal(s).astype(dtype) for s in ((n, d), (d, u), (u,), (n, u)))
    assert_close(call_keeping(ops.dense, x, weight, bias), oracle.dense(x, weight, bias), dtype)
    gradients = call_keeping(ops.dense_backward, dy, x, weight)
    for name, got, right in zip(
        ("dx", "dweight", "dbias"), gradients, oracle.dense_backward(dy, x, weight), strict=True
    ):
        assert_close(got, right, dtype, name)


def test_the_input_s_gradient_can_be_left_out(mode, rng):
    x, weight, dy = rng.standard_normal((2, 3)), rng.standard_normal((3, 4)), rng.standard_normal((2, 4))
    dx, dweight, dbias = ops.dense_backward(dy, x, weight, input_gradient=False)
    _, expected_dweight, expected_dbias = oracle.dense_backward(dy, x, weight)
    assert dx is None
    assert_close(dweight, expected_dweight)
    assert_close(dbias, expected_dbias)


@pytest.mark.parametrize(
    "x_shape, bias_shape", [((2, 5), (4,)), ((2, 3), (3,)), ((2, 3), (1,)), ((2, 1, 3), (4,))], ids=str
)
def test_arrays_that_do_not_belong_together_are_refused(x_shape, bias_shape, mode):
    with pytest.raises(ShapeError, match="dense: these shapes do not belong together"):
        ops.dense(np.zeros(x_shape), np.zeros((3, 4)), np.zeros(bias_shape))


def test_a_gradient_of_another_shape_is_refused(mode):
    with pytest.raises(ShapeError, match="dense_backward"):
        ops.dense_backward(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((3, 4)))
