"""The gradient check itself: it passes what is right, catches what is slightly wrong, and refuses to judge nothing."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from minicnn import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    Tanh,
    gradcheck,
    ops,
    use_kernels,
)
from minicnn.errors import ShapeError, UsageError
from minicnn.inspection import GradientReport, check_everything, gradcheck_operation, smallest_image_size
from minicnn.layers import Layer


def check_cubes(wrong: np.ndarray | float = 1.0, shape: tuple[int, ...] = (4, 5)) -> GradientReport:
    """Check y = x³ with the gradient 3x² multiplied by `wrong`."""
    x = np.random.default_rng(0).uniform(0.5, 2.0, shape)
    return gradcheck_operation(lambda x: x**3, lambda dy, x: {"x": dy * 3 * x**2 * wrong}, {"x": x})


def test_a_right_gradient_passes() -> None:
    report = check_cubes()
    assert report.passed
    assert report.max_relative_error < 1e-7
    assert report.describe().splitlines()[0].endswith(": passed")


@pytest.mark.parametrize("factor", [1.0001, 0.9999, -1.0, 2.0, 0.0])
def test_a_wrong_factor_is_caught_and_named(factor: float) -> None:
    report = check_cubes(factor)
    assert not report.passed
    np.testing.assert_allclose(report.max_relative_error, abs(1 - factor) / max(1, abs(factor)), rtol=1e-3)
    assert f"every element is {factor:.4g} times its true value" in report.describe()


@pytest.mark.parametrize("shape", [(4, 5), (300, 400)])
@pytest.mark.parametrize("error", [0.1, 2.0])
def test_one_wrong_element_is_found_and_named(error: float, shape: tuple[int, int]) -> None:
    wrong = np.ones(shape)
    wrong[2, 3] = 1 + error
    report = check_cubes(wrong, shape)
    assert not report.passed
    assert report.worst == ("x", (2, 3))
    assert "x: relative error" in report.problems[0] and "[2, 3]" in report.problems[0]


def test_nan_in_the_gradient_does_not_pass() -> None:
    report = check_cubes(np.nan)
    assert not report.passed
    assert report.max_relative_error == np.inf


def test_the_worst_of_several_arrays_is_named() -> None:
    x, weight = np.random.default_rng(0).uniform(0.5, 2.0, (2, 3, 4))
    report = gradcheck_operation(
        lambda x, weight: x * weight,
        lambda dy, x, weight: {"x": dy * weight, "weight": dy * x * 1.01},
        {"x": x, "weight": weight},
    )
    assert report.worst[0] == "weight"
    assert {problem.split(":")[0] for problem in report.problems} == {"weight"}


def test_a_gradient_that_is_missing_is_caught() -> None:
    report = gradcheck_operation(lambda x: 2 * x, lambda dy, x: {}, {"x": np.ones((2, 2))})
    assert not report.passed


def test_a_backward_that_overwrites_its_arguments_is_caught() -> None:
    def backward(dy: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        dy *= 2 * x
        x[0] = 0
        return {"x": dy}

    report = gradcheck_operation(lambda x: x**2, backward, {"x": np.arange(1.0, 5.0)})
    assert not report.passed
    assert len(report.problems) == len(report.modes[:1])
    assert report.problems[0].startswith("its backward pass overwrites dy and x: ")


def test_a_gradient_of_another_shape_is_an_error() -> None:
    with pytest.raises(ShapeError, match=r"backward gives x, of shape \(2, 3\), a gradient of shape \(3,\)"):
        gradcheck_operation(lambda x: 2 * x, lambda dy, x: {"x": 2 * dy.sum(axis=0)}, {"x": np.ones((2, 3))})


@pytest.mark.parametrize("array", ["x", "the output", "the gradient of x"])
def test_a_silent_conversion_to_float32_is_an_error(array: str) -> None:
    def forward(x: np.ndarray) -> np.ndarray:
        return x.astype("float32") if array == "the output" else 2 * x

    def backward(dy: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        return {"x": (2 * dy).astype("float32" if array == "the gradient of x" else "float64")}

    with pytest.raises(UsageError, match=f"{array} is float32"):
        gradcheck_operation(forward, backward, {"x": np.ones(3, "float32" if array == "x" else "float64")})


def test_an_output_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(UsageError, match="not finite"):
        gradcheck_operation(lambda x: x * np.inf, lambda dy, x: {"x": dy}, {"x": np.ones(3)})


def test_both_gradients_zero_is_refused() -> None:
    report = gradcheck_operation(lambda x: 0 * x, lambda dy, x: {"x": 0 * dy}, {"x": np.ones((2, 2))})
    assert not report.passed
    assert "both gradients are zero everywhere" in report.describe()


def test_a_dead_network_is_refused() -> None:
    net = Sequential([Dense(6), ReLU(), Dense(3)], (4,))
    net.parameters()["dense1.bias"].value -= 100  # no ReLU ever fires
    report = gradcheck(net, (4,))
    assert not report.passed
    assert {problem.split(":")[0] for problem in report.problems} >= {"dense1.x", "dense1.weight", "dense1.bias"}


def test_a_network_of_zeros_is_refused() -> None:
    net = Sequential([Dense(6, initializer="zeros"), ReLU(), Dense(3, initializer="zeros")], (4,))
    assert not gradcheck(net, (4,)).passed


def test_a_sample_on_a_kink_is_refused() -> None:
    report = gradcheck_operation(ops.relu, lambda dy, x: {"x": ops.relu_backward(dy, ops.relu(x))}, {"x": np.zeros(9)})
    assert not report.passed
    assert "9 of 9 elements sit on a kink" in report.describe()


def test_a_few_kinks_are_left_out_and_counted(mode: str) -> None:
    x = np.linspace(-1, 1, 11)  # x[5] = 0
    report = gradcheck_operation(ops.relu, lambda dy, x: {"x": ops.relu_backward(dy, ops.relu(x))}, {"x": x})
    assert report.passed
    assert (report.checks[0].checked, report.checks[0].left_out) == (10, 1)
    assert "1 on a kink or too flat left out" in report.describe()


def test_a_tie_in_a_max_pool_is_left_out(mode: str) -> None:
    x = np.random.default_rng(0).standard_normal((1, 4, 4, 1))
    x[0, 0, 0, 0] = x[0, 1, 1, 0] = 5.0
    settings = ((2, 2), (2, 2), (0, 0))
    report = gradcheck_operation(
        lambda x: ops.max_pool2d(x, *settings)[0],
        lambda dy, x: {"x": ops.max_pool2d_backward(dy, ops.max_pool2d(x, *settings)[1], x.shape, *settings)},
        {"x": x},
    )
    assert report.passed
    assert report.checks[0].left_out == 2


@pytest.mark.parametrize("seed", range(10))
def test_kinks_never_make_a_right_network_fail(seed: int) -> None:
    net = Sequential([Conv2D(4, 3), ReLU(), MaxPool2D(3, stride=1), Conv2D(4, 3), ReLU(), Flatten(), Dense(3)])
    report = gradcheck(net, (9, 8, 2), seed)
    assert report.passed, report.describe()


def test_the_network_is_left_as_it_was() -> None:
    net = Sequential([Conv2D(3, 3), ReLU(), Dropout(0.5), Flatten(), Dense(2)], (5, 5, 2), seed=3)
    x = np.random.default_rng(0).standard_normal((2, 5, 5, 2)).astype("float32")
    net.backward(np.ones_like(net.forward(x, training=True)))
    before = copy.deepcopy(net)
    gradcheck(net, (5, 5, 2), loss=SoftmaxCrossEntropy())
    assert net.dtype == "float32"
    for name, parameter in net.parameters().items():
        old = before.parameters()[name]
        assert parameter.value.dtype == "float32"
        np.testing.assert_array_equal(parameter.value, old.value)
        np.testing.assert_array_equal(parameter.grad, old.grad)
    np.testing.assert_array_equal(net.forward(x, training=True), before.forward(x, training=True))


def test_a_layer_that_is_not_built_stays_so() -> None:
    layer = Dense(3)
    assert gradcheck(layer, (4,)).passed
    assert layer.input_shape is None
    assert layer.parameters() == {}


def test_a_layer_built_for_another_shape_is_an_error() -> None:
    net = Sequential([Dense(3)], (4,))
    with pytest.raises(ShapeError, match=r"built for samples of shape \(4,\), but gradcheck was told \(2, 4\)"):
        gradcheck(net, (2, 4))


def test_what_is_no_layer_is_an_error() -> None:
    with pytest.raises(UsageError, match="needs a layer or a network, got ufunc"):
        gradcheck(np.sin, (4,))  # type: ignore[arg-type]


def test_a_loss_needs_rows_of_logits() -> None:
    with pytest.raises(ShapeError, match="a loss reads one row of logits"):
        gradcheck(ReLU(), (4, 4, 1), loss=SoftmaxCrossEntropy())


def test_the_same_seed_gives_the_same_report() -> None:
    net = Sequential([Dense(5), Tanh(), Dense(3)], (200,))
    assert gradcheck(net, (200,), seed=1) == gradcheck(net, (200,), seed=1)


class ForgetfulDense(Dense):
    """A dense layer that keeps its weights' gradient to itself."""

    def backward(self, dy, input_gradient=True):
        dx, _, dbias = ops.dense_backward(dy, self.take("x"), self.weight.value)
        self.bias.accumulate(dbias)
        return dx


