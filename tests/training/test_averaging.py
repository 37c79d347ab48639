"""The average of the weights: PyTorch's moving average of the same weights, and what validates, learns and is kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from minicnn import SGD, BatchNorm2D, Conv2D, Dense, Flatten, ReLU, Sequential
from minicnn.data import Loader
from minicnn.errors import UsageError
from minicnn.layers import Parameter
from minicnn.training.averaging import Lookahead, WeightAverage
from minicnn.training.evaluation import evaluate
from minicnn.training.trainer import Trainer
from tests.training.tiny import SIZE, assert_same_weights, weights_of

Make = Callable[..., Trainer]
Loaders = tuple[Loader, Loader]


def layer_of(values: np.ndarray) -> Sequential:
    net = Sequential([Dense(values.shape[1])], input_shape=(values.shape[0],), dtype="float64")
    net.parameters()["dense1.weight"].value = values.copy()
    return net


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_it_is_pytorch_s_average_without_what_came_before_the_first_step(
    decay: float, rng: np.random.Generator
) -> None:
    """PyTorch's begins with the first weights, which go on counting dᵗ; without them the rest sums to 1 − dᵗ."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    steps = [rng.standard_normal((4, 3)) for _ in range(12)]
    module = torch.nn.Linear(3, 4, bias=False, dtype=torch.float64)
    theirs = torch.optim.swa_utils.AveragedModel(module, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay))
    net = layer_of(np.zeros((4, 3)))
    ours = WeightAverage(net, decay)
    for t, values in enumerate(steps, start=1):
        with torch.no_grad():
            module.weight.copy_(torch.tensor(values))
        theirs.update_parameters(module)
        net.parameters()["dense1.weight"].value = values
        ours.update(t)
        expected = (theirs.module.weight.numpy(force=True) - decay**t * steps[0]) / (1 - decay**t)
        np.testing.assert_allclose(ours.values["dense1.weight"], expected, rtol=1e-9, atol=1e-12)


def test_the_first_step_s_weights_are_the_first_average() -> None:
    net = layer_of(np.ones((2, 2)))
    average = WeightAverage(net, 0.999)
    net.parameters()["dense1.weight"].value += 5
    average.update(1)
    np.testing.assert_allclose(average.values["dense1.weight"], 6)


def test_weights_and_average_change_places_for_a_block_whatever_happens_in_it() -> None:
    net = layer_of(np.zeros((2, 2)))
    parameter: Parameter = net.parameters()["dense1.weight"]
    average = WeightAverage(net, 0.9)
    parameter.value = own = np.full((2, 2), 3.0)
    with pytest.raises(KeyboardInterrupt), average.in_place_of_the_weights():
        assert not parameter.value.any()
        raise KeyboardInterrupt
    assert parameter.value is own and not average.values["dense1.weight"].any()


def test_training_takes_the_same_steps_and_validates_the_average(make_trainer: Make, loaders: Loaders) -> None:
    plain, averaged = make_trainer(epochs=3, lr=0.01), make_trainer(epochs=3, lr=0.01, ema=0.9)
    by_hand = WeightAverage(plain.net, 0.9)
    steps = len(loaders[0])
    update, plain_step = by_hand.update, plain.optimizer.step

    def step() -> None:
        plain_step()
        update(plain.optimizer.steps)

    plain.optimizer.step = step  # type: ignore[method-assign]
    plain.train(*loaders)
    averaged.train(*loaders)
    assert_same_weights(plain, averaged)
    assert plain.optimizer.steps == 3 * steps
    with by_hand.in_place_of_the_weights():
        expected = evaluate(plain.net, loaders[1])
    assert averaged.history[-1].val_loss == pytest.approx(expected.loss, rel=1e-6)
    assert abs(averaged.history[-1].val_loss - plain.history[-1].val_loss) > 1e-4
    with averaged.validated_weights():
        assert evaluate(averaged.net, loaders[1]).loss == averaged.history[-1].val_loss
    assert_same_weights(plain, averaged)


def test_running_statistics_stay_the_network_s(loaders: Loaders) -> None:
    net = Sequential([Conv2D(4, 3), BatchNorm2D(), ReLU(), Flatten(), Dense(10)], input_shape=(SIZE, SIZE, 3))
    trainer = Trainer(net, SGD(net.parameters(), lr=0.01), epochs=1, ema=0.9)
    trainer.train(*loaders)
    before = net.state()["bn1.running_mean"].copy()
    weights = weights_of(trainer)
    with trainer.validated_weights():
        np.testing.assert_array_equal(net.state()["bn1.running_mean"], before)
        assert any((net.parameters()[name].value != value).any() for name, value in weights.items())


@pytest.mark.parametrize("decay", [1.0, -0.5, float("nan")])
def test_a_decay_out_of_range_is_refused(decay: float, make_trainer: Make) -> None:
    with pytest.raises(UsageError, match="decay of a weight average"):
        make_trainer(ema=decay)


def test_lookahead_is_the_paper_s_algorithm_with_a_growing_share(rng: np.random.Generator) -> None:
    """Algorithm 1 written out in NumPy: k fast steps, then both weights meet."""
    net = layer_of(rng.standard_normal((4, 3)))
    parameter = net.parameters()["dense1.weight"]
    ours = Lookahead(net, every=3)
    slow = fast = parameter.value.copy()
    for t in range(1, 13):
        change = rng.standard_normal((3, 4)).T
        fast = fast + change
        parameter.value += change
        ours.update(t, share_done=t / 12)
        if t == 1 or t % 3 == 0:
            alpha = 0.95**3 * (t / 12) ** 3
            slow = fast = alpha * slow + (1 - alpha) * fast
        np.testing.assert_allclose(parameter.value, fast, rtol=1e-12)
        np.testing.assert_allclose(ours.values["dense1.weight"], slow, rtol=1e-12)


def test_lookahead_leaves_what_is_frozen_to_the_bit(rng: np.random.Generator) -> None:
    net = layer_of(rng.standard_normal((4, 3)))
    parameter = net.parameters()["dense1.weight"]
    ours = Lookahead(net, every=2)
    net.layers[0].freeze()
    parameter.value = given = rng.standard_normal((4, 3))  # as weights are that a checkpoint brought back
    expected = given.copy()
    for t in range(1, 5):
        ours.update(t, share_done=0.9)
    np.testing.assert_array_equal(parameter.value, expected)
    np.testing.assert_array_equal(ours.values["dense1.weight"], expected)


def test_training_with_lookahead_goes_on_from_the_average_and_validates_it(
    make_trainer: Make, loaders: Loaders
) -> None:
    plain, looking = make_trainer(epochs=2, lr=0.01), make_trainer(epochs=2, lr=0.01, lookahead=2)
    plain.train(*loaders)
    looking.train(*loaders)
    ours, others = weights_of(looking), weights_of(plain)
    assert min(np.abs(ours[name] - others[name]).max() for name in ours) > 1e-4
    with looking.validated_weights():
        assert evaluate(looking.net, loaders[1]).loss == looking.history[-1].val_loss


def test_two_averages_at_once_are_refused(make_trainer: Make) -> None:
    with pytest.raises(UsageError, match="take one of them"):
        make_trainer(ema=0.9, lookahead=5)
