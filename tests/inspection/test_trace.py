"""Traces: every array by its name, the same numbers as the layers compute, and each number as its terms."""

from __future__ import annotations

import linecache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import minicnn
from minicnn import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2D,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    ops,
    trace,
    use_kernels,
)
from minicnn.errors import UsageError
from minicnn.inspection import Trace, TracedArray
from minicnn.ops.conv_block import Convolution, Epilogue
from tests.layers.cases import LAYERS

PICTURE = (8, 7, 3)


def network(dtype: str = "float32", fuse: bool = True) -> Sequential:
    body = [Conv2D(4, 3, padding="same"), ReLU(), Conv2D(4, 3, padding="same")]
    layers = [Conv2D(4, 3), ReLU(), Residual(body), MaxPool2D(2), Flatten(), Dropout(0.3), Dense(5)]
    return Sequential(layers, PICTURE, seed=3, dtype=dtype, fuse=fuse)


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((2, *PICTURE)).astype("float32")


LABELS = np.array([1, 4])


class Witness:
    """Keeps copies of what the forward and backward passes of all layers of a network got and gave."""

    def __init__(self, net: Layer) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        for path, layer in net.walk():
            for method, given, returned in (("forward", "x", "y"), ("backward", "dy", "dx")):
                self._watch(layer, method, f"{path}.{given}", f"{path}.{returned}")

    def _watch(self, layer: Layer, method: str, given: str, returned: str) -> None:
        plain = getattr(layer, method)

        def watched(array: np.ndarray, *rest: object, **named: object) -> np.ndarray:
            self.arrays[given] = array.copy()
            result = plain(array, *rest, **named)
            self.arrays[returned] = result.copy()
            return result

        layer.__dict__[method] = watched


@pytest.mark.parametrize("fuse", [True, False])
def test_every_array_is_what_the_layers_compute(x, fuse):
    t = trace(network(fuse=fuse), x, LABELS)
    net, loss = network(fuse=False), SoftmaxCrossEntropy()
    witness = Witness(net)
    with use_kernels("reference"):
        value = loss.forward(net.forward(x, True), LABELS)
        net.backward(loss.backward())
    compared = set(witness.arrays) & set(t.names())
    assert len(compared) >= 4 * len(["conv1", "relu1", "pool1", "dropout1", "dense1", "conv1", "relu1", "conv2"])
    for name in compared:
        np.testing.assert_array_equal(t[name].value, witness.arrays[name], err_msg=name)
    for name, parameter in net.parameters().items():
        path, _, own = name.rpartition(".")
        np.testing.assert_array_equal(t[f"{path}.d{own}"].value, parameter.grad, err_msg=name)
        np.testing.assert_array_equal(t[name].value, parameter.value, err_msg=name)
    assert t["loss"].value == value and t["loss"].shape == ()
    np.testing.assert_array_equal(t["probabilities"].value, loss.probabilities)
    np.testing.assert_array_equal(t["logits"].value, t["dense1.y"].value)


def test_names_follow_the_pass(x):
    t = trace(network(), x, LABELS)
    assert [name.partition(".")[2] for name in t.names() if name.startswith("conv1.")] == [
        "x", "weight", "bias", "columns", "y", "dy", "dcolumns", "dx", "dweight", "dbias",
    ]  # fmt: skip
    assert [array.name for array in t] == t.names() and len(t) == len(t.names())
    assert "residual1.body.conv2.dweight" in t and "residual1.body.conv9.dweight" not in t
    first, last = t.names().index("conv1.x"), t.names().index("conv1.dbias")
    assert first == 0 and last == len(t) - 1
    assert t["conv1.z"] is t["conv1.y"] and t["conv1.dz"] is t["conv1.dy"]
    assert t["relu1.x"].formula == "= conv1.y" and t["conv1.x"].formula == "the batch that was given"
    assert t["dropout1.x"].formula == "= pool1.y, in another shape"
    assert t["labels"].value.tolist() == LABELS.tolist()
    assert t["pool1.x"].formula == "= residual1.y" and t["residual1.y"].formula == "y = body + shortcut"
    assert t["residual1.shortcut"].formula == "= relu1.y" and t["residual1.dx_shortcut"].formula == "= pool1.dx"


def test_the_arrays_on_the_way_are_those_of_the_formula(x):
    t = trace(network(), x, LABELS)
    columns = ops.im2col.reference(x, (3, 3), (1, 1), (0, 0))
    np.testing.assert_array_equal(t["conv1.columns"].value, columns)
    dcolumns = t["conv1.dy"].value.reshape(-1, 4) @ t["conv1.weight"].value.reshape(-1, 4).T
    np.testing.assert_allclose(t["conv1.dcolumns"].value, dcolumns, rtol=1e-5, atol=1e-7)
    assert t["pool1.argmax"].dtype == "uint8" and t["dropout1.keep"].dtype == bool


def test_a_forward_pass_alone(x):
    t = trace(network(), x)
    assert "dense1.y" in t and not any(name.rpartition(".")[2].startswith("d") for name in t.names())


def test_as_the_network_is_used(x):
    """Without training nothing is dropped, and a gradient can be had all the same."""
    t = trace(network(), x, LABELS, training=False)
    assert "dropout1.keep" not in t
    with use_kernels("reference"):
        np.testing.assert_array_equal(t["logits"].value, network().forward(x))
    assert t["conv1.dx"].shape == x.shape


def test_nothing_of_the_network_changes(x):
    net, alike = network(), network()
    for each in (net, alike):
        each.forward(x, True)  # what this pass keeps, and the generator's place, must outlast the trace
    generator = net.dropout1.rng.generator
    state, kept, copied = generator.bit_generator.state, net.conv1.x, x.copy()
    trace(net, x, LABELS)
    assert generator.bit_generator.state == state and net.conv1.x is kept
    assert all(parameter.grad is None for parameter in net.parameters().values())
    np.testing.assert_array_equal(x, copied)
    dy = np.ones((2, 5), "float32")
    np.testing.assert_array_equal(net.backward(dy), alike.backward(dy))
    for name, parameter in net.parameters().items():
        np.testing.assert_array_equal(parameter.grad, alike.parameters()[name].grad)


def test_the_network_cannot_change_the_trace_nor_the_trace_the_network(x):
    net = network()
    t = trace(net, x, LABELS)
    weight = t["conv1.weight"].value.copy()
    net.conv1.weight.value[:] = 0
    x[:] = 0
    np.testing.assert_array_equal(t["conv1.weight"].value, weight)
    assert t["conv1.x"].max > 0
    with pytest.raises(ValueError, match="read-only"):
        t["conv1.y"].value[:] = 0


class Twice(Layer):
    """y = relu(x·W)·W: one weight used two times by operations of the layer's own, and one array changed in place."""

    def resolve(self, input_shape):
        (d,) = input_shape
        self.matrix, self.zero = Parameter.declared((d, d), "glorot_uniform"), Parameter.declared((d,))
        return input_shape

    def forward(self, x, training=False):
        middle = ops.relu(ops.dense(x, self.matrix.value, self.zero.value))
        y = ops.dense(middle, self.matrix.value, self.zero.value)
        self.keep(training, x=x, middle=middle)
        y *= 2
        return y

    def backward(self, dy, input_gradient=True):
        x, middle = self.take("x"), self.take("middle")
        dmiddle, dmatrix, dzero = ops.dense_backward(dy * 2, middle, self.matrix.value)
        self.matrix.accumulate(dmatrix, own=True)
        self.zero.accumulate(dzero, own=True)
        dx, dmatrix, dzero = ops.dense_backward(ops.relu_backward(dmiddle, middle), x, self.matrix.value)
        self.matrix.accumulate(dmatrix, own=True)  # adds into the array that the first call returned
        self.zero.accumulate(dzero, own=True)
        return dx


def test_a_layer_of_one_s_own_is_traced_and_what_it_does_twice_is_numbered(rng):
    net = Sequential({"mine": Twice(), "last": Dense(3)}, (4,), seed=1)
    x = rng.standard_normal((2, 4)).astype("float32")
    t = trace(net, x, np.array([0, 1]))
    first, relu, second = (t[f"mine.{name}"] for name in ("y", "y2", "y3"))
    matrix = t["mine.weight"].value
    assert t["mine.weight"].formula == "the network's mine.matrix"
    np.testing.assert_allclose(first.value, x @ matrix, rtol=1e-5)
    np.testing.assert_array_equal(relu.value, np.maximum(first.value, 0))
    np.testing.assert_allclose(second.value, relu.value @ matrix, rtol=1e-5)
    np.testing.assert_array_equal(t["last.x"].value, 2 * second.value)
    assert t["last.x"].formula == "made without an operation"
    net.forward(x, True)
    net.backward(np.array(t["dlogits"].value))
    whole = t["mine.dweight"].value + t["mine.dweight2"].value
    np.testing.assert_allclose(whole, net.mine.matrix.grad, rtol=1e-4, atol=1e-6)


