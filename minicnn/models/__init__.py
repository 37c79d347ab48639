"""The networks, each a short list of layers: `models.build(name, input_shape, classes, seed)`.

Every file of this package is imported here, and each function in it with `@model` becomes a network by its name.
"""

import importlib
import pkgutil

from minicnn.models.own_file import is_file
from minicnn.models.registry import MODELS, Model, build, find, fitting_sizes, known, model, outline, require_image_size

for _file in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_file.name}")

__all__ = [
    "MODELS", "Model", "build", "find", "fitting_sizes", "is_file", "known", "model", "outline", "require_image_size",
]  # fmt: skip