class Scale(Layer):
    """y = 3x, with a wrong backward pass."""

    def forward(self, x, training=False):
        return 3 * x

    def backward(self, dy, input_gradient=True):
        return dy / 3


def test_wrong_layers_are_caught_and_the_array_is_named() -> None:
    report = gradcheck(ForgetfulDense(3), (4,))
    assert not report.passed
    assert report.worst[0] == "weight"
    inside = gradcheck(Sequential([Dense(4), Tanh(), ForgetfulDense(3)], (4,)), (4,))
    assert {problem.split(":")[0] for problem in inside.problems} == {"dense2.weight"}
    assert "every element is 0.1111 times its true value" in gradcheck(Scale(), (4,)).describe()


def test_check_everything_covers_layers_loss_and_network() -> None:
    with use_kernels("reference"):
        results = list(check_everything("torch_cnn"))
    names = [name for name, _ in results]
    assert all(report.passed for _, report in results)
    assert any(name.startswith("Conv2D") for name in names)
    assert any(name.startswith("SoftmaxCrossEntropy") for name in names)
    assert names[-1].startswith("torch_cnn")


def test_check_everything_knows_the_models() -> None:
    with pytest.raises(UsageError, match="unknown model 'cnn9'"):
        check_everything("cnn9")


def test_smallest_image_size() -> None:
    assert [smallest_image_size(name) for name in ("cnn3", "cnn2", "torch_cnn", "dcnn5")] == [22, 10, 2, 8]


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        (6, {}, r"input_shape 6 should be \(height, width, channels\) or \(numbers,\)"),
        ((0,), {}, "input_shape=0 should be a whole number of at least 1"),
        ((6,), {"samples": 0}, "samples=0 should be a whole number of at least 1"),
        ((6,), {"elements": 0}, "elements=0 should be a whole number of at least 1"),
        ((6,), {"elements": 2.5}, "elements=2.5 should be a whole number"),
        ((6,), {"seed": "a"}, "a seed is a whole number of at least 0; got 'a'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(shape, settings, message) -> None:
    with pytest.raises(UsageError, match=message):
        gradcheck(Dense(2), shape, **settings)


def test_a_seed_below_0_is_refused() -> None:
    with pytest.raises(UsageError, match="a seed is a whole number of at least 0; got -1"):
        gradcheck(ReLU(), (3,), seed=-1)
    with pytest.raises(UsageError, match="got -1"):
        gradcheck_operation(ops.relu, lambda dy, x: {"x": dy}, {"x": np.ones(3)}, seed=-1)


@pytest.mark.parametrize("offset", [1e5, 1e6, 1e8])
@pytest.mark.parametrize("factor", [1, 0, -1, 2])
def test_a_slope_that_rounding_blurs_excuses_no_more_than_the_blur(factor: float, offset: float) -> None:
    report = gradcheck_operation(
        lambda x: np.concatenate([x[:4], offset + 0.1 * x[4:]]),
        lambda dy, x: {"x": np.concatenate([dy[:4], factor * 0.1 * dy[4:]])},
        {"x": np.arange(1.0, 9.0)},
    )
    assert report.passed == (factor == 1), report.describe()


def test_a_jump_excuses_nobody_else() -> None:
    report = gradcheck_operation(
        lambda x: x + 1000.0 * (x >= 0),
        lambda dy, x: {"x": dy * np.where(x == 0, 1, 2)},
        {"x": np.arange(8.0)},
    )
    assert not report.passed


def test_a_kind_of_layer_without_examples_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dense, "examples", classmethod(lambda cls: []))
    with pytest.raises(TypeError, match=r"Dense.examples\(\) is empty"):
        check_everything()
    monkeypatch.setattr(Dense, "examples", Layer.__dict__["examples"])
    with pytest.raises(TypeError, match="Dense gives no examples"):
        check_everything()
