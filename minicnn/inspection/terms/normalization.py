"""Batch norm, layer norm and local response norm."""

from __future__ import annotations

from math import sqrt

import numpy as np

from minicnn.inspection.terms.dense import sum_of_dy
from minicnn.inspection.terms.parts import Factor, Index, Named, Spelled, Speller, element, number, product


def _batch_norm_y(arguments: Named, results: Named, index: Index) -> Spelled:
    statistics = results if "mean" in results else arguments  # in inference they are given
    c = index[-1]
    mean, variance = float(statistics["mean"][c]), float(statistics["variance"][c])
    x = float(arguments["x"][index])
    return Spelled(
        (
            product(
                element("weight", arguments["weight"], c), number("(x − mean)", x - mean),
                number("1/√(variance + ε)", 1 / sqrt(variance + arguments["epsilon"])),
            ),
            product(element("bias", arguments["bias"], c)),
        ),
        f"x = {x:.6g}, mean = {mean:.6g}, variance = {variance:.6g}, ε = {arguments['epsilon']:g}",
    )  # fmt: skip


def _batch_norm_mean(arguments: Named, results: Named, index: Index) -> Spelled:
    x = arguments["x"]
    pixels = _pixels_of(x, index[0])
    return Spelled((product(element("x", x, *pixels), number("1/M", 1 / len(pixels[0]))),))


def _batch_norm_variance(arguments: Named, results: Named, index: Index) -> Spelled:
    pixels = _pixels_of(arguments["x"], index[0])
    values = arguments["x"][pixels].astype("float64")
    distance = Factor(values - values.mean(), lambda place: f"(x[{', '.join(map(str, _at(pixels, place)))}] − mean)")
    return Spelled((product(distance, distance, number("1/M", 1 / len(values))),))


def _batch_norm_dweight(arguments: Named, results: Named, index: Index) -> Spelled:
    pixels = _pixels_of(arguments["x"], index[0])
    return Spelled((product(element("dy", arguments["dy"], *pixels), _x_hat(arguments, pixels)),))


def _batch_norm_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    """Spell out the three paths of the gradient, or in inference, where the statistics are given, the first alone."""
    c = index[-1]
    pixels = _pixels_of(arguments["x"], c)
    dy = arguments["dy"][pixels].astype("float64")
    scale = (
        element("weight", arguments["weight"], c),
        number("1/√(variance + ε)", 1 / sqrt(float(arguments["variance"][c]) + arguments["epsilon"])),
    )
    own = product(element("dy", arguments["dy"], *index), *scale)
    x_hat = _x_hat(arguments, pixels).values
    here = float(x_hat[np.ravel_multi_index(index[:-1], arguments["x"].shape[:-1])])
    return Spelled(
        (
            own,
            product(number("−mean of dy", -dy.mean()), *scale),
            product(number("−x̂", -here), number("mean of dy ⊙ x̂", (dy * x_hat).mean()), *scale),
        ),
        "three paths: x itself, the mean, the variance",
    )


def _batch_norm_inference_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    return Spelled(_batch_norm_dx(arguments, results, index).parts[:1])


def _pixels_of(x: np.ndarray, c: int) -> tuple[np.ndarray, ...]:
    return (*np.indices(x.shape[:-1]).reshape(x.ndim - 1, -1), np.array(c))


def _x_hat(arguments: Named, pixels: tuple[np.ndarray, ...]) -> Factor:
    c = int(pixels[-1])
    deviation = sqrt(float(arguments["variance"][c]) + arguments["epsilon"])
    values = (arguments["x"][pixels].astype("float64") - float(arguments["mean"][c])) / deviation
    return Factor(values, lambda place: f"x̂[{', '.join(map(str, _at(pixels, place)))}]")


def _at(pixels: tuple[np.ndarray, ...], place: int) -> list[int]:
    return [int(axis[place]) if axis.ndim else int(axis) for axis in pixels]


def _layer_norm_y(arguments: Named, results: Named, index: Index) -> Spelled:
    mean, variance = float(results["mean"][index[:-1]]), float(results["variance"][index[:-1]])
    x = float(arguments["x"][index])
    scaled = product(
        element("weight", arguments["weight"], index[-1]),
        number("(x − mean)", x - mean),
        number("1/√(variance + ε)", 1 / sqrt(variance + arguments["epsilon"])),
    )
    note = f"x = {x:.6g}, mean = {mean:.6g}, variance = {variance:.6g}, ε = {arguments['epsilon']:g}"
    return Spelled((scaled, product(element("bias", arguments["bias"], index[-1]))), note)