def test_fast_mode_shows_what_the_kernels_compute(x):
    net = network()
    t = trace(net, x, LABELS, kernels="fast")
    np.testing.assert_allclose(t["logits"].value, trace(network(), x, LABELS)["logits"].value, rtol=1e-4, atol=1e-5)
    assert "conv1+relu1.y" in t and "residual1.body.conv1+relu1.dweight" in t
    assert "conv1.columns" not in t
    assert "kernels/cpu/conv_block.py:" in t["conv1+relu1.y"].source
    with pytest.raises(UsageError, match='kernels="reference"'):
        t.explain("conv1+relu1.y", (0, 0, 0, 0))


def test_a_block_in_reference_mode_shows_what_it_is_composed_of(rng):
    class Block(Layer):
        def forward(self, x, training=False):
            return ops.conv_block(x, np.ones((2, 2, 3, 4), "float32"), None, Convolution(), Epilogue(relu=True))[0]

    net = Sequential({"block": Block()}, (4, 4, 3))
    t = trace(net, rng.standard_normal((1, 4, 4, 3)).astype("float32"))
    assert {"block.x", "block.y", "block.columns", "block.conv2d.y"} <= set(t.names())
    np.testing.assert_array_equal(np.maximum(t["block.conv2d.y"].value, 0), t["block.y"].value)


def arrays_to_explain(t: Trace) -> list[TracedArray]:
    """Return the arrays whose numbers have terms: what operations returned, and what convolutions make on the way."""
    made = [array for array in t if array.source and array._result != "keep"]
    return [array for array in made if array._result in (*array._step.results, "dcolumns")]


@pytest.mark.parametrize("name", LAYERS)
def test_the_terms_of_every_number_add_up_to_it(name, rng):
    make, shape = LAYERS[name]
    flat = [Flatten()] if len(make().fix_shapes(shape)) > 1 else []
    net = Sequential([make(), *flat, Dense(3)], shape, dtype="float64")
    for variable in net.variables().values():
        variable.value = variable.value + 0.1 * rng.random(variable.shape)  # biases and scales that are not 0 or 1
    t = trace(net, rng.standard_normal((2, *shape)), np.array([0, 2]))
    explained = 0
    for array in arrays_to_explain(t):
        for _ in range(4):
            index = tuple(int(rng.integers(size)) for size in array.shape)
            explanation = t.explain(array.name, index)
            assert explanation.value == array.value[index]
            values = [term.value for term in explanation.terms]
            np.testing.assert_allclose(explanation.values, values)
            scale = np.abs(values).max(initial=abs(explanation.value))
            assert abs(explanation.sum - array.value[index]) <= 1e-9 * max(scale, 1e-3), str(explanation)
            explained += 1
    assert explained > 20


def test_an_explanation_says_each_product():
    x = np.arange(1.0, 17).reshape(1, 4, 4, 1)
    net = Sequential([Conv2D(1, 2, padding=1), Flatten(), Dense(2)], (4, 4, 1), dtype="float64")
    net.conv1.weight.value[..., 0, 0] = [[1, 2], [3, 4]]
    net.conv1.bias.value[:] = 0.5
    t = trace(net, x, np.array([0]))
    assert str(t.explain("conv1.y", (0, 1, 1, 0))).splitlines()[3:] == [
        "    x[0, 0, 0, 0] · weight[0, 0, 0, 0] = 1 · 1 = 1",
        "    x[0, 0, 1, 0] · weight[0, 1, 0, 0] = 2 · 2 = 4",
        "    x[0, 1, 0, 0] · weight[1, 0, 0, 0] = 5 · 3 = 15",
        "    x[0, 1, 1, 0] · weight[1, 1, 0, 0] = 6 · 4 = 24",
        "    bias[0] = 0.5",
        "  5 terms, sum 44.5",
    ]
    corner = t.explain("conv1.y", (0, 0, 0, 0))
    assert corner.value == 1 * 4 + 0.5 and [term.value for term in corner.terms] == [4, 0.5]
    assert "3 of 4 of the filter's products lie in the padding" in corner.note
    assert t.explain("conv1.y", (0, -1, -1, 0)).index == (0, 4, 4, 0)


def test_a_long_sum_shows_its_largest_terms(rng):
    net = Sequential([Conv2D(2, 3), Flatten(), Dense(2)], (20, 20, 1), dtype="float64")
    t = trace(net, rng.standard_normal((2, 20, 20, 1)), np.array([0, 1]))
    explanation = t.explain("conv1.dbias", 1)
    assert len(explanation.terms) == 2 * 18 * 18
    text = str(explanation)
    assert "and 616 smaller ones" in text and "648 terms" in text
    assert len(text.splitlines()) < 40
    largest = max(explanation.terms, key=lambda term: abs(term.value))
    assert largest.text in text


