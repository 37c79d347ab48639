"""Telling the user, once, that a pause is the kernels being compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from minicnn.dispatch import kernel_mode


@contextmanager
def notice_of_compilation(say: Callable[[str], None]) -> Iterator[None]:
    """Within the block, call `say` when Numba first compiles a kernel; kernels that it has kept are no reason to."""
    if kernel_mode() != "fast":
        yield
        return
    from numba.core import event  # not at the top: importing Numba takes as long as importing all of minicnn

    class Listener(event.Listener):
        said = False

        def on_start(self, event: event.Event) -> None:
            if not self.said:
                say("compiling kernels, once: they are kept for the next time")
                self.said = True

        def on_end(self, event: event.Event) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield
