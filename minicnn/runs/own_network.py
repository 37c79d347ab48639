"""Runs whose network is the user's own file: the run keeps a copy of it, and executes nothing that nobody named.

Weights and settings are numbers and texts, which can be opened whoever they are from. A network's file is a program. So
it is executed when `--model FILE.py` names it, and only then: a run directory that comes from elsewhere does nothing by
being opened, and who goes on with it names the copy in it, having read it.
"""

from __future__ import annotations

from minicnn import models
from minicnn.errors import UsageError
from minicnn.models import own_file
from minicnn.runs.run_directory import RunDirectory


def network_of_run(directory: RunDirectory, model: str, named: str | None) -> models.Model:
    """Return the network of a run, after executing its file if it has one and the user `named` it.

    model: as the run's settings have it. named: a file, FILE.py or FILE.py:FUNCTION, or None.
    Raises UsageError when the file is needed and not named, another one is named than the run was trained with, or
    something is wrong with it.
    """
    if not models.is_file(model):
        if named is not None:
            raise UsageError(f"{directory.path} was trained with {model}, which minicnn knows: leave out --model")
        return models.known(model)
    path, function = own_file.split(model)
    copy = directory.path / path.name  # a mere name: whatever else the settings say leads nowhere
    if named is None:
        raise UsageError(
            f"{directory.path} was trained with a network of its own, {path.name}, which is code and is only executed "
            f"when you name it: read {copy}, then add --model {copy}"
        )
    named_path, named_function = own_file.split(named)
    if named_function not in (None, function):
        raise UsageError(f"{directory.path} was trained with the function {function}, not {named_function}")
    if copy.exists() and own_file.read(named_path) != own_file.read(copy):
        raise UsageError(f"{named_path} is not what {directory.path} was trained with any more: name {copy}")
    return models.find(f"{named_path}:{function}" if function else str(named_path))


def settings_name(network: models.Model) -> str:
    """Return what a run's settings call `network`: its name, or FILE.py:FUNCTION without the folder of the file."""
    return network.name if network.file is None else f"{network.file.path.name}:{network.name}"
