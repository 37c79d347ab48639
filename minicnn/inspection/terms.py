"""One number of an operation's result, spelled out as the terms that it is the sum of.

Each function below takes the arguments and the results of one call of an operation (NumPy arrays and settings, by
name) and the place of a number in one of its results, and returns what that number is made of: `Products`, each a
product of factors, whose sum it is. Most numbers of a network are sums of products; the few that are not (a maximum, a
function value) are one term, and a note says how it came about. Elements that lie in the padding are 0 and left out.

`RESULTS` says what an operation's results are called; `TERMS`, at the end, which function spells out which of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod, sqrt
from typing import Any, NamedTuple

import numpy as np

from minicnn.ops.windows import Pair, pad_amounts

Index = tuple[int, ...]
Named = Mapping[str, Any]  # arguments or results by name

_GRADIENTS = ("dx", "dweight", "dbias")
_STATISTICS = ("y", "mean", "variance")
RESULTS: dict[str, tuple[str, ...]] = {
    "im2col": ("columns",),
    "col2im": ("dx",),
    "max_pool2d": ("y", "argmax"),
    "conv_block": ("y", "argmax"),
    "dropout": ("y", "keep"),
    "batch_norm": _STATISTICS,
    "layer_norm": _STATISTICS,
    "norm_block": _STATISTICS,
    "norm_block_backward": (*_GRADIENTS, "dresidual"),
    "softmax": ("probabilities",),
    "softmax_cross_entropy": ("loss", "probabilities"),
    "softmax_cross_entropy_backward": ("dlogits",),
}


def result_names(operation: str, count: int) -> tuple[str, ...]:
    """Return what the `count` results of the operation of that name are called.

    As in RESULTS, or else y forward, and dx, dweight, dbias backward.
    """
    names = RESULTS.get(operation, _GRADIENTS if operation.endswith("_backward") else ("y",))
    return (*names, *(f"result{place}" for place in range(len(names) + 1, count + 1)))[:count]


class Factor(NamedTuple):
    """One factor of many products: `values`, in float64, and in words what the one at a place is."""

    values: np.ndarray
    label: Callable[[int], str]


class Products(NamedTuple):
    """Terms of one kind: products of the same factors."""

    factors: tuple[Factor, ...]

    @property
    def values(self) -> np.ndarray:
        """The products."""
        return np.prod(np.broadcast_arrays(*(factor.values for factor in self.factors)), axis=0)

    def text(self, place: int) -> str:
        """Return one of the products: in words, in numbers, and worked out."""
        names = " · ".join(factor.label(place) for factor in self.factors)
        numbers = [float(factor.values[place if len(factor.values) > 1 else 0]) for factor in self.factors]
        worked_out = f" = {prod(numbers):.6g}" if len(numbers) > 1 else ""
        return f"{names} = {' · '.join(f'{value:.6g}' for value in numbers)}{worked_out}"


class Spelled(NamedTuple):
    """What a number is made of: terms to be added up, and a note on what else is to know."""

    parts: tuple[Products, ...]
    note: str = ""


def element(name: str, array: np.ndarray, *index: Any) -> Factor:
    """Return the elements of an array at an index whose entries are numbers, or arrays of them, as a factor."""
    where = np.broadcast_arrays(*(np.atleast_1d(np.asarray(axis, dtype=np.intp)) for axis in index))

    def label(place: int) -> str:
        return f"{name}[{', '.join(str(axis[place if len(axis) > 1 else 0]) for axis in where)}]"

    return Factor(array[tuple(where)].astype("float64"), label)


def number(name: str, value: float) -> Factor:
    """Return a number, the same in every product, as a factor called `name`."""
    return Factor(np.array([value], dtype="float64"), lambda place: name)


def _one(*factors: Factor) -> Products:
    return Products(tuple(factors))


# Windows: how a convolution or pool slides, from the arguments of its operation.


class _Window(NamedTuple):
    """The geometry of a call: the window, its steps, and the padding at the top and the left, in pixels."""

    kernel: Pair
    stride: Pair
    corner: Pair
    dilation: Pair

    def pixels(self, i: Any, j: Any, ky: Any, kx: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the row and the column of the picture that element (ky, kx) of window (i, j) lies on."""
        rows = np.asarray(i) * self.stride[0] + np.asarray(ky) * self.dilation[0] - self.corner[0]
        columns = np.asarray(j) * self.stride[1] + np.asarray(kx) * self.dilation[1] - self.corner[1]
        return rows, columns

    def elements(self) -> tuple[np.ndarray, np.ndarray]:
        """Return ky and kx of every element of the window, read row by row."""
        ky, kx = np.indices(self.kernel).reshape(2, -1)
        return ky, kx

    def windows_on(self, y: int, x: int, outputs: Pair) -> tuple[np.ndarray, ...]:
        """Return i, j, ky and kx of all windows, and their elements, that lie on the pixel (y, x)."""
        ky, kx = self.elements()
        down = y + self.corner[0] - ky * self.dilation[0]
        right = x + self.corner[1] - kx * self.dilation[1]
        i, j = down // self.stride[0], right // self.stride[1]
        fits = (down % self.stride[0] == 0) & (right % self.stride[1] == 0)
        fits &= (i >= 0) & (i < outputs[0]) & (j >= 0) & (j < outputs[1])
        return i[fits], j[fits], ky[fits], kx[fits]


