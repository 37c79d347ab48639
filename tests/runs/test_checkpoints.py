"""Stopping and going on: bit by bit the same as never having stopped; damaged files are refused whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minicnn import SGD, Dense, Flatten, Sequential
from minicnn.data import Splits
from minicnn.errors import UsageError
from minicnn.layers.weights import read_arrays, save_arrays
from minicnn.runs.checkpoints import load_checkpoint, save_checkpoint
from minicnn.training.history import Epoch, best_epoch, to_csv
from minicnn.training.trainer import Trainer
from tests.layers.two_paths import TwoPaths
from tests.training.tiny import SIZE, assert_same_weights, make_loaders, weights_of

Make = Callable[..., Trainer]


def test_two_epochs_and_two_more_are_four(make_trainer: Make, splits: Splits, tmp_path: Path) -> None:
    """The network has dropout, the images are flipped at random, Adam remembers: all of it goes on where it was."""
    straight, first, second = make_trainer(4), make_trainer(2), make_trainer(4, seed=99)
    straight.train(*make_loaders(splits))
    first.train(*make_loaders(splits))
    save_checkpoint(first, tmp_path / "state.safetensors")
    load_checkpoint(second, tmp_path / "state.safetensors")
    second.train(*make_loaders(splits))
    assert_same_weights(straight, second)
    for name, array in straight.optimizer.state_arrays().items():
        np.testing.assert_array_equal(array, second.optimizer.state_arrays()[name])
    losses = [(row.epoch, row.train_loss, row.val_loss) for row in straight.history]
    assert losses == [(row.epoch, row.train_loss, row.val_loss) for row in second.history]


def test_an_average_of_the_weights_goes_on_bit_by_bit(make_trainer: Make, splits: Splits, tmp_path: Path) -> None:
    options = {"ema": 0.95, "accumulate": 2, "clip_norm": 0.5}
    straight, first = make_trainer(4, **options), make_trainer(2, **options)
    second = make_trainer(4, seed=99, **options)
    straight.train(*make_loaders(splits))
    first.train(*make_loaders(splits))
    save_checkpoint(first, tmp_path / "state.safetensors")
    load_checkpoint(second, tmp_path / "state.safetensors")
    second.train(*make_loaders(splits))
    assert_same_weights(straight, second)
    assert [row.val_loss for row in straight.history] == [row.val_loss for row in second.history]
    with straight.validated_weights(), second.validated_weights():
        assert_same_weights(straight, second)
    with pytest.raises(UsageError, match="average of the weights that `ema` asks for, or holds one unasked"):
        load_checkpoint(make_trainer(4), tmp_path / "state.safetensors")
    save_checkpoint(make_trainer(4), tmp_path / "state.safetensors")
    with pytest.raises(UsageError, match="average of the weights"):
        load_checkpoint(second, tmp_path / "state.safetensors")


def test_a_network_with_a_layer_of_one_s_own_goes_on_bit_by_bit(tmp_path: Path) -> None:
    """Its running statistic and its dropout, in a dict inside of it, are part of the checkpoint."""
    rng = np.random.default_rng(0)
    data = rng.standard_normal((24, 6, 5, 2), dtype="float32"), rng.integers(3, size=24)

    def trainer(epochs: int, seed: int = 0) -> Trainer:
        net = Sequential([TwoPaths(4), Flatten(), Dense(3)], (6, 5, 2), seed=seed)
        return Trainer(net, SGD(net.parameters(), lr=0.01, momentum=0.9), epochs=epochs)

    straight, first, second = trainer(4), trainer(2), trainer(4, seed=99)
    straight.train(data, batch_size=8)
    first.train(data, batch_size=8)
    save_checkpoint(first, tmp_path / "state.safetensors")
    load_checkpoint(second, tmp_path / "state.safetensors")
    second.train(data, batch_size=8)
    for name, array in straight.net.state().items():
        np.testing.assert_array_equal(array, second.net.state()[name], err_msg=name)


def test_a_damaged_checkpoint_changes_nothing(make_trainer: Make, tmp_path: Path) -> None:
    trainer = make_trainer()
    path = tmp_path / "state.safetensors"
    save_checkpoint(trainer, path)
    path.write_bytes(path.read_bytes()[:-100])
    before = weights_of(trainer)
    with pytest.raises(UsageError, match="damaged"):
        load_checkpoint(trainer, path)
    for name, value in before.items():
        np.testing.assert_array_equal(value, trainer.net.parameters()[name].value)


def test_another_networks_or_optimizers_checkpoint_is_refused(make_trainer: Make, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    trainer = make_trainer()
    other = Sequential([Flatten(), Dense(10)], input_shape=(SIZE, SIZE, 3))
    save_checkpoint(Trainer(other, SGD(other.parameters()), epochs=1), path)
    with pytest.raises(UsageError, match="another network"):
        load_checkpoint(trainer, path)
    save_checkpoint(Trainer(trainer.net, SGD(trainer.net.parameters()), epochs=1), path)
    with pytest.raises(UsageError, match="optimizer state"):
        load_checkpoint(trainer, path)
    trainer.net.save(path)
    with pytest.raises(UsageError, match=r"another network|state of a training run"):
        load_checkpoint(trainer, path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", "three"),
        ("steps", True),
        ("steps", -1),
        ("history", 5),
        ("history", [5]),
        ("history", [dict.fromkeys(Epoch._fields, "1")]),
        ("history", [dict.fromkeys(Epoch._fields, 1) | {"val_accuracy": "high"}]),
        ("history", [dict.fromkeys(Epoch._fields, 2)]),
        ("generators", []),
        ("generators", {"dropout1": 5}),
    ],
)
def test_a_damaged_state_is_refused(make_trainer: Make, tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "state.safetensors"
    trainer = make_trainer()
    save_checkpoint(trainer, path)
    arrays, texts = read_arrays(path)
    save_arrays(arrays, path, {"state": json.dumps(json.loads(texts["state"]) | {key: value})})
    with pytest.raises(UsageError, match="does not hold the state of a training run"):
        load_checkpoint(trainer, path)
    assert trainer.history == [] and trainer.optimizer.steps == 0


def test_the_best_epoch_and_the_table() -> None:
    rows = [
        Epoch(number, 1.0, 0.5, loss, accuracy, 0.9, 1e-3, 100.0, 2.0)
        for number, (loss, accuracy) in enumerate([(1.0, 0.5), (0.9, 0.7), (0.8, 0.7), (0.8, 0.7)], start=1)
    ]
    assert best_epoch(rows).epoch == 3  # of equal accuracy the lower loss, of equal losses the earlier
    lines = to_csv(rows).splitlines()
    names = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,val_top5,lr,images_per_second,seconds,sparsity"
    assert lines[0] == names
    assert lines[2] == "2,1,0.5,0.9,0.7,0.9,0.001,100,2,0"
