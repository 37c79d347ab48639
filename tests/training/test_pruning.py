"""Pruning against PyTorch's, its schedule, and that the trainer keeps what is pruned at zero."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicnn import SGD, BatchNorm2D, Conv2D, Dense, Flatten, ReLU, Sequential
from minicnn.data import Splits
from minicnn.errors import UsageError
from minicnn.runs.checkpoints import load_checkpoint, save_checkpoint
from minicnn.training.history import Epoch, best_epoch
from minicnn.training.metrics import RunningTotals
from minicnn.training.progress import epoch_text
from minicnn.training.pruning import Pruning, prunable
from minicnn.training.stopping import reason_to_stop
from minicnn.training.trainer import Trainer
from tests.comparison import assert_close
from tests.training.tiny import assert_same_weights, make_loaders, weights_of

Make = Callable[..., Trainer]


def network(dtype: str = "float64", seed: int = 0) -> Sequential:
    depthwise = Conv2D(4, 3, padding=1, groups=4)
    layers = [Conv2D(4, 3), BatchNorm2D(), ReLU(), depthwise, Flatten(), Dense(6), ReLU(), Dense(3)]
    return Sequential(layers, (6, 5, 2), seed=seed, dtype=dtype)


def zeros_in(net: Sequential) -> dict[str, float]:
    return {name: float((p.value == 0).mean()) for name, p in net.parameters().items()}


def test_weights_are_pruned_and_not_biases_norms_or_depthwise_convolutions() -> None:
    assert list(prunable(network())) == ["conv1.weight", "dense1.weight", "dense2.weight"]


def test_layers_that_do_not_learn_are_left_alone() -> None:
    net = network()
    net.dense1.freeze()
    assert list(prunable(net)) == ["conv1.weight", "dense2.weight"]
    net.freeze()
    with pytest.raises(UsageError, match="nothing to prune"):
        Pruning(net, 0.5)


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.93])
def test_the_same_weights_go_as_in_pytorch(scope: str, sparsity: float) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    from torch.nn.utils import prune

    net = network()
    modules = {}
    for name, weight in prunable(net).items():
        modules[name] = torch.nn.Module()
        modules[name].weight = torch.nn.Parameter(torch.tensor(weight.value.copy()))
    if scope == "global":
        pairs = [(module, "weight") for module in modules.values()]
        prune.global_unstructured(pairs, prune.L1Unstructured, amount=sparsity)
    else:
        for module in modules.values():
            prune.l1_unstructured(module, "weight", sparsity)
    pruning = Pruning(net, sparsity, scope, until=0)
    pruning.advance(0.01)
    for name, module in modules.items():
        np.testing.assert_array_equal(pruning.masks[name], module.weight_mask.numpy().astype(bool), err_msg=name)
        np.testing.assert_array_equal(net.parameters()[name].value, module.weight.detach().numpy(), err_msg=name)


@pytest.mark.parametrize("clip_norm", [0.0, 0.05])
def test_fine_tuning_goes_as_in_pytorch(clip_norm: float, rng: np.random.Generator) -> None:
    """With momentum and weight decay, after steps without pruning, so that momentum still pushes what is pruned."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    from torch.nn.utils import clip_grad_norm_, prune

    net = Sequential([Dense(8), ReLU(), Dense(3)], (5,), seed=1, dtype="float64")
    theirs = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).double()
    for place, layer in ((0, net.dense1), (2, net.dense2)):
        theirs[place].weight.data = torch.tensor(layer.weight.value.T.copy())
        theirs[place].bias.data = torch.tensor(layer.bias.value.copy())
    settings: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    pruning = Pruning(net, 0.6, until=0.6)
    trainer = Trainer(net, SGD(net.parameters(), **settings), epochs=1, clip_norm=clip_norm, pruning=pruning)
    optimizer = torch.optim.SGD(theirs.parameters(), **settings)
    batches = [(rng.standard_normal((7, 5)), rng.integers(3, size=7)) for _ in range(6)]
    shares = [0.0]
    for step, (x, labels) in enumerate(batches, start=1):
        pruning.advance(step / len(batches))
        shares.append(pruning.pruned)
        if shares[-1] > shares[-2]:
            for place, name in ((0, "dense1.weight"), (2, "dense2.weight")):
                prune.custom_from_mask(theirs[place], "weight", torch.tensor(pruning.masks[name].T.copy()))
        trainer.learn([(x, labels)], RunningTotals())
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels)).backward()
        if clip_norm:
            clip_grad_norm_(theirs.parameters(), clip_norm)
        optimizer.step()
    theirs(torch.tensor(batches[0][0]))  # brings `weight` up to date with what was learnt and the mask
    assert len(set(shares)) > 3 and shares[-1] == pytest.approx(0.6, abs=0.01)
    for place, layer in ((0, net.dense1), (2, net.dense2)):
        assert_close(layer.weight.value, theirs[place].weight.detach().numpy().T)
        assert (layer.weight.value == 0).sum() == (theirs[place].weight == 0).sum() > 0


