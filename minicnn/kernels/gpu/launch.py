"""How a twin starts a CUDA kernel: from the `.cu` file beside it, compiled for the dtype at hand when first needed.

A `.cu` file names its number type REAL; it is compiled once for float and once for double. The threads of a launch
are laid out in one of three ways, which the kernels' first lines read back:

    elements   one thread an element                  index = blockIdx.x·blockDim.x + threadIdx.x
    lines      a row of a block's threads a line      line = blockIdx.x·blockDim.y + threadIdx.y, along it threadIdx.x
    blocks     a whole block a line                   line = blockIdx.x, along it threadIdx.x

Neighbouring threads read neighbouring numbers in all three, so that a warp's 32 accesses become a few wide ones.
"""

from __future__ import annotations

import functools
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from minicnn.backend import Array, array_module

BLOCK = 256  # threads a block: enough warps to hide memory latency, few enough registers to fit several a processor
LARGEST = 2**31 - 2**16  # elements an array may have: the kernels count in 32 bits, which a GPU divides faster than 64
C_TYPES = {"float32": "float", "float64": "double", "uint8": "unsigned char", "int32": "int"}

Layout = tuple[tuple[int, ...], tuple[int, ...]]  # grid (in blocks) and block (in threads)


def kernels_take(*arrays: Array) -> bool:
    """Return whether the kernels can work on `arrays`: all float32 or all float64, none empty or too large, and CuPy's.

    For no element at all, CUDA refuses to start a kernel. An array of another library than CuPy has no `RawModule` to
    launch CUDA C with. Both get the formula.
    """
    dtype = arrays[0].dtype
    return (
        hasattr(array_module(arrays[0]), "RawModule")
        and dtype in (np.float32, np.float64)
        and all(a.dtype == dtype and 0 < a.size <= LARGEST for a in arrays)
    )


def elements(count: int) -> Layout:
    """Return the layout of one thread an element."""
    return (-(-count // BLOCK),), (BLOCK,)


def lines(count: int, length: int) -> Layout:
    """Return the layout for `count` lines of `length` numbers: short lines share a block, long ones take turns."""
    across = min(_power_of_two(length), 64)
    down = BLOCK // across
    return (-(-count // down),), (across, down)


def blocks(count: int, length: int) -> Layout:
    """Return the layout of a block for each of `count` lines of `length` numbers."""
    return (count,), (min(max(_power_of_two(length), 32), BLOCK),)


def launch(file: str, kernel: str, layout: Layout, arguments: tuple[Any, ...], real: Any, index: Any = "int32") -> None:
    """Start `kernel` of `file` on the current stream.

    arguments: C-contiguous arrays, one of them first, and numbers; whole numbers arrive as int (unsigned NumPy scalars
    as they are), others as REAL. real, index: the dtypes that REAL and INDEX stand for. Raises what the compiler or
    the driver raises.
    """
    real = np.dtype(real)
    xp = array_module(arguments[0])
    function = _function(xp, file, kernel, C_TYPES[real.name], C_TYPES[np.dtype(index).name])
    grid, block = layout
    function(grid, block, tuple(_argument(a, real) for a in arguments))


@functools.cache
def _module(xp: ModuleType, file: str, real: str, index: str) -> Any:
    # Without the comments' letters: CuPy writes the code to a file in the locale's encoding, which may not have them.
    code = (Path(__file__).parent / file).read_text(encoding="ascii", errors="ignore")
    return xp.RawModule(code=code, options=("--std=c++17", f"-DREAL={real}", f"-DINDEX={index}"))


@functools.cache
def _function(xp: ModuleType, file: str, kernel: str, real: str, index: str) -> Any:
    return _module(xp, file, real, index).get_function(kernel)


def _argument(value: Any, real: np.dtype) -> Any:
    # A kernel reads as many bytes as it declares, whatever comes: CuPy would pass a Python int as 64 bits, a float as
    # double, and a NumPy scalar as it is. Only unsigned numbers, words of a hash, stay what they are.
    if isinstance(value, (int, np.bool_, np.signedinteger)):
        return np.int32(value)
    if isinstance(value, (float, np.floating)):
        return real.type(value)
    return value


def _power_of_two(number: int) -> int:
    """Return the smallest power of two that is at least `number`."""
    return 1 << int(max(number - 1, 0)).bit_length()
