"""Telling the user, once, that a pause is the kernels being compiled."""

from __future__ import annotations

import sys

from numba.core import event

_KERNELS = __name__.rpartition(".")[0]


class _Notice(event.Listener):
    """Says on stderr, once a process, that Numba compiles a kernel; those that it has kept are no reason to."""

    said = False

    def on_start(self, event: event.Event) -> None:
        function = event.data["dispatcher"]
        module = function.py_func.__module__ or ""  # None for what the user made with exec
        # Not for the user's own functions, nor for small ones that every process compiles, because they are not kept.
        if not self.said and module.startswith(_KERNELS) and function.stats.cache_path is not None:
            self.said = True
            print("minicnn: compiling kernels, once: they are kept for the next time", file=sys.stderr, flush=True)

    def on_end(self, event: event.Event) -> None:
        pass


notice = _Notice()
event.register("numba:compile", notice)
