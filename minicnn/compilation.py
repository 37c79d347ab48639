"""Which kernels a computation asks for, found out without computing; and compiling one of them, to be kept.

Numba compiles a kernel when it is first called with arguments of some types. A dry run calls every kernel with the
arguments that it will get, notes their types, and lets the kernel do nothing: what it should have filled holds whatever
memory held. So the list of what has to be compiled is there in a moment, and processes may share it out. The few
kernels that return something, rather than fill what they are given, are compiled at once, and compute.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "minicnn.kernels.cpu"


class Request(NamedTuple):
    """A kernel, and the types of arguments that it is asked for with."""

    kernel: Any
    types: tuple[Any, ...]

    @property
    def name(self) -> str:
        """What the kernel is called: the file and the function."""
        return f"{self.kernel.__module__.removeprefix(PACKAGE + '.')}.{self.kernel.__name__}"

    @property
    def file_name(self) -> str:
        """What the file that keeps it is called, the same in every process."""
        return self.kernel._cache._identified(self.types, self.kernel.targetctx)[0]

    @property
    def kept(self) -> bool:
        """Whether a process compiled it before, and has kept it."""
        folder = kept_in()
        return folder is not None and (folder / self.file_name).exists()

    def compile(self) -> None:
        """Compile the kernel, unless it was kept before, and keep it."""
        self.kernel.compile(self.types)


def kept_in() -> Path | None:
    """Return the folder that compiled kernels are kept in, None where there is none, or they are not compiled."""
    if importlib.import_module("numba").config.DISABLE_JIT:
        return None
    return _module("cache").settled_folder()[0]


@contextmanager
def dry_run() -> Iterator[list[Request]]:
    """Let no kernel compute within the block, and yield the list that holds, after it, each that was asked for, once.

    Raises RuntimeError in a process in which a kernel was compiled: it would compute, on whatever memory holds.
    """
    requests: dict[Request, None] = {}
    listed: list[Request] = []
    kernels, cache = _kernels(), _module("cache")
    if any(kernel.overloads for kernel in kernels):
        raise RuntimeError("a dry run needs a process in which no kernel has computed yet")
    filling = [kernel for kernel in kernels if not _returns_something(kernel.py_func)]
    for kernel in filling:
        kernel._compile_for_args = functools.partial(_note, kernel, requests)
    tell, cache.tell_once = cache.tell_once, lambda text: None  # whoever asks for the list says what is compiled
    try:
        yield listed
    finally:
        cache.tell_once = tell
        for kernel in filling:
            del kernel._compile_for_args
        listed += requests


def _note(kernel: Any, requests: dict[Request, None], *arguments: object) -> Callable[..., None]:
    """Take the place of Numba's compiler: return what is called with the same arguments, and does nothing."""
    requests[Request(kernel, tuple(kernel.typeof_pyval(argument) for argument in arguments))] = None
    return lambda *_: None


def _returns_something(function: Callable[..., Any]) -> bool:
    nodes = ast.walk(ast.parse(inspect.getsource(function)))
    return any(isinstance(node, ast.Return) and node.value is not None for node in nodes)


def _module(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


def _kernels() -> list[Any]:
    """Return all functions that Python calls kernels by: those that are kept."""
    importlib.import_module(PACKAGE)
    kept = _module("cache").Kept
    modules = [module for name, module in sys.modules.items() if name.startswith(f"{PACKAGE}.")]
    values = [value for module in modules for value in vars(module).values()]
    return list({id(value): value for value in values if isinstance(getattr(value, "_cache", None), kept)}.values())
