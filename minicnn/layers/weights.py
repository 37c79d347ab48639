"""A network's parameters and states in a file: safetensors, which holds numbers and no code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from minicnn.backend import device_of, to_device
from minicnn.errors import UsageError
from minicnn.files import write_whole
from minicnn.layers.variables import Variable


def save_arrays(arrays: Mapping[str, np.ndarray], path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write named arrays, and texts by name, to a safetensors file, which appears whole or not at all.

    Raises UsageError when the folder cannot be written to.
    """
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(Path(path), save(whole, dict(metadata) if metadata else None))


def read_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read the named arrays of a safetensors file, and the texts by name that stand beside them.

    Raises UsageError when it is missing, a folder, truncated or no safetensors file.
    """
    if Path(path).is_dir():
        raise UsageError(f"{path} is a folder: give the weight file in it, which ends in .safetensors")
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise UsageError(f"there is no weight file {path}") from None
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} is damaged or no safetensors file ({error}): train again, or take a copy") from error


def load_variables(variables: Mapping[str, Variable], path: str | Path) -> None:
    """Read the values of all variables from `path`, keeping each on its device and in its dtype.

    Raises UsageError, changing nothing, unless the file has exactly these names and shapes.
    """
    set_variables(variables, read_arrays(path)[0], path)


def set_variables(variables: Mapping[str, Variable], arrays: Mapping[str, np.ndarray], source: object) -> None:
    """Set all variables to copies of `arrays`, by name, keeping each on its device and in its dtype.

    source: where the arrays are from. Raises UsageError, changing nothing, unless they have these names and shapes.
    """
    for name in [*variables, *arrays]:
        here = variables[name].shape if name in variables else "nothing of that name"
        there = arrays[name].shape if name in arrays else "nothing of that name"
        if here != there:
            raise UsageError(f"{source} holds another network's weights: {name} is {there} there, {here} here")
    for name, variable in variables.items():
        value = np.array(arrays[name], dtype=variable.value.dtype.name, order="C")
        variable.value = to_device(value, device_of(variable.value))