def test_formulas_come_from_the_operations_and_sources_are_lines_of_them(x):
    t = trace(network(), x, LABELS)
    assert t["conv1.y"].formula == "Y = im2col(x)·W + bias"
    assert t["conv1.dweight"].formula == "dW = Xᵀ·dY"
    assert t["relu1.dx"].formula == "dx = dy ⊙ [y > 0]"
    assert t["dense1.dx"].formula == "dx = dy·Wᵀ"
    assert t["dlogits"].formula == "dlogits = (p − q) / N"
    assert t["conv1.columns"].formula.startswith("columns[(n, i, j), (ky, kx, c)] = x[n, ")
    assert t["pool1.y"].formula.startswith("y[n, i, j, c] = max over (ky, kx)")
    for name, code in {
        "conv1.dweight": "dweight = ",
        "conv1.dcolumns": "dcolumns = ",
        "conv1.dx": "return col2im(",
        "pool1.argmax": "argmax[",
        "relu1.y": "return ",
        "loss": "loss = ",
    }.items():
        file, _, line = t[name].source.rpartition(":")
        assert file.startswith("minicnn/ops/")
        path = Path(minicnn.__path__[0]).parent / file
        assert linecache.getline(str(path), int(line)).strip().startswith(code), t[name].source


def test_it_prints_as_a_table_that_fits(x):
    t = trace(network(), x, LABELS)
    lines = str(t).splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.strip().split()[0] == "dweight" for line in lines if line.strip()) == 4
    assert "residual1.body.conv1" in lines
    assert str(t["conv1.dweight"]).startswith("conv1.dweight: 3×3×3×4, float32; min ")
    assert "conv1" in repr(t["conv1.y"]) and str(len(t)) in repr(t)


def test_statistics_are_those_of_the_array():
    t = trace(Sequential([ReLU()], (4,)), np.array([[-1.0, 0.0, 1.0, 4.0]], "float32"))
    y = t["relu1.y"]
    assert (y.shape, y.dtype, y.min, y.max, y.mean, y.zeros) == ((1, 4), np.dtype("float32"), 0, 4, 1.25, 0.5)


@pytest.mark.parametrize("name", ["trace.npz", "trace.safetensors"])
def test_it_saves_every_array_by_name(x, tmp_path, name):
    t = trace(network(), x, LABELS)
    t.save(tmp_path / name)
    arrays = dict(np.load(tmp_path / name)) if name.endswith("npz") else load_file(tmp_path / name)
    assert set(arrays) == set(t.names())
    for array in t:
        np.testing.assert_array_equal(arrays[array.name], array.value)
        assert arrays[array.name].dtype == array.dtype
    with pytest.raises(UsageError, match=r"should end in \.npz or \.safetensors"):
        t.save(tmp_path / "trace.txt")


def test_what_is_asked_for_wrongly_is_said(x):
    t = trace(network(), x, LABELS)
    with pytest.raises(UsageError, match=r"no 'conv1.q'; there are, of conv1: conv1.x, conv1.weight"):
        t["conv1.q"]
    with pytest.raises(UsageError, match=r"layers: conv1, relu1, residual1.body.conv1"):
        t["convolution.x"]
    with pytest.raises(UsageError, match=r"no number at \(0, 99, 0, 0\)"):
        t.explain("conv1.y", (0, 99, 0, 0))
    with pytest.raises(UsageError, match=r"no number at \(0,\)"):
        t.explain("conv1.y", 0)
    for index in ((0, 1.5, 2, 3), 1.5, "abcd", None, (0, True, 0, 0)):
        with pytest.raises(UsageError, match=r"of conv1\.y should be made of whole numbers"):
            t.explain("conv1.y", index)
    with pytest.raises(UsageError, match=r"conv1.x was given, not computed"):
        t.explain("conv1.x", (0, 0, 0, 0))
    with pytest.raises(UsageError, match="unknown kernels 'quick'"):
        trace(network(), x, LABELS, kernels="quick")


def test_a_single_layer_is_traced_under_plain_names(rng):
    layer = Dense(3)
    layer.build((4,), rng)
    t = trace(layer, rng.standard_normal((2, 4)).astype("float32"), np.array([0, 1]))
    assert {"x", "y", "dx", "dweight", "loss"} <= set(t.names())