def _layer_norm_mean(arguments: Named, results: Named, index: Index) -> Spelled:
    x = arguments["x"]
    c = np.arange(x.shape[-1])
    return Spelled((product(element("x", x, *index, c), number("1/C", 1 / len(c))),))


def _layer_norm_variance(arguments: Named, results: Named, index: Index) -> Spelled:
    values = arguments["x"][index].astype("float64")
    where = ", ".join(map(str, index))
    distance = Factor(values - values.mean(), lambda place: f"(x[{where}, {place}] − mean)")
    return Spelled((product(distance, distance, number("1/C", 1 / len(values))),))


def _layer_norm_dweight(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, x = arguments["dy"], arguments["x"]
    pixels = _pixels_of(x, index[0])
    deviation = np.sqrt(arguments["variance"].astype("float64") + arguments["epsilon"])
    x_hat = (x[..., index[0]].astype("float64") - arguments["mean"]) / deviation
    label = Factor(x_hat.reshape(-1), lambda place: f"x̂[{', '.join(map(str, _at(pixels, place)))}]")
    return Spelled((product(element("dy", dy, *pixels), label),))


def _layer_norm_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    row, c = index[:-1], index[-1]
    deviation = sqrt(float(arguments["variance"][row]) + arguments["epsilon"])
    x_hat = (arguments["x"][row].astype("float64") - float(arguments["mean"][row])) / deviation
    dx_hat = arguments["dy"][row].astype("float64") * arguments["weight"]
    scale = number("1/√(variance + ε)", 1 / deviation)
    return Spelled(
        (
            product(element("dy", arguments["dy"], *index), element("weight", arguments["weight"], c), scale),
            product(number("−mean of dx̂", -dx_hat.mean()), scale),
            product(number("−x̂", -x_hat[c]), number("mean of dx̂ ⊙ x̂", (dx_hat * x_hat).mean()), scale),
        ),
        "three paths: x itself, the mean, the variance; dx̂ = weight ⊙ dy",
    )


def _energies(arguments: Named, pixel: Index) -> np.ndarray:
    """Return s of every channel of a pixel: k + α/size · Σ x² over the channel's window."""
    squares, size = arguments["x"][pixel].astype("float64") ** 2, arguments["size"]
    windows = (squares[max(0, c - size // 2) : c + (size - 1) // 2 + 1] for c in range(len(squares)))
    return np.array([arguments["k"] + arguments["alpha"] / size * window.sum() for window in windows])


def _local_response_norm(arguments: Named, results: Named, index: Index) -> Spelled:
    s = _energies(arguments, index[:-1])[index[-1]]
    return Spelled(
        (product(element("x", arguments["x"], *index), number("1/s^β", s ** -arguments["beta"])),), f"s = {s:.6g}"
    )


def _local_response_norm_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, x, size, beta = arguments["dy"], arguments["x"], arguments["size"], arguments["beta"]
    pixel, c = index[:-1], index[-1]
    s = _energies(arguments, pixel)
    j = np.arange(max(0, c - (size - 1) // 2), min(len(s), c + size // 2 + 1))
    common = number("−2·α·β/size · x", -2 * arguments["alpha"] * beta / size * float(x[index]))
    power = Factor(s[j] ** -(beta + 1), lambda place: f"1/s[{j[place]}]^(β + 1)")
    through_s = product(common, element("dy", dy, *pixel, j), element("x", x, *pixel, j), power)
    return Spelled((product(element("dy", dy, *index), number("1/s^β", s[c] ** -beta)), through_s))


TERMS: dict[tuple[str, str], Speller] = {
    ("batch_norm", "y"): _batch_norm_y,
    ("batch_norm", "mean"): _batch_norm_mean,
    ("batch_norm", "variance"): _batch_norm_variance,
    ("batch_norm_backward", "dx"): _batch_norm_dx,
    ("batch_norm_backward", "dweight"): _batch_norm_dweight,
    ("batch_norm_backward", "dbias"): sum_of_dy,
    ("batch_norm_inference", "y"): _batch_norm_y,
    ("batch_norm_inference_backward", "dx"): _batch_norm_inference_dx,
    ("batch_norm_inference_backward", "dweight"): _batch_norm_dweight,
    ("batch_norm_inference_backward", "dbias"): sum_of_dy,
    ("layer_norm", "y"): _layer_norm_y,
    ("layer_norm", "mean"): _layer_norm_mean,
    ("layer_norm", "variance"): _layer_norm_variance,
    ("layer_norm_backward", "dx"): _layer_norm_dx,
    ("layer_norm_backward", "dweight"): _layer_norm_dweight,
    ("layer_norm_backward", "dbias"): sum_of_dy,
    ("local_response_norm", "y"): _local_response_norm,
    ("local_response_norm_backward", "dx"): _local_response_norm_dx,
}
