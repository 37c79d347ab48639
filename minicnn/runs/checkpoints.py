"""All that a training run needs to go on exactly where it stopped, in one file that is replaced in one step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from minicnn.backend import device_of, to_device, to_numpy
from minicnn.errors import UsageError
from minicnn.layers.base import generators_state, restore_generators
from minicnn.layers.weights import read_arrays, save_arrays
from minicnn.training.history import Epoch
from minicnn.training.trainer import Trainer

# What the arrays' names in the file begin with.
WEIGHTS, MEMORY, AVERAGE, MASK = "weights:", "optimizer:", "average:", "mask:"


def save_checkpoint(trainer: Trainer, path: Path) -> None:
    """Write all that training goes on from to a safetensors file.

    That is weights, their average and which are pruned, running statistics, the optimizer's memory and steps,
    generators, history.

    The order of images and their augmentation need no place in it: they follow from the seed and the epoch.
    Raises UsageError when that is not possible.
    """
    arrays = {WEIGHTS + name: to_numpy(array) for name, array in trainer.net.state().items()}
    arrays |= {MEMORY + name: array for name, array in trainer.optimizer.state_arrays().items()}
    arrays |= {AVERAGE + name: to_numpy(array) for name, array in _averages(trainer).items()}
    arrays |= {MASK + name: to_numpy(array) for name, array in _masks(trainer).items()}
    state = {
        "steps": trainer.optimizer.steps,
        "generators": generators_state(trainer.net),
        "history": [row._asdict() for row in trainer.history],
    }
    save_arrays(arrays, path, {"state": json.dumps(state)})


def load_checkpoint(trainer: Trainer, path: Path) -> None:
    """Bring `trainer`, its network and its optimizer to where they were when `path` was written.

    Raises UsageError when the file is damaged, or is another network's or another optimizer's.
    """
    arrays, texts = read_arrays(path)
    weights = _named(arrays, WEIGHTS)
    if _kinds(trainer.net.state()) != _kinds(weights):
        raise UsageError(f"{path} is the checkpoint of another network than config.json beside it describes")
    averages = _named(arrays, AVERAGE)
    if _kinds(_averages(trainer)) != _kinds(averages):
        raise UsageError(f"{path} does not hold the average of the weights that `ema` asks for, or holds one unasked")
    masks = _named(arrays, MASK)
    if _kinds(_masks(trainer)) != _kinds(masks):
        raise UsageError(f"{path} does not say which weights are pruned as `prune` asks for, or says so unasked")
    try:
        state = json.loads(texts["state"])
        history = [Epoch(**row) for row in state["history"]]
        _require_history(history, state["steps"])
        trainer.optimizer.load_state(_named(arrays, MEMORY), state["steps"])
        restore_generators(trainer.net, state["generators"])
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise UsageError(f"{path} does not hold the state of a training run ({error})") from error
    for name, variable in trainer.net.variables().items():
        variable.value = to_device(weights[name], device_of(variable.value))
    for own, read in ((_averages(trainer), averages), (_masks(trainer), masks)):
        own |= {name: to_device(read[name], device_of(array)) for name, array in own.items()}
    trainer.history = history


def _averages(trainer: Trainer) -> dict[str, Any]:
    return {} if trainer.average is None else trainer.average.values


def _masks(trainer: Trainer) -> dict[str, Any]:
    return {} if trainer.pruning is None else trainer.pruning.masks


def _require_history(history: list[Epoch], steps: Any) -> None:
    if type(steps) is not int or steps < 0:
        raise UsageError(f"steps should be a whole number of at least 0; got {steps!r}")
    if [row.epoch for row in history] != list(range(1, len(history) + 1)):
        raise UsageError("its epochs are not counted 1, 2, 3, …")
    if wrong := [value for row in history for value in row if type(value) not in (int, float)]:
        raise UsageError(f"its history holds {wrong[0]!r} in place of a number")


def _kinds(arrays: dict[str, Any]) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name: (tuple(array.shape), str(array.dtype)) for name, array in arrays.items()}


def _named(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
