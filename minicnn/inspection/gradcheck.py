"""Is backward the derivative of forward? Compare every gradient with differences of the forward pass, in float64.

A forward pass has many outputs and a derivative needs one number, so the outputs y are weighed with random numbers r:

    L = Σ y ⊙ r        ∂L/∂y = r        so backward(r) must return ∂L/∂x, and leave ∂L/∂w at every parameter w

and each of those, element by element, is also (L(x + h) − L(x − h)) / 2h, which uses no formula of backward at all.
How the differences are taken, and how kinks are told from mistakes, stands in `finite_differences`; how a mistake at
one element of a large array is found, of which only some are checked one by one, in `suspects`.
Source: Bishop 1995, "Neural Networks for Pattern Recognition", §4.8.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from minicnn.backend import Array, array_module, device_of, to_device, to_numpy
from minicnn.errors import ShapeError, UsageError
from minicnn.inspection.finite_differences import Index, numeric_gradient, yardstick
from minicnn.inspection.gradient_report import TOLERANCE, ArrayCheck, GradientReport
from minicnn.inspection.suspects import find_suspect
from minicnn.layers.base import Layer, Shape, generators_state, restore_generators

SAMPLES = 2  # in a batch: with one alone, a forgotten sum or mean over the batch would not show
ELEMENTS = 40  # of a larger array that are checked
DOUBTS = 10  # so many times its doubt a numeric gradient may be wrong at most
ZERO = 1e-12  # a gradient below this share of the output is rounding error

Forward = Callable[..., Array]  # forward(**arrays) -> y
Backward = Callable[..., Mapping[str, Array]]  # backward(dy, **arrays) -> the gradient of each array, by name


class Loss(Protocol):
    """What can stand behind a network, such as SoftmaxCrossEntropy."""

    def forward(self, logits: Array, labels: Array) -> Array: ...
    def backward(self) -> Array: ...


def gradcheck(
    layer: Layer, input_shape: Shape, seed: int = 0, *, loss: Loss | None = None, elements: int = ELEMENTS,
    device: str = "cpu",
) -> GradientReport:  # fmt: skip
    """Check the gradients of a layer or a network, at its input "x" and at all its parameters.

    layer: any Layer, built or not; it is copied and stays as it is. input_shape: of one sample, without N, as for
    Sequential. seed: of the random batch, the random weights r, and the parameters of a layer that is not yet built.
    loss: one to put behind a network that ends in logits, with random labels. elements: how many are checked of an
    array that has more. device: where to compute, "cpu" or "gpu". Dropout keeps the same mask throughout.
    Returns a report with .passed, .max_relative_error, .worst (name, index) and .describe().
    Raises ShapeError when a built layer reads another shape, UsageError when its output is not finite.
    """
    if not isinstance(layer, Layer):
        raise UsageError(f"gradcheck needs a layer or a network, got {type(layer).__name__}")
    rng = _generator(seed)
    layer = _float64_copy(layer, tuple(input_shape), rng, device)
    parameters = layer.parameters()
    generators = generators_state(layer)

    def forward(x: Array, **_: Array) -> Array:  # the other arrays are the layer's own parameters
        restore_generators(layer, generators)
        return layer.forward(x, training=True)

    def backward(dy: Array, x: Array, **_: Array) -> dict[str, Array]:
        forward(x)
        for parameter in parameters.values():
            parameter.grad = None
        dx = layer.backward(dy)
        return {"x": dx, **{name: parameter.grad for name, parameter in parameters.items()}}

    x = to_device(rng.standard_normal((SAMPLES, *input_shape)), device)
    arrays = {"x": x, **{name: parameter.value for name, parameter in parameters.items()}}
    if loss is not None:
        labels = to_device(_random_labels(layer.output_shape or (), rng), device)
        return _check(*_behind_loss(forward, backward, loss, labels), arrays, rng, elements)
    return _check(forward, backward, arrays, rng, elements)


def gradcheck_loss(loss: Loss, classes: int = 5, seed: int = 0) -> GradientReport:
    """Check the gradient of a loss at the logits.

    loss: it is copied and stays as it is. classes: K. seed: of the random logits (N, K), called "x", and labels (N,).
    Returns a report as `gradcheck` does.
    """
    rng = _generator(seed)
    logits, labels = rng.standard_normal((SAMPLES, classes)), _random_labels((classes,), rng)
    forward, backward = _behind_loss(lambda x: x, lambda dy, x: {"x": dy}, loss, labels)
    return _check(forward, backward, {"x": logits}, rng, ELEMENTS)


def gradcheck_operation(
    forward: Forward, backward: Backward, arrays: Mapping[str, Array], seed: int = 0, *, elements: int = ELEMENTS
) -> GradientReport:
    """Check the gradients of any function, such as one of `minicnn.ops` and its backward.

        gradcheck_operation(ops.relu, lambda dy, x: {"x": ops.relu_backward(dy, ops.relu(x))}, {"x": x})

    forward: called as forward(**arrays), returns y. backward: called as backward(dy, **arrays), returns the gradient
    of each array by name. arrays: float64, the point to check at; they are copied. seed, elements: as for `gradcheck`.
    Returns a report as `gradcheck` does. Raises UsageError when y is not finite or anything is not float64.
    """
    copies = {name: array.copy() for name, array in arrays.items()}
    return _check(forward, backward, copies, _generator(seed), elements)


def _generator(seed: int) -> np.random.Generator:
    if seed < 0:
        raise UsageError(f"a seed is a whole number of at least 0; got {seed}")
    return np.random.default_rng(seed)


def _float64_copy(layer: Layer, input_shape: Shape, rng: np.random.Generator, device: str) -> Layer:
    if layer.input_shape not in (None, input_shape):
        raise ShapeError(
            f"this {type(layer).__name__} was built for samples of shape {layer.input_shape}, but gradcheck was told "
            f"{input_shape}: give the shape of one sample, without the batch"
        )
    layer = copy.deepcopy(layer)
    if not layer.built:
        layer.build(input_shape, rng, "float64")
    layer.convert(dtype="float64", device=device)
    return layer


def _random_labels(output_shape: Shape, rng: np.random.Generator) -> np.ndarray:
    if len(output_shape) != 1:
        raise ShapeError(f"a loss reads one row of logits a sample, but the network's output is {output_shape}")
    return rng.integers(output_shape[0], size=SAMPLES)


def _behind_loss(forward: Forward, backward: Backward, loss: Loss, labels: Array) -> tuple[Forward, Backward]:
    """Return forward and backward with a copy of `loss` at their end."""
    loss = copy.deepcopy(loss)

    def forward_with_loss(**arrays: Array) -> Array:
        return loss.forward(forward(**arrays), labels)

    def backward_with_loss(dy: Array, **arrays: Array) -> Mapping[str, Array]:
        forward_with_loss(**arrays)
        return backward(dy * loss.backward(), **arrays)

    return forward_with_loss, backward_with_loss


@threadpool_limits.wrap(limits=1, user_api="blas")  # thousands of small products: threads cost more than they bring
def _check(
    forward: Forward, backward: Backward, arrays: dict[str, Array], rng: np.random.Generator, elements: int
) -> GradientReport:
    """Compare the gradients of all arrays, which are changed in place and brought back."""
    y = forward(**arrays)
    _require_float64({**arrays, "the output": y})
    if not array_module(y).isfinite(y).all():
        raise UsageError("the output of the forward pass is not finite (NaN or ∞): there is no gradient to check")
    weights = np.asarray(rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape))  # none near zero
    projection = to_device(weights, device_of(y))
    rounding = ZERO * float(abs(y * projection).sum())
    gradients = backward(projection.copy(), **arrays)
    analytic = {name: _like(name, gradients.get(name), array) for name, array in arrays.items()}
    checks = []
    for name, array in arrays.items():
        indices = _choose_elements(analytic[name], elements, rng)
        if len(indices) < array.size:
            suspect = find_suspect(lambda: forward(**arrays), projection, array, analytic[name], rng)
            indices += [suspect] if suspect is not None and suspect not in indices else []
        numeric, doubt, known = numeric_gradient(lambda: forward(**arrays), projection, array, indices, TOLERANCE / 4)
        checks.append(_compare(name, analytic[name], indices, numeric, doubt, known, rounding))
    return GradientReport(tuple(checks))


def _require_float64(arrays: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        if array.dtype != "float64":
            raise UsageError(
                f"gradcheck computes in float64, but {name} is {array.dtype}: look for a silent conversion"
            )


def _like(name: str, gradient: Array | None, array: Array) -> np.ndarray:
    """Return a host copy of the gradient of `array`, which must be of its shape; none at all counts as zero."""
    if gradient is None:
        return np.zeros(array.shape)
    if gradient.shape != array.shape:
        raise ShapeError(f"backward gives {name}, of shape {array.shape}, a gradient of shape {gradient.shape}")
    _require_float64({f"the gradient of {name}": gradient})
    return to_numpy(gradient).copy()


def _choose_elements(analytic: np.ndarray, count: int, rng: np.random.Generator) -> list[Index]:
    """Choose `count` elements: the first and last, where padding goes wrong, the largest gradient, and random ones."""
    size = analytic.size
    chosen = list(range(size))
    if size > count:
        ordered = [0, size - 1, int(np.abs(analytic).argmax()), *rng.choice(size, count, replace=False)]
        chosen = list(dict.fromkeys(ordered))[:count]  # without repetition
    return [tuple(int(i) for i in np.unravel_index(k, analytic.shape)) for k in chosen]


def _compare(
    name: str, analytic: np.ndarray, indices: list[Index], numeric: np.ndarray, doubt: np.ndarray, known: np.ndarray,
    rounding: float,
) -> ArrayCheck:  # fmt: skip
    claimed = np.array([analytic[index] for index in indices])
    largest = max(np.abs(analytic).max(), np.abs(numeric).max(where=known, initial=0.0))
    zero = bool(largest <= rounding)
    scale = np.maximum(yardstick(claimed, largest), np.abs(numeric))
    errors = np.zeros(len(indices)) if zero else np.abs(claimed - numeric) / scale
    # A doubtful derivative excuses as much as it may be wrong by, with a margin, and no more.
    judged = known | (np.abs(claimed - numeric) > DOUBTS * doubt)
    errors = np.where(judged, np.where(np.isfinite(errors), errors, np.inf), 0.0)
    worst = int(np.argmax(errors))
    return ArrayCheck(
        name=name, shape=analytic.shape, checked=int(known.sum()), left_out=int((~known).sum()),
        max_relative_error=float(errors[worst]), worst=indices[worst], analytic=float(claimed[worst]),
        numeric=float(numeric[worst]), zero=zero, factor=_common_factor(claimed[known], numeric[known]),
    )  # fmt: skip


def _common_factor(claimed: np.ndarray, numeric: np.ndarray) -> float | None:
    """Return the one number other than 1 that all claimed gradients are a multiple by, if there is one."""
    energy = float(numeric @ numeric)
    if energy == 0 or not np.isfinite(claimed).all():
        return None
    factor = float(claimed @ numeric) / energy
    fits = np.abs(claimed - factor * numeric).max() <= 1e-5 * abs(factor) * np.abs(numeric).max()
    return factor if fits and abs(factor - 1) > TOLERANCE else None