def _window(arguments: Named, kernel: Pair) -> _Window:
    (top, _), (left, _) = pad_amounts(arguments["padding"])
    return _Window(kernel, arguments["stride"], (top, left), arguments.get("dilation", (1, 1)))


def _inside(rows: np.ndarray, columns: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    return (rows >= 0) & (rows < shape[1]) & (columns >= 0) & (columns < shape[2])


def _padding_note(inside: np.ndarray, what: str = "the window's elements") -> str:
    left_out = int(inside.size - inside.sum())
    return f"{left_out} of {inside.size} of {what} lie in the padding, and count as 0" if left_out else ""


def _conv2d(arguments: Named, results: Named, index: Index) -> Spelled:
    x, weight, bias = arguments["x"], arguments["weight"], arguments["bias"]
    kh, kw, channels, filters = weight.shape
    n, i, j, f = index
    first = f // (filters // arguments.get("groups", 1)) * channels  # the channel that the filter's group begins with
    ky, kx, c = np.indices((kh, kw, channels)).reshape(3, -1)
    rows, columns = _window(arguments, (kh, kw)).pixels(i, j, ky, kx)
    inside = _inside(rows, columns, x.shape)
    ky, kx, c, rows, columns = (axis[inside] for axis in (ky, kx, c, rows, columns))
    products = _one(element("x", x, n, rows, columns, first + c), element("weight", weight, ky, kx, c, f))
    parts = (products,) if bias is None else (products, _one(element("bias", bias, f)))
    return Spelled(parts, _padding_note(inside, "the filter's products"))


def _conv2d_dweight(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, x, weight = arguments["dy"], arguments["x"], arguments["weight"]
    ky, kx, c, f = index
    first = f // (weight.shape[3] // arguments.get("groups", 1)) * weight.shape[2]
    n, i, j = np.indices(dy.shape[:3]).reshape(3, -1)
    rows, columns = _window(arguments, weight.shape[:2]).pixels(i, j, ky, kx)
    inside = _inside(rows, columns, x.shape)
    n, i, j, rows, columns = (axis[inside] for axis in (n, i, j, rows, columns))
    products = _one(element("x", x, n, rows, columns, first + c), element("dy", dy, n, i, j, f))
    return Spelled((products,), _padding_note(inside, "the filter's places"))


def _conv2d_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, weight, groups = arguments["dy"], arguments["weight"], arguments.get("groups", 1)
    n, y, x, c = index
    channels, filters = weight.shape[2], weight.shape[3] // groups
    group, channel = divmod(c, channels)
    i, j, ky, kx = _window(arguments, weight.shape[:2]).windows_on(y, x, dy.shape[1:3])
    place, f = np.indices((len(i), filters)).reshape(2, -1)
    f = f + group * filters
    return Spelled(
        (
            _one(
                element("dy", dy, n, i[place], j[place], f), element("weight", weight, ky[place], kx[place], channel, f)
            ),
        ),
        f"{len(i)} of the filter's places lie on this pixel",
    )


def _sum_of_dy(arguments: Named, results: Named, index: Index) -> Spelled:
    """Spell out a bias' gradient: dy, added up over all axes but the last."""
    dy = arguments["dy"]
    others = np.indices(dy.shape[:-1]).reshape(dy.ndim - 1, -1)
    return Spelled((_one(element("dy", dy, *others, index[0])),))


def _im2col(arguments: Named, results: Named, index: Index) -> Spelled:
    x, (kh, kw) = arguments["x"], arguments["kernel"]
    window = _window(arguments, (kh, kw))
    pictures, outputs = x.shape[0], len(results["columns"]) // x.shape[0]
    width = _outputs_across(x.shape[2], window, pad_amounts(arguments["padding"])[1])
    n, i, j = np.unravel_index(index[0], (pictures, outputs // width, width))
    ky, kx, c = np.unravel_index(index[1], (kh, kw, x.shape[3]))
    rows, columns = window.pixels(i, j, ky, kx)
    if not _inside(rows, columns, x.shape):
        return Spelled((), "the element lies in the padding, and is 0")
    return Spelled((_one(element("x", x, n, rows, columns, c)),), f"window ({i}, {j}) of picture {n}, copied")


def _outputs_across(width: int, window: _Window, padding: Pair) -> int:
    reach = (window.kernel[1] - 1) * window.dilation[1] + 1
    return (width + sum(padding) - reach) // window.stride[1] + 1


def _dcolumns(arguments: Named, results: Named, index: Index) -> Spelled:
    """Spell out a number of the matrix that conv2d_backward hands to col2im: dY·Wᵀ."""
    dy, weight = arguments["dy"], arguments["weight"]
    n, i, j = np.unravel_index(index[0], dy.shape[:3])
    ky, kx, c = np.unravel_index(index[1], weight.shape[:3])
    f = np.arange(weight.shape[3])
    return Spelled((_one(element("dy", dy, n, i, j, f), element("weight", weight, ky, kx, c, f)),))


def _max_pool2d(arguments: Named, results: Named, index: Index) -> Spelled:
    x, size = arguments["x"], arguments["size"]
    n, i, j, c = index
    window = _window(arguments, size)
    ky, kx = window.elements()
    rows, columns = window.pixels(i, j, ky, kx)
    inside = _inside(rows, columns, x.shape)
    rows, columns = rows[inside], columns[inside]
    values = x[n, rows, columns, c]
    place = int(np.argmax(values))  # of equal ones the first; NaN before any number
    listed = ", ".join(f"{value:.6g}" for value in values[:25]) + (", …" if len(values) > 25 else "")
    note = f"the largest of the window's {len(values)}: {listed}"
    return Spelled((_one(element("x", x, n, rows[place], columns[place], c)),), note)


def _max_pool2d_argmax(arguments: Named, results: Named, index: Index) -> Spelled:
    size = arguments["size"]
    ky, kx = divmod(int(results["argmax"][index]), size[1])
    note = f"element (ky, kx) = ({ky}, {kx}) of the {size[0]}×{size[1]} window is the largest: ky·{size[1]} + kx"
    return Spelled((_one(number("ky", ky), number("KW", size[1])), _one(number("kx", kx))), note)


def _max_pool2d_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, argmax, size = arguments["dy"], arguments["argmax"], arguments["size"]
    n, y, x, c = index
    i, j, ky, kx = _window(arguments, size).windows_on(y, x, dy.shape[1:3])
    wins = argmax[n, i, j, c] == ky * size[1] + kx
    note = f"of {len(i)} windows on this pixel, it is the largest in {int(wins.sum())}"
    return Spelled((_one(element("dy", dy, n, i[wins], j[wins], c)),), note)


def _avg_pool2d(arguments: Named, results: Named, index: Index) -> Spelled:
    x, size = arguments["x"], arguments["size"]
    n, i, j, c = index
    window = _window(arguments, size)
    rows, columns = window.pixels(i, j, *window.elements())
    inside = _inside(rows, columns, x.shape)
    share = number("1/(KH·KW)", 1 / prod(size))
    return Spelled((_one(element("x", x, n, rows[inside], columns[inside], c), share),), _padding_note(inside))


def _avg_pool2d_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, size = arguments["dy"], arguments["size"]
    n, y, x, c = index
    i, j, _, _ = _window(arguments, size).windows_on(y, x, dy.shape[1:3])
    return Spelled((_one(element("dy", dy, n, i, j, c), number("1/(KH·KW)", 1 / prod(size))),))


def _dense(arguments: Named, results: Named, index: Index) -> Spelled:
    x, weight, bias = arguments["x"], arguments["weight"], arguments["bias"]
    n, u = index
    d = np.arange(x.shape[1])
    products = _one(element("x", x, n, d), element("weight", weight, d, u))
    return Spelled((products,) if bias is None else (products, _one(element("bias", bias, u))))


def _dense_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, weight = arguments["dy"], arguments["weight"]
    n, d = index
    u = np.arange(dy.shape[1])
    return Spelled((_one(element("dy", dy, n, u), element("weight", weight, d, u)),))


def _dense_dweight(arguments: Named, results: Named, index: Index) -> Spelled:
    dy, x = arguments["dy"], arguments["x"]
    d, u = index
    n = np.arange(dy.shape[0])
    return Spelled((_one(element("x", x, n, d), element("dy", dy, n, u)),))


def _dropout(arguments: Named, results: Named, index: Index) -> Spelled:
    scale = number("1/(1 − rate)", 1 / (1 - arguments["rate"]))
    return Spelled((_one(element("x", arguments["x"], *index), element("keep", results["keep"], *index), scale),))


def _dropout_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    scale = number("1/(1 − rate)", 1 / (1 - arguments["rate"]))
    return Spelled((_one(element("dy", arguments["dy"], *index), element("keep", arguments["keep"], *index), scale),))


# Batch norm: the statistics are sums over all pixels of a channel; y and dx of a pixel need only its channel's.


def _pixels_of(x: np.ndarray, c: int) -> tuple[np.ndarray, ...]:
    return (*np.indices(x.shape[:-1]).reshape(x.ndim - 1, -1), np.array(c))


def _batch_norm_y(arguments: Named, results: Named, index: Index) -> Spelled:
    statistics = results if "mean" in results else arguments  # in inference they are given
    c = index[-1]
    mean, variance = float(statistics["mean"][c]), float(statistics["variance"][c])
    x = float(arguments["x"][index])
    return Spelled(
        (
            _one(
                element("weight", arguments["weight"], c), number("(x − mean)", x - mean),
                number("1/√(variance + ε)", 1 / sqrt(variance + arguments["epsilon"])),
            ),
            _one(element("bias", arguments["bias"], c)),
        ),
        f"x = {x:.6g}, mean = {mean:.6g}, variance = {variance:.6g}, ε = {arguments['epsilon']:g}",
    )  # fmt: skip


def _batch_norm_mean(arguments: Named, results: Named, index: Index) -> Spelled:
    x = arguments["x"]
    pixels = _pixels_of(x, index[0])
    return Spelled((_one(element("x", x, *pixels), number("1/M", 1 / len(pixels[0]))),))


def _batch_norm_variance(arguments: Named, results: Named, index: Index) -> Spelled:
    pixels = _pixels_of(arguments["x"], index[0])
    values = arguments["x"][pixels].astype("float64")
    distance = Factor(values - values.mean(), lambda place: f"(x[{', '.join(map(str, _at(pixels, place)))}] − mean)")
    return Spelled((_one(distance, distance, number("1/M", 1 / len(values))),))


def _batch_norm_dweight(arguments: Named, results: Named, index: Index) -> Spelled:
    pixels = _pixels_of(arguments["x"], index[0])
    return Spelled((_one(element("dy", arguments["dy"], *pixels), _x_hat(arguments, pixels)),))


def _batch_norm_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    """Spell out the three paths of the gradient, or in inference, where the statistics are given, the first alone."""
    c = index[-1]
    pixels = _pixels_of(arguments["x"], c)
    dy = arguments["dy"][pixels].astype("float64")
    scale = (
        element("weight", arguments["weight"], c),
        number("1/√(variance + ε)", 1 / sqrt(float(arguments["variance"][c]) + arguments["epsilon"])),
    )
    own = _one(element("dy", arguments["dy"], *index), *scale)
    x_hat = _x_hat(arguments, pixels).values
    here = float(x_hat[np.ravel_multi_index(index[:-1], arguments["x"].shape[:-1])])
    return Spelled(
        (
            own,
            _one(number("−mean of dy", -dy.mean()), *scale),
            _one(number("−x̂", -here), number("mean of dy ⊙ x̂", (dy * x_hat).mean()), *scale),
        ),
        "three paths: x itself, the mean, the variance",
    )


def _batch_norm_inference_dx(arguments: Named, results: Named, index: Index) -> Spelled:
    return Spelled(_batch_norm_dx(arguments, results, index).parts[:1])


def _x_hat(arguments: Named, pixels: tuple[np.ndarray, ...]) -> Factor:
    c = int(pixels[-1])
    deviation = sqrt(float(arguments["variance"][c]) + arguments["epsilon"])
    values = (arguments["x"][pixels].astype("float64") - float(arguments["mean"][c])) / deviation
    return Factor(values, lambda place: f"x̂[{', '.join(map(str, _at(pixels, place)))}]")


def _at(pixels: tuple[np.ndarray, ...], place: int) -> list[int]:
    return [int(axis[place]) if axis.ndim else int(axis) for axis in pixels]


# Softmax and cross-entropy.


def _softmax(arguments: Named, results: Named, index: Index) -> Spelled:
    n, k = index
    row = arguments["logits"][n].astype("float64")
    exponentials = np.exp(row - row.max())
    note = f"e to the power of logits[{n}, {k}] − their maximum {row.max():.6g}, divided by the sum over all classes"
    return Spelled((_one(number("e^(z − max)", exponentials[k]), number("1/Σ", 1 / exponentials.sum())),), note)


def _cross_entropy(arguments: Named, results: Named, index: Index) -> Spelled:
    logits = arguments["logits"].astype("float64")
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    target = _target(arguments, logits.shape)
    n, k = np.nonzero(target)
    return Spelled(
        (_one(element("−q", -target, n, k), element("log p", log_p, n, k), number("1/N", 1 / len(logits))),),
        "the mean over the samples; classes with q = 0 add nothing",
    )


def _dlogits(arguments: Named, results: Named, index: Index) -> Spelled:
    p = arguments["probabilities"]
    share = number("1/N", 1 / len(p))
    target = _target(arguments, p.shape)
    return Spelled((_one(element("p", p, *index), share), _one(element("−q", -target, *index), share)))


def _target(arguments: Named, shape: tuple[int, ...]) -> np.ndarray:
    """Return q, the target: the one-hot label, softened."""
    smoothing = arguments["label_smoothing"]
    one_hot = np.arange(shape[1]) == arguments["labels"].reshape(-1, 1)
    return (1 - smoothing) * one_hot + smoothing / shape[1]


Speller = Callable[[Named, Named, Index], Spelled]
TERMS: dict[tuple[str, str], Speller] = {
    ("conv2d", "y"): _conv2d,
    ("conv2d_backward", "dweight"): _conv2d_dweight,
    ("conv2d_backward", "dbias"): _sum_of_dy,
    ("conv2d_backward", "dx"): _conv2d_dx,
    ("conv2d_backward", "dcolumns"): _dcolumns,
    ("im2col", "columns"): _im2col,
    ("max_pool2d", "y"): _max_pool2d,
    ("max_pool2d", "argmax"): _max_pool2d_argmax,
    ("max_pool2d_backward", "dx"): _max_pool2d_dx,
    ("avg_pool2d", "y"): _avg_pool2d,
    ("avg_pool2d_backward", "dx"): _avg_pool2d_dx,
    ("dense", "y"): _dense,
    ("dense_backward", "dx"): _dense_dx,
    ("dense_backward", "dweight"): _dense_dweight,
    ("dense_backward", "dbias"): _sum_of_dy,
    ("dropout", "y"): _dropout,
    ("dropout_backward", "dx"): _dropout_dx,
    ("batch_norm", "y"): _batch_norm_y,
    ("batch_norm", "mean"): _batch_norm_mean,
    ("batch_norm", "variance"): _batch_norm_variance,
    ("batch_norm_backward", "dx"): _batch_norm_dx,
    ("batch_norm_backward", "dweight"): _batch_norm_dweight,
    ("batch_norm_backward", "dbias"): _sum_of_dy,
    ("batch_norm_inference", "y"): _batch_norm_y,
    ("batch_norm_inference_backward", "dx"): _batch_norm_inference_dx,
    ("batch_norm_inference_backward", "dweight"): _batch_norm_dweight,
    ("batch_norm_inference_backward", "dbias"): _sum_of_dy,
    ("softmax", "probabilities"): _softmax,
    ("softmax_cross_entropy", "probabilities"): _softmax,
    ("softmax_cross_entropy", "loss"): _cross_entropy,
    ("softmax_cross_entropy_backward", "dlogits"): _dlogits,
}


def spell(operation: Any, arguments: Named, results: Named, name: str, index: Index) -> Spelled | None:
    """Return what the number at `index` of the result `name` of a call is made of, or None where nobody knows.

    An operation that TERMS does not list, and that turns each number into another, is tried on that number alone.
    """
    speller = TERMS.get((operation.__name__, name))
    return speller(arguments, results, index) if speller else _element_by_element(operation, arguments, results, index)


def _element_by_element(operation: Any, arguments: Named, results: Named, index: Index) -> Spelled | None:
    """Return y as the function of one x, or dx as dy times the slope there, if the operation does no more than that."""
    (result,) = list(results.values())[:1]
    arrays = {name: value for name, value in arguments.items() if isinstance(value, np.ndarray)}
    if len(results) != 1 or any(array.shape != result.shape for array in arrays.values()):
        return None
    alone = {name: array[index].reshape(1) for name, array in arrays.items()}
    value = float(operation.reference(**{**arguments, **alone})[0])
    if not np.isclose(value, result[index], rtol=1e-5, atol=0, equal_nan=True):
        return None
    given = ", ".join(f"{name}[{', '.join(map(str, index))}] = {float(a[0]):.6g}" for name, a in alone.items())
    if "dy" not in alone:
        return Spelled((_one(number(f"{operation.__name__}({', '.join(alone)})", value)),), given)
    ones = {**alone, "dy": np.ones_like(alone["dy"])}
    slope = float(operation.reference(**{**arguments, **ones})[0])
    return Spelled((_one(element("dy", arrays["dy"], *index), number("slope", slope)),), given)
