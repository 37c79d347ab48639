"""Numba twins of the operations, for NumPy arrays. Imported when the first of them is needed, and then all together."""

import importlib
import pkgutil

from minicnn.kernels.cpu.cache import folder_of_our_own

with folder_of_our_own():
    for _module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{_module.name}")
