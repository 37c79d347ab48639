"""The documents' wrong gradient formulas, caught by the gradient check; and the right ones, which pass.

    python examples/04_wrong_formulas_are_caught.py

As printed, some formulas have no matching shapes. Each is then read as kindly as possible: the reading is beside it.
"""

import numpy as np

from minicnn import ops
from minicnn.inspection import GradientReport, gradcheck_operation

RNG = np.random.default_rng(0)
PICTURES, WEIGHT, BIAS = RNG.standard_normal((2, 6, 6, 3)), RNG.standard_normal((3, 3, 3, 4)), np.zeros(4)
LABELS = np.array([2, 0, 1, 2])
POOL = ((2, 2), (2, 2), (0, 0))  # size, stride, padding
ONE, NONE = (1, 1), (0, 0)


def conv_relu(rule: str) -> GradientReport:
    """Check Y = relu(Z) with Z = conv(X, W). Printed: δX = relu′(X) ⊙ conv(X, WᵀδY), the mask taken at X, not at Z."""

    def backward(dy, x):
        y = ops.relu(ops.conv2d(x, WEIGHT, BIAS))
        if rule == "printed":
            return {"x": (x > 0) * ops.conv2d_backward(dy, x, WEIGHT, ONE, NONE)[0]}
        return {"x": ops.conv2d_backward(ops.relu_backward(dy, y), x, WEIGHT, ONE, NONE)[0]}

    return gradcheck_operation(lambda x: ops.relu(ops.conv2d(x, WEIGHT, BIAS)), backward, {"x": PICTURES})


def convolution(rule: str) -> GradientReport:
    """Check Y = conv(X, W). Printed: ∂L/∂X = ∂L/∂F ⊙ filterᵀ, transposed and not flipped."""

    def backward(dy, x):
        kernel = WEIGHT.swapaxes(2, 3)  # the way back: from F to C channels
        kernel = kernel if rule == "printed" else kernel[::-1, ::-1]
        return {"x": ops.conv2d(dy, kernel, np.zeros(3), padding=(2, 2))}  # "full": padded by the kernel's size − 1

    return gradcheck_operation(lambda x: ops.conv2d(x, WEIGHT, BIAS), backward, {"x": PICTURES})


def max_pool(rule: str) -> GradientReport:
    """Check F = max-pool(X). Printed: ∂L/∂F = poolᵀ ∂L/∂pool, which gives the gradient to the whole window."""

    def backward(dy, x):
        everywhere = dy.repeat(2, axis=1).repeat(2, axis=2)
        right = ops.max_pool2d_backward(dy, ops.max_pool2d(x, *POOL)[1], x.shape, *POOL)
        return {"x": everywhere if rule == "printed" else right}

    return gradcheck_operation(lambda x: ops.max_pool2d(x, *POOL)[0], backward, {"x": PICTURES})


def cross_entropy(rule: str) -> GradientReport:
    """Check the loss. Printed: ∂L/∂Ŷ = ∂L/∂Ŷ ⊙ (Ŷ − Y), with ∂L/∂Ŷ = −Y/Ŷ on its right side."""

    def backward(dy, logits):
        predicted, true = ops.softmax(logits), np.eye(3)[LABELS]
        printed = (-true / predicted) * (predicted - true)
        return {"logits": dy * (printed if rule == "printed" else (predicted - true) / len(LABELS))}

    logits = {"logits": RNG.standard_normal((4, 3))}
    return gradcheck_operation(lambda logits: ops.softmax_cross_entropy(logits, LABELS)[0], backward, logits)


def main() -> None:
    for check in (conv_relu, max_pool, convolution, cross_entropy):
        print(f"{check.__name__}: {check.__doc__}")
        for rule in ("printed", "right"):
            report = check(rule)
            verdict = "passes" if report.passed else "CAUGHT"
            print(f"    {rule:8}{verdict}  relative error {report.max_relative_error:.0e}")


if __name__ == "__main__":
    main()

# conv_relu: Check Y = relu(Z) with Z = conv(X, W). Printed: …
#     printed CAUGHT  relative error 2e+00
#     right   passes  relative error 3e-11
# and so on for max_pool, convolution and cross_entropy
