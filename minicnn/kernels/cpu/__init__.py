"""Numba twins of the operations, for NumPy arrays. Imported when the first of them is needed, and then all together."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
