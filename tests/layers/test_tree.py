"""The tree of layers: what a layer of one's own holds is found, saved, converted and checked without registration."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import (
    SGD,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    State,
    gradcheck,
)
from minicnn.errors import ShapeError, UsageError
from minicnn.inspection import summarize
from minicnn.layers.initializers import INITIALIZERS
from tests.layers.two_paths import TwoPaths


def network(seed=0, dtype="float32"):
    return Sequential([TwoPaths(4), ReLU(), Flatten(), Dense(3)], (6, 5, 2), seed=seed, dtype=dtype)


NAMES = [
    "twopaths1.scale", "twopaths1.paths.0.weight", "twopaths1.paths.0.bias", "twopaths1.paths.1.conv1.weight",
    "twopaths1.paths.1.conv1.bias", "dense1.weight", "dense1.bias",
]  # fmt: skip


def test_layers_are_found_in_attributes_lists_and_dicts():
    net = network()
    assert list(net.twopaths1.children()) == ["paths.0", "paths.1", "heads.drop"]
    assert list(net.parameters()) == NAMES
    assert list(net.state()) == [NAMES[0], "twopaths1.average", *NAMES[1:]]
    assert list(net.random_generators()) == ["twopaths1.heads.drop.rng"]
    assert net.twopaths1.paths[1].conv1.name == "twopaths1.paths.1.conv1"


def test_it_trains_all_that_it_holds(mode, rng):
    net, loss = network(), SoftmaxCrossEntropy()
    before = {name: array.copy() for name, array in net.state().items()}
    optimizer = SGD(net.parameters(), lr=0.1)
    x, labels = rng.standard_normal((8, 6, 5, 2)).astype("float32"), rng.integers(3, size=8)
    first = loss.forward(net.forward(x, training=True), labels)
    for _ in range(30):
        value = loss.forward(net.forward(x, training=True), labels)
        net.backward(loss.backward(), input_gradient=False)
        optimizer.step()
        optimizer.zero_grad()
    assert value < first / 2
    assert not any(np.array_equal(before[name], array) for name, array in net.state().items())


def test_it_is_saved_loaded_and_converted_whole(tmp_path, rng):
    net, other = network(seed=1), network(seed=2)
    net.forward(rng.standard_normal((2, 6, 5, 2)).astype("float32"), training=True)  # moves the running mean
    net.save(tmp_path / "net.safetensors")
    other.load(tmp_path / "net.safetensors")
    for name, array in net.state().items():
        np.testing.assert_array_equal(other.state()[name], array, err_msg=name)
    net.convert("float64")
    assert {array.dtype.name for array in net.state().values()} == {"float64"}
    assert net.forward(rng.standard_normal((1, 6, 5, 2))).dtype == "float64"


def test_its_gradients_are_checked_and_its_costs_are_counted():
    assert gradcheck(network(), (6, 5, 2)).passed
    rows = {row.name: row for row in summarize(network()).rows}
    assert rows["twopaths1"].flops == 2 * 6 * 5 * 4
    assert rows["twopaths1"].parameters == 4
    assert rows["twopaths1.paths.0"].flops == 2 * 9 * 2 * 6 * 5 * 4
    assert rows["twopaths1.paths.1.conv1"].flops == 2 * 2 * 6 * 5 * 4


def test_a_broken_layer_inside_does_not_pass_the_gradient_check(monkeypatch):
    right = Conv2D.backward
    monkeypatch.setattr(Conv2D, "backward", lambda self, dy, input_gradient=True: right(self, 2 * dy, input_gradient))
    assert not gradcheck(network(), (6, 5, 2)).passed


def test_the_same_layer_at_two_places_is_refused():
    class Twice(Layer):
        def __init__(self):
            self.one = self.other = Dense(3)

        def resolve(self, input_shape):
            return self.one.fix_shapes(input_shape)

    with pytest.raises(UsageError, match=r"the same layer object stands at twice1\.one and at twice1\.other"):
        Sequential([Twice()], (3,))


def test_whole_numbers_are_no_dtype_for_weights():
    net = network()
    with pytest.raises(UsageError, match="dtype 'int32' should be 'float32'"):
        net.convert("int32")
    assert net.twopaths1.scale.value.dtype == "float32"


def test_a_gradient_that_does_not_fit_its_parameter_is_refused_and_no_array_of_the_caller_s_is_kept():
    parameter = Parameter(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"a gradient of shape \(3, 2\) does not fit a parameter of \(2, 3\)"):
        parameter.accumulate(np.ones((3, 2)))
    with pytest.raises(TypeError, match="a gradient of float32"):
        parameter.accumulate(np.ones((2, 3), "float32"))
    gradient = np.ones((2, 3))
    parameter.accumulate(gradient)
    parameter.accumulate(gradient)
    np.testing.assert_array_equal(gradient, 1)
    gradient += 5
    np.testing.assert_array_equal(parameter.grad, 2)


def test_parameters_are_found_in_lists_and_dicts_like_layers(rng):
    class Scales(Layer):
        def __init__(self):
            self.factors = [Parameter(np.ones(2)), Parameter(np.ones(2))]
            self.kept = {"mean": State(np.zeros(2))}
            self.wrong = 1

        def forward(self, x, training=False):
            self.keep(training, x=x)
            return x * self.factors[0].value * self.factors[1].value

        def backward(self, dy, input_gradient=True):
            x = self.take("x")
            first, second = (factor.value for factor in self.factors)
            self.factors[0].accumulate(self.wrong * (dy * x * second).sum(axis=0))
            self.factors[1].accumulate((dy * x * first).sum(axis=0))
            return dy * first * second

    layer = Scales()
    layer.build((2,), rng, "float64")
    assert list(layer.state()) == ["factors.0", "factors.1", "kept.mean"]
    assert gradcheck(layer, (2,)).passed
    layer.wrong = 7
    assert not gradcheck(layer, (2,)).passed


def test_two_parts_of_one_name_are_refused(rng):
    class Heads(Layer):
        def __init__(self):
            self.heads = {"a.b": ReLU(), "a": {"b": ReLU()}}

    with pytest.raises(UsageError, match=r"two parts of a layer have the name heads\.a\.b"):
        Heads().build((3,), rng)


def test_a_layer_inside_of_itself_is_refused(rng):
    residual = Residual([Dense(3)])
    residual.body.dense1 = residual
    with pytest.raises(UsageError, match="the same layer object stands at the top and at body"):
        residual.build((3,), rng)


def test_what_a_layer_owns_cannot_be_overwritten_by_what_it_keeps(rng):
    class Careless(Dense):
        def forward(self, x, training=False):
            self.keep(training, weight=x)
            return x

    layer = Careless(3)
    layer.build((3,), rng)
    with pytest.raises(UsageError, match="cannot keep 'weight' for backward: it is a part of the layer"):
        layer.forward(np.ones((1, 3), "float32"), training=True)


def test_a_shape_that_is_none_is_refused_where_it_is_returned(rng):
    class Shapeless(Layer):
        def resolve(self, input_shape):
            self.scale = Parameter.declared(input_shape)

    with pytest.raises(ShapeError, match=r"Shapeless: resolve should return the output's shape, .* returned None"):
        Shapeless().build((3,), rng)


def test_a_layer_is_built_in_the_dtype_that_it_was_told_before(rng):
    net = Sequential([Dense(3)], dtype="float64")
    net.build((2,), rng)
    assert net.dense1.weight.value.dtype == "float64"
    declared = Sequential([Dense(3)])
    declared.fix_shapes((2,))
    declared.convert("float64")
    declared.build((2,), rng)
    assert declared.dense1.weight.value.dtype == "float64"


def assert_as_before(net, before, x, y):
    assert net.built and net.twopaths1.built and net.twopaths1.paths[1].conv1.built
    assert net.input_shape == (6, 5, 2) and net.dense1.input_shape == (120,) and net.output_shape == (3,)
    assert list(net.state()) == list(before)
    for name, array in before.items():
        np.testing.assert_array_equal(net.state()[name], array, err_msg=name)
    np.testing.assert_array_equal(net.forward(x), y)


def test_a_rebuild_that_fails_leaves_the_network_as_it_was(mode, rng, monkeypatch):
    net = network()
    net.convert("float64")
    x = rng.standard_normal((2, 6, 5, 2))
    before, y = {name: array.copy() for name, array in net.state().items()}, net.forward(x)
    net.dense1.inputs = 120  # so that another picture does not fit, which the last layer is the first to know
    for rebuild in (
        lambda: net.build((8, 8, 2), rng),
        lambda: net.fix_shapes((8, 8, 2)),
        lambda: net.build((6, 5), rng),
        lambda: net.fix_shapes((6, 5, 0)),
        lambda: net.build((6, 5, 2), rng, "int32"),
    ):
        with pytest.raises(UsageError):
            rebuild()
        assert_as_before(net, before, x, y)

    def too_large(*arguments):
        raise MemoryError

    monkeypatch.setitem(INITIALIZERS, "he_uniform", too_large)
    net.dense1.initializer = "he_uniform"  # drawn last
    generators = {name: generator.bit_generator.state for name, generator in net.random_generators().items()}
    with pytest.raises(MemoryError):
        net.build((6, 5, 2), rng, "float32")
    assert_as_before(net, before, x, y)
    assert {name: generator.bit_generator.state for name, generator in net.random_generators().items()} == generators


def test_a_build_that_fails_leaves_a_new_network_without_shapes(rng):
    net = Sequential([Dense(3), ReLU(), Conv2D(2, 3)])
    with pytest.raises(ShapeError, match="conv1"):
        net.build((4,), rng)
    with pytest.raises(RuntimeError, match="has no shapes yet"):
        net.forward(np.ones((1, 4), "float32"))
    assert net.parameters() == {} and net.dense1.input_shape is None
