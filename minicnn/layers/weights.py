"""A network's parameters in a file: safetensors, which holds numbers and no code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from minicnn.backend import device_of, to_device, to_numpy
from minicnn.errors import UsageError
from minicnn.layers.base import Parameter


def save_arrays(arrays: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write named arrays to a safetensors file, first beside it and then in its place, so that it is never half there.

    Raises UsageError when the folder cannot be written to.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def load_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read the named arrays of a safetensors file.

    Raises UsageError when it is missing, truncated or no safetensors file.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise UsageError(f"there is no weight file {path}") from None
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} is damaged or no safetensors file ({error}): train again, or take a copy") from error


def save_weights(parameters: Mapping[str, Parameter], path: str | Path) -> None:
    """Write all parameters to `path`. Raises UsageError when that is not possible."""
    save_arrays({name: to_numpy(parameter.value) for name, parameter in parameters.items()}, path)


def load_weights(parameters: Mapping[str, Parameter], path: str | Path) -> None:
    """Read all parameters from `path`, keeping each on its device and in its dtype.

    Raises UsageError, changing nothing, unless the file has exactly these names and shapes.
    """
    arrays = load_arrays(path)
    for name in [*parameters, *arrays]:
        here = tuple(parameters[name].value.shape) if name in parameters else "nothing of that name"
        there = arrays[name].shape if name in arrays else "nothing of that name"
        if here != there:
            raise UsageError(f"{path} holds another network's weights: {name} is {there} there, {here} here")
    for name, parameter in parameters.items():
        value = arrays[name].astype(parameter.value.dtype.name)
        parameter.value = to_device(value, device_of(parameter.value))
