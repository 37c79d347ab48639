"""Weights of a network that is the user's own file: a run keeps a copy of it, and nobody executes what is not named.

Weights and settings are numbers and texts, which can be opened whoever they are from. A network's file is a program. So
it is executed when `--model FILE.py` names it, and only then: a run directory that comes from elsewhere does nothing by
being opened, and who goes on with it names the copy in it, having read it. Weights that were exported have no such copy
beside them: whoever made them has the file.
"""

from __future__ import annotations

from pathlib import Path

from minicnn import models
from minicnn.errors import UsageError
from minicnn.models import own_file


def network_of(place: Path, model: str, named: str | None) -> models.Model:
    """Return the network that weights are of, after executing its file if it has one and the user `named` it.

    place: the folder of a run, or a network's file. model: what is written there. named: a file, FILE.py or
    FILE.py:FUNCTION, or None.
    Raises UsageError when the file is needed and not named, another one is named than the run was trained with, or
    something is wrong with it.
    """
    if not models.is_file(model):
        if named is not None:
            raise UsageError(f"{place} was trained with {model}, which minicnn knows: leave out --model")
        return models.known(model)
    path, function = own_file.split(model)
    if named is None:
        raise UsageError(code_needed(place, model))
    copy = place / path.name  # a mere name: whatever else is written there leads nowhere
    named_path, named_function = own_file.split(named)
    if named_function not in (None, function):
        raise UsageError(f"{place} was trained with the function {function}, not {named_function}")
    if copy.exists() and own_file.read(named_path) != own_file.read(copy):
        raise UsageError(f"{named_path} is not what {place} was trained with any more: name {copy}")
    return models.find(f"{named_path}:{function}" if function else str(named_path))


def code_needed(place: Path, model: str) -> str:
    """Return how the user may name the file of the network that the weights in `place` are of."""
    name = own_file.split(model)[0].name
    told = f"{place} was trained with a network of its own, {name}, which is code and is only executed when you name it"
    if place.is_dir():
        return f"{told}: read {place / name}, then add --model {place / name}"
    return f"{told}, and it is not in there: add --model and the path of your {name}"


def settings_name(network: models.Model) -> str:
    """Return what a run's settings call `network`: its name, or FILE.py:FUNCTION without the folder of the file."""
    return network.name if network.file is None else f"{network.file.path.name}:{network.name}"
