"""One convolution by hand, by loops, and as one matrix product (im2col): three ways to the same numbers.

python examples/02_one_convolution_three_ways.py
"""

import numpy as np

from minicnn import ops

# A picture of 4×4 pixels with 1 channel, and one 3×3 filter: x (N=1, H=4, W=4, C=1), weight (KH=3, KW=3, C=1, F=1).
PICTURE = np.array([[1, 2, 0, 1], [3, 1, 1, 0], [0, 2, 4, 1], [1, 0, 2, 3]], dtype="float64")
FILTER = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype="float64")
BIAS = 10.0


def by_hand() -> np.ndarray:
    """Write out each of the four outputs: the middle pixel −4 times, and its four neighbours."""
    return np.array(
        [
            [2 + 3 - 4 * 1 + 1 + 2 + 10, 0 + 1 - 4 * 1 + 0 + 4 + 10],
            [1 + 0 - 4 * 2 + 4 + 0 + 10, 1 + 2 - 4 * 4 + 1 + 2 + 10],
        ],
        dtype="float64",
    )


def by_loops(x: np.ndarray, weight: np.ndarray, bias: float) -> np.ndarray:
    """y[i, j] = Σ_ky Σ_kx x[i + ky, j + kx] · weight[ky, kx] + bias, one number after the other."""
    kh, kw = weight.shape
    oh, ow = x.shape[0] - kh + 1, x.shape[1] - kw + 1
    y = np.zeros((oh, ow))
    for i in range(oh):
        for j in range(ow):
            y[i, j] = bias
            for ky in range(kh):
                for kx in range(kw):
                    y[i, j] += x[i + ky, j + kx] * weight[ky, kx]
    return y


def by_im2col(x: np.ndarray, weight: np.ndarray, bias: float) -> np.ndarray:
    """Lay each window out as a row of a matrix; then all outputs are one product with the filter as a column."""
    columns = ops.im2col(x[np.newaxis, :, :, np.newaxis], weight.shape, (1, 1), (0, 0))
    print("the four windows as rows:", *columns.astype(int), sep="\n   ")
    return (columns @ weight.reshape(-1, 1) + bias).reshape(2, 2)


def main() -> None:
    results = {
        "by hand": by_hand(),
        "by loops": by_loops(PICTURE, FILTER, BIAS),
        "by im2col": by_im2col(PICTURE, FILTER, BIAS),
        "ops.conv2d": ops.conv2d(
            PICTURE[np.newaxis, :, :, np.newaxis], FILTER[:, :, np.newaxis, np.newaxis], np.array([BIAS])
        )[0, :, :, 0],
    }
    for name, y in results.items():
        print(f"{name:10}  {y.tolist()}")
        assert np.array_equal(y, results["by hand"])
    print("all equal")


if __name__ == "__main__":
    main()

# the four windows as rows:
#    [1 2 0 3 1 1 0 2 4]
#    [2 0 1 1 1 0 2 4 1]
#    [3 1 1 0 2 4 1 0 2]
#    [1 1 0 2 4 1 0 2 3]
# by hand     [[14.0, 11.0], [7.0, 0.0]]
# by loops    [[14.0, 11.0], [7.0, 0.0]]
# by im2col   [[14.0, 11.0], [7.0, 0.0]]
# ops.conv2d  [[14.0, 11.0], [7.0, 0.0]]
# all equal
