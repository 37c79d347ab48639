"""Winograd's matrices multiply polynomials, and the compiled transforms are these matrices."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn.kernels.cpu import winograd_tiles as tiles

P, Q = tiles.P, tiles.Q
B_TRANSPOSED = np.array(
    [
        [1, 0, -5 / 2, 0, 1, 0],
        [0, -P, -2, Q, 1, 0],
        [0, P, -2, -Q, 1, 0],
        [0, -Q, -1 / 2, P, 1, 0],
        [0, Q, -1 / 2, -P, 1, 0],
        [0, 1, 0, -5 / 2, 0, 1],
    ]
)


def a_transposed(outputs: int) -> np.ndarray:
    powers = np.arange(outputs)[:, None]
    points = np.array([0, Q, -Q, P, -P])
    return np.hstack([points**powers, powers == outputs - 1])


@pytest.mark.parametrize(("outputs", "kernel"), [(4, 3), (2, 5)])
def test_the_matrices_give_a_convolution(outputs, kernel, rng):
    d, g = rng.standard_normal(6), rng.standard_normal(kernel)
    y = a_transposed(outputs) @ ((tiles.filter_matrix(kernel) @ g) * (B_TRANSPOSED @ d))
    np.testing.assert_allclose(y, np.correlate(d, g), atol=1e-6)


@pytest.mark.parametrize("outputs", [4, 2])
def test_the_transforms_are_the_matrices(outputs, rng):
    channels = 19
    a = a_transposed(outputs).T
    d, z = (rng.standard_normal((size, size, channels)).astype("float32") for size in (9, outputs + 1))
    planes = np.zeros(tiles.POINTS * tiles.PLANE, "float32")

    def tile() -> np.ndarray:
        return planes.reshape(6, 6, tiles.PLANE)[:, :, :channels]

    def close(got: np.ndarray, expected: np.ndarray) -> None:
        np.testing.assert_allclose(got, expected, atol=2e-6 * np.abs(expected).max())

    tiles.transform_input(d, 1, 2, planes)
    close(tile(), np.einsum("ai,bj,ijc->abc", B_TRANSPOSED, B_TRANSPOSED, d[1:7, 2:8]))

    tiles.transform_gradient(z, outputs, 0, 0, planes)
    close(tile(), np.einsum("ai,bj,ijc->abc", a, a, z[:outputs, :outputs]))

    m = tile().copy()
    tiles.transform_output(planes, outputs, z, 1, 1)
    close(z[1:, 1:], np.einsum("ai,bj,abc->ijc", a, a, m))

    tile()[...] = m
    expected = d.astype("float64")
    expected[2:8, 3:9] += np.einsum("ai,bj,abc->ijc", B_TRANSPOSED, B_TRANSPOSED, m)
    tiles.add_transposed_input(planes, d, 2, 3)
    close(d, expected)
