"""Check the gradient of every kind of layer, of the loss, and of a whole network against differences.

    python examples/03_check_every_gradient.py [NETWORK]

Each line is the largest relative error between backward's gradient and (L(x + h) − L(x − h)) / 2h, in float64.
"""

import sys

from minicnn.inspection import check_everything


def main() -> None:
    network = sys.argv[1] if len(sys.argv) > 1 else "cnn2"
    for name, report in check_everything(network):
        print(f"{'passed' if report.passed else 'FAILED'}  {report.max_relative_error:8.1e}  {name}")
    print(report.describe())


if __name__ == "__main__":
    main()

# passed   1.2e-10  Conv2D(3, 3×3, stride=1, padding='valid')
# passed   6.1e-11  Conv2D(3, 3×3, stride=1, padding='same')
# …
# passed   6.7e-10  SoftmaxCrossEntropy(label_smoothing=0.1)
# passed   7.2e-09  cnn2 on 10×10 pixels, with its loss
# gradient check of …/minicnn, its formulas (ops) and its kernels (kernels): passed
# largest relative error 2.4e-09 at x[1, 9, 9, 2], tolerance 1e-06
#                      error     backward  differences              at
# by the formulas
#   conv1 by itself
#     conv1.x        7.4e-11   0.00369858   0.00369858    [1, 1, 0, 0]  8 elements of 2×10×10×3
#     conv1.weight     2e-12    0.0916301    0.0916301   [2, 2, 0, 27]  8 elements of 3×3×3×32
#     conv1.bias     4.7e-12   -0.0272953   -0.0272953            [27]  8 elements of 32
# …
