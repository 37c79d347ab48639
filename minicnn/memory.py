"""The memory that is kept for the next results, and how to give it back."""

from __future__ import annotations

import sys
import weakref


def release_memory() -> None:
    """Give memory that is kept for the next results back to the system, and on a GPU to its other users.

    Kernels use the memory of one training step again in the next. What an array still refers to stays until that array
    goes; the next step takes new memory, which costs it some time. Deleting a network does this by itself for the
    host's memory.
    """
    release_host_memory()
    cupy = sys.modules.get("cupy")
    if cupy is not None and cupy.cuda.is_available():  # it may be installed where there is no GPU
        cupy.get_default_memory_pool().free_all_blocks()
        cupy.get_default_pinned_memory_pool().free_all_blocks()


def release_host_memory() -> None:
    """Give back the host's memory alone, if a kernel has kept any."""
    kept = sys.modules.get("minicnn.kernels.cpu.memory")
    if kept is not None:
        kept.release()


def release_with(owner: object) -> None:
    """Release the host's memory when `owner` is deleted."""
    weakref.finalize(owner, release_host_memory).atexit = False
