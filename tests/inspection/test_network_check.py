"""The check of a network: which layer is at fault is named, and what cannot be seen does not pass."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import (
    AvgPool2D,
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
    State,
    Tanh,
    gradcheck,
    ops,
    use_kernels,
)
from minicnn.errors import ShapeError, UsageError
from minicnn.inspection import GradientReport


class WrongTanh(Tanh):
    """Its gradient is 1 − y for 1 − y²."""

    kind = "wrongtanh"

    def gradient(self, dy, y):
        return dy * (1 - y)


class Around(Layer):
    """scale · inner(x), whose own gradients are multiplied by `wrong`."""

    def __init__(self, inner, wrong=1.0):
        self.inner = inner
        self.wrong = wrong

    def resolve(self, input_shape):
        self.scale = Parameter(np.array([2.0]))
        return self.inner.fix_shapes(input_shape)

    def forward(self, x, training=False):
        inside = self.inner.forward(x, training)
        self.keep(training, inside=inside)
        return inside * self.scale.value

    def backward(self, dy, input_gradient=True):
        self.scale.accumulate((dy * self.take("inside")).sum(keepdims=True).reshape(1) * self.wrong)
        return self.inner.backward(dy * self.scale.value, input_gradient)


def faults(*layers: Layer, shape: tuple[int, ...] = (6,)) -> GradientReport:
    return gradcheck(Sequential([Dense(5), *layers, Dense(3)]), shape)


def test_the_layer_at_fault_is_named_and_no_other():
    report = faults(Tanh(), WrongTanh(), Dense(4), Tanh())
    assert report.at_fault == ["wrongtanh1"]
    assert report.worst[0] == "wrongtanh1.x"
    lines = report.describe().splitlines()
    assert lines[0].endswith(": FAILED at wrongtanh1")
    assert lines[2].startswith("  ! wrongtanh1.x: relative error ") and "(formulas, wrongtanh1 by itself)" in lines[2]


def test_two_layers_at_fault_are_both_named():
    assert faults(WrongTanh(), Dense(4), Around(WrongTanh())).at_fault == ["wrongtanh1", "around1.inner"]


def test_a_composite_is_named_where_it_is_wrong_itself_and_what_it_holds_is_not():
    report = faults(Around(Tanh(), wrong=1.5))
    assert report.at_fault == ["around1"]
    assert {problem.split(":")[0] for problem in report.problems} == {"around1.scale"}
    assert gradcheck(Around(Tanh(), wrong=1.5), (4,)).at_fault == [""]
    assert gradcheck(Around(WrongTanh()), (4,)).at_fault == ["inner"]


class Holder(Layer):
    """Runs the layers that it holds, one after the other."""

    def __init__(self, hold):
        self.held = hold

    def layers(self):
        return list(self.children().values())

    def resolve(self, input_shape):
        for layer in self.layers():
            input_shape = layer.fix_shapes(input_shape)
        return input_shape

    def forward(self, x, training=False):
        for layer in self.layers():
            x = layer.forward(x, training)
        return x

    def backward(self, dy, input_gradient=True):
        for layer in reversed(self.layers()):
            dy = layer.backward(dy)
        return dy


@pytest.mark.parametrize(
    "hold", [lambda a, b: [a, b], lambda a, b: (a, b), lambda a, b: {"0": a, "1": b}, lambda a, b: [[a], {"0": b}]]
)
def test_composites_are_looked_into_however_they_hold_their_layers(hold):
    assert faults(Holder(hold(Dense(4), Tanh()))).passed
    (name,) = faults(Holder(hold(Dense(4), WrongTanh()))).at_fault
    assert name in ("holder1.held.1", "holder1.held.1.0")


class Hiding(Layer):
    """Runs a layer that stands where the tree does not look."""

    def __init__(self, hide):
        self._inner = hide(Dense(5))
        self._layer = lambda: self._inner if isinstance(self._inner, Layer) else next(iter(self._inner))

    def forward(self, x, training=False):
        inner = self._layer()
        if not inner.built:
            inner.build(x.shape[1:], np.random.default_rng(0), "float64")
        return inner.forward(x, training)

    def backward(self, dy, input_gradient=True):
        return self._layer().backward(dy)


@pytest.mark.parametrize("hide", [lambda layer: layer, lambda layer: [layer], lambda layer: frozenset([layer])])
def test_a_layer_that_runs_outside_of_the_tree_does_not_pass(hide):
    report = faults(Hiding(hide))
    assert not report.passed
    assert any("is no part of the tree of layers" in problem for problem in report.problems)


class Idle(Around):
    """Holds a layer whose backward, or forward, pass it never runs."""

    def __init__(self, idle):
        super().__init__(Tanh())
        self.idle = idle

    def resolve(self, input_shape):
        self.idle.fix_shapes(input_shape)
        return super().resolve(input_shape)


class Forgetful(Idle):
    def forward(self, x, training=False):
        return super().forward(x, training) + self.idle.forward(x, training)


def test_a_layer_that_never_runs_and_one_without_a_backward_pass_do_not_pass():
    assert any("idle: its forward pass never ran" in problem for problem in faults(Idle(ReLU())).problems)
    report = faults(Forgetful(Dense(5)))
    assert any("idle: its forward pass ran, and its backward pass never did" in line for line in report.problems)
    assert report.at_fault == ["around1.idle"]


def test_a_parameter_without_a_gradient_does_not_pass():
    class NoGradient(Around):
        def backward(self, dy, input_gradient=True):
            self.take("inside")
            return self.inner.backward(dy * self.scale.value, input_gradient)

    report = faults(NoGradient(Tanh()))
    assert report.at_fault == ["around1"]
    assert "around1.scale: backward gives it no gradient (None)" in report.problems[0]


def test_a_pass_that_differs_each_time_is_an_error():
    class Noise(Layer):
        def forward(self, x, training=False):
            return x + np.random.default_rng().random()

        def backward(self, dy, input_gradient=True):
            return dy

    with pytest.raises(UsageError, match=r"the output of noise1 of two forward passes .* Randomness\(\)"):
        faults(Noise())


class Centred(Layer):
    """x − its mean over the batch in training, minus the running mean in evaluation; a bias before it does nothing."""

    def __init__(self, wrong_in_evaluation=False):
        self.wrong = wrong_in_evaluation

    def resolve(self, input_shape):
        self.mean = State.declared(input_shape, "zeros")
        return input_shape

    def forward(self, x, training=False):
        mean = x.mean(axis=0) if training else self.mean.value
        self.keep(training, trained=training)
        if training:
            self.mean.value += 0.1 * (mean - self.mean.value)  # in place: must be brought back all the same
        return (x - mean) * (1 if training else 1 + self.mean.value**2)

    def backward(self, dy, input_gradient=True):
        if self.take("trained"):
            return dy - dy.mean(axis=0)
        return dy if self.wrong else dy * (1 + self.mean.value**2)


def test_running_statistics_stay_and_a_bias_before_them_is_no_dead_array():
    net = Sequential([Dense(4), Centred(), Tanh(), Dense(3)], (6,), seed=1)
    report = gradcheck(net, (6,))
    assert report.passed, report.describe()
    assert {check.name for check in report.checks if check.cancels} == {"dense1.bias"}
    assert "zero: the layers behind cancel it" in report.describe()
    np.testing.assert_array_equal(net.centred1.mean.value, 0)


def test_a_wrong_gradient_in_evaluation_is_found_where_that_is_another_function():
    report = faults(Centred(wrong_in_evaluation=True), Tanh())
    assert report.at_fault == ["centred1"]
    assert all("in evaluation" in problem for problem in report.problems)


def network() -> Sequential:
    return Sequential(
        [Conv2D(3, 3), ReLU(), MaxPool2D(2), Residual([Conv2D(3, 3, padding="same"), Tanh()]), AvgPool2D(2), Flatten(),
         Dropout(0.2), Dense(2)],
        (9, 8, 2),
    )  # fmt: skip


def test_layers_that_run_as_one_are_checked_as_one_under_their_names():
    report = gradcheck(network(), (9, 8, 2))
    assert report.passed, report.describe()
    formulas, kernels = report.modes
    assert (formulas.mode, kernels.mode) == ("reference", "fast")
    names = {part.name for part in formulas.parts}
    block = "conv1 + relu1 + pool1"
    assert {"conv1", "relu1", "pool1", "residual1", "residual1.body.conv1", "residual1.body.tanh1", block} <= names
    assert block in {part.name for part in kernels.parts} and "conv1" not in {part.name for part in kernels.parts}
    assert "conv_block_backward" in kernels.ran.kernels & formulas.ran.formulas
    assert "dense" in kernels.ran.declined  # so few numbers are left to the formula, which the report says
    assert "none took the arrays of dense" in report.describe()


def test_a_mode_that_was_asked_for_is_the_only_one():
    for mode in ("reference", "fast"):
        with use_kernels(mode):
            assert [check.mode for check in gradcheck(network(), (9, 8, 2)).modes] == [mode]
    assert gradcheck(Dense(2), (3,)).modes[1].parts == ()  # no kernel takes part


def test_a_wrong_fused_operation_is_found_by_the_formulas_too(monkeypatch):
    right = ops.conv_block_backward

    def wrong(*arguments):
        dx, dweight, dbias = right(*arguments)
        return dx, dweight, 2 * dbias

    monkeypatch.setattr(ops, "conv_block_backward", wrong)
    with use_kernels("reference"):
        assert gradcheck(network(), (9, 8, 2)).at_fault == ["conv1 + relu1 + pool1"]


class Shrinking(Tanh):
    """Returns fewer samples, or numbers, than its resolve says."""

    kind = "shrinking"

    def __init__(self, axis):
        self.axis = axis

    def forward(self, x, training=False):
        self.keep(training, shape=x.shape)
        return x.sum(axis=self.axis, keepdims=True)

    def backward(self, dy, input_gradient=True):
        return np.broadcast_to(dy, self.take("shape")).copy()


@pytest.mark.parametrize(("axis", "shape"), [(0, "(1, 4)"), (1, "(2, 1)")])
def test_an_output_of_another_shape_than_resolve_said_does_not_pass(axis, shape):
    said = f"its forward pass returns an array of shape {shape} for 2 samples, but its resolve said that a sample's"
    alone = gradcheck(Shrinking(axis), (4,))
    assert not alone.passed
    assert all(problem.startswith(said) for problem in alone.problems)
    report = gradcheck(Sequential([Dense(4), Around(Shrinking(axis)), Tanh()]), (6,))
    assert report.at_fault == ["around1.inner"]
    assert all(problem.startswith(f"around1.inner: {said}") for problem in report.problems)
    assert "around1.inner" in report.describe().splitlines()[0]


def test_an_output_of_another_shape_that_the_next_layer_cannot_read_names_the_layer_that_made_it():
    with pytest.raises(ShapeError, match=r"^shrinking1: its forward pass returns an array of shape \(2, 1\)"):
        faults(Shrinking(1))


class Overwriting(Layer):
    """y = 2·x + scale, by passes that overwrite what they are given."""

    def __init__(self, what):
        self.what = what

    def resolve(self, input_shape):
        self.scale = Parameter(np.ones(input_shape))
        return input_shape

    def forward(self, x, training=False):
        self.keep(training, x=x)
        y = 2 * x + self.scale.value
        if self.what == "x in forward":
            x += 1
        return y

    def backward(self, dy, input_gradient=True):
        x = self.take("x")
        self.scale.accumulate(dy.sum(axis=0))
        if self.what == "dy":
            dy *= 2
            return dy
        if self.what == "x":
            np.multiply(dy, 2, out=x)
            return x
        if self.what == "x again":
            x[:] = 0
        if self.what == "scale":
            self.scale.value -= 1
        return 2 * dy


@pytest.mark.parametrize("what", ["dy", "x", "x again", "x in forward", "scale"])
def test_a_pass_that_overwrites_what_it_is_given_does_not_pass(what):
    array, forward = what.split()[0], "forward" if "forward" in what else ""
    said = f"its {forward or 'backward'} pass overwrites {array}: what a pass is given belongs to others"
    alone = gradcheck(Overwriting(what), (4,))
    assert not alone.passed
    told = [problem.startswith(said) for problem in alone.problems]
    assert told[0] and (forward or all(told))  # what forward changes, differences cannot be taken of
    report = faults(Tanh(), Overwriting(what), Tanh())
    assert report.at_fault == ["overwriting1"]
    name = "overwriting1.scale" if what == "scale" else array
    said = f"overwriting1: its {forward or 'backward'} pass overwrites {name}"
    assert report.problems[0].startswith(said)


def test_a_layer_inside_that_overwrites_what_it_is_given_is_named():
    assert faults(Around(Overwriting("dy"))).at_fault == ["around1.inner"]
    assert gradcheck(Overwriting(None), (4,)).passed