def test_the_sparsity_rises_as_zhu_and_gupta_have_it() -> None:
    net = network()
    pruning = Pruning(net, 0.8, until=0.5)
    total = sum(mask.size for mask in pruning.masks.values())
    reached, kept = [], pruning.masks
    for done in (0.125, 0.25, 0.375, 0.5, 0.75, 1.0):
        pruning.advance(done)
        assert all((kept[name] | ~mask).all() for name, mask in pruning.masks.items())  # none comes back
        reached.append(pruning.pruned)
        kept = pruning.masks
    assert reached == pytest.approx([0.8 * (1 - share**3) for share in (0.75, 0.5, 0.25, 0, 0, 0)], abs=1 / total)


def test_less_is_never_pruned_than_was() -> None:
    """As where a run is taken up again with more epochs, so that a smaller share of its steps is done."""
    pruning = Pruning(network(), 0.8, until=0.5)
    pruning.advance(0.5)
    pruning.advance(0.1)
    assert pruning.pruned == pytest.approx(0.8, abs=0.01)


def test_by_layer_each_loses_the_same_share() -> None:
    net = network()
    pruning = Pruning(net, 0.75, "layer", until=0)
    net.dense1.weight.value *= 100.0
    pruning.advance(0.5)
    assert [zeros_in(net)[name] for name in pruning.masks] == pytest.approx([0.75, 0.75, 14 / 18], abs=0.003)
    net = network()
    pruning = Pruning(net, 0.5, "global", until=0)
    net.dense1.weight.value *= 1e-3
    pruning.advance(0.5)
    assert zeros_in(net)["dense1.weight"] > 0.5 > zeros_in(net)["conv1.weight"] == 0


def test_the_trainer_prunes_keeps_zeros_and_tells_of_them(make_trainer: Make, splits: Splits) -> None:
    trainer = make_trainer(epochs=2, ema=0.9, clip_norm=1.0)
    trainer.pruning = Pruning(trainer.net, 0.9, until=0.5)
    trainer.train(*make_loaders(splits))
    assert [row.sparsity for row in trainer.history] == pytest.approx([0.9, 0.9], abs=1e-3)
    masks = trainer.pruning.masks
    assert sum((~mask).sum() for mask in masks.values()) == round(0.9 * sum(mask.size for mask in masks.values()))
    for name, mask in masks.items():
        assert not trainer.net.parameters()[name].value[~mask].any() and trainer.net.parameters()[name].value.any()
        assert not trainer.average.values[name][~mask].any()  # type: ignore[union-attr]
    assert "pruned 90%" in epoch_text(trainer.history[-1], 2)


def test_what_is_pruned_stays_so_where_steps_look_ahead(make_trainer: Make, splits: Splits) -> None:
    trainer = make_trainer(epochs=2, lookahead=2)
    trainer.pruning = Pruning(trainer.net, 0.9, until=1.0)
    advance = trainer.pruning.advance

    def checked(done: float) -> None:
        for name, mask in trainer.pruning.masks.items():  # type: ignore[union-attr]
            assert not trainer.net.parameters()[name].value[~mask].any()
        advance(done)

    trainer.pruning.advance = checked  # type: ignore[method-assign]
    trainer.train(*make_loaders(splits))
    checked(1.0)


def test_pruning_goes_on_bit_by_bit(make_trainer: Make, splits: Splits, tmp_path: Path) -> None:
    """Stopped while the sparsity still rises: which weights are pruned is part of the checkpoint."""

    def pruned(epochs: int, seed: int = 0) -> Trainer:
        trainer = make_trainer(epochs, seed=seed, ema=0.9)
        trainer.pruning = Pruning(trainer.net, 0.8, until=1.0)
        return trainer

    straight, first, second = pruned(4), pruned(4), pruned(4, seed=99)
    straight.train(*make_loaders(splits))
    first.train(*make_loaders(splits), until=2)
    save_checkpoint(first, tmp_path / "state.safetensors")
    load_checkpoint(second, tmp_path / "state.safetensors")
    second.train(*make_loaders(splits))
    assert_same_weights(straight, second)
    assert 0 < first.history[-1].sparsity < 0.79 and second.history[-1].sparsity == pytest.approx(0.8, abs=1e-3)
    assert [row.sparsity for row in straight.history] == [row.sparsity for row in second.history]
    assert any((value == 0).any() for value in weights_of(second).values())
    with pytest.raises(UsageError, match="which weights are pruned as `prune` asks for, or says so unasked"):
        load_checkpoint(make_trainer(4, ema=0.9), tmp_path / "state.safetensors")


def test_the_best_epoch_is_one_of_the_sparsest() -> None:
    accuracies = [(0.9, 0.3), (0.8, 0.7), (0.7, 0.8), (0.75, 0.8), (0.74, 0.8), (0.73, 0.8)]
    rows = [Epoch(n, 1.0, 0.5, 1.0, a, 0.9, 1e-3, 100.0, 2.0, s) for n, (a, s) in enumerate(accuracies, start=1)]
    assert best_epoch(rows).epoch == 4
    assert reason_to_stop(rows[:5], 2) is None and "epoch 4" in str(reason_to_stop(rows, 2))


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"sparsity": 1.0}, "above 0 and below 1"),
        ({"sparsity": -0.1}, "above 0 and below 1"),
        ({"sparsity": float("nan")}, "above 0 and below 1"),
        ({"sparsity": 0.5, "scope": "filters"}, "unknown scope of pruning 'filters': choose global or layer"),
        ({"sparsity": 0.5, "until": 1.5}, "from 0"),
    ],
)
def test_values_out_of_range_are_refused(settings: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError, match=part):
        Pruning(network(), **settings)
