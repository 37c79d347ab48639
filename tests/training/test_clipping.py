"""Gradient clipping against PyTorch's, and that the trainer does it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from minicnn import SGD
from minicnn.data import Loader
from minicnn.errors import UsageError
from minicnn.layers import Parameter
from minicnn.training.clipping import clip_gradients
from minicnn.training.trainer import Trainer
from tests.comparison import assert_close
from tests.training.tiny import weights_of


def parameters(rng: np.random.Generator, dtype: str, scale: float = 1.0) -> dict[str, Parameter]:
    made = {name: Parameter(np.zeros(shape, dtype)) for name, shape in (("weight", (3, 3, 2, 4)), ("bias", (4,)))}
    for parameter in made.values():
        parameter.grad = (scale * rng.standard_normal(parameter.shape)).astype(dtype)
    return made


@pytest.mark.parametrize("largest", [0.01, 1.0, 8.5, 1000.0])
def test_gradients_are_scaled_as_in_pytorch(largest: float, dtype: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    ours = parameters(rng, dtype)
    theirs = [torch.tensor(parameter.value) for parameter in ours.values()]
    for tensor, parameter in zip(theirs, ours.values(), strict=True):
        tensor.grad = torch.tensor(parameter.grad)
    torch.nn.utils.clip_grad_norm_(theirs, largest)
    clip_gradients(ours, largest)
    for tensor, parameter in zip(theirs, ours.values(), strict=True):
        assert_close(parameter.grad, tensor.grad.numpy(), dtype)


def test_a_parameter_without_a_gradient_is_left_out(rng: np.random.Generator) -> None:
    ours = parameters(rng, "float64")
    ours["bias"].grad = None
    clip_gradients(ours, 0.5)
    assert np.linalg.norm(ours["weight"].grad) == pytest.approx(0.5, rel=1e-5) and ours["bias"].grad is None
    ours["weight"].grad = None
    clip_gradients(ours, 0.5)


def test_gradients_of_zero_stay_zero(rng: np.random.Generator) -> None:
    ours = parameters(rng, "float32", scale=0.0)
    clip_gradients(ours, 1e-3)
    assert not ours["weight"].grad.any()


def test_the_trainer_clips(make_trainer: Callable[..., Trainer], loaders: tuple[Loader, Loader]) -> None:
    """With plain gradient descent the length of a step is that of the gradient times the learning rate."""
    lengths = {}
    for clip_norm in (0.0, 1e-3):
        trainer = make_trainer(epochs=1, clip_norm=clip_norm)
        trainer.optimizer = SGD(trainer.net.parameters(), lr=0.5)
        trainer.highest_lr = 0.5
        before = weights_of(trainer)
        trainer.train([next(iter(loaders[0].epoch(0)))])
        moved = [weight - before[name] for name, weight in weights_of(trainer).items()]
        lengths[clip_norm] = float(np.sqrt(sum((change**2).sum() for change in moved)))
    assert lengths[1e-3] == pytest.approx(0.5 * 1e-3, rel=1e-2) and lengths[0.0] > 100 * lengths[1e-3]


@pytest.mark.parametrize("largest", [-1.0, float("nan")])
def test_norms_out_of_range_are_refused(largest: float, make_trainer: Callable[..., Trainer]) -> None:
    with pytest.raises(UsageError, match="norm"):
        clip_gradients({}, largest)
    with pytest.raises(UsageError, match="clip_norm"):
        make_trainer(clip_norm=largest)
