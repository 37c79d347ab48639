"""A stand-in for CuPy's `RawModule` that compiles CUDA C with g++ and runs it on the CPU, with suspicion.

A launch goes through launch_on_cpu.hpp, and is checked where a GPU would take anything:

- every argument has the very type that the kernel declares, and every array lies contiguously in memory;
- an array ends where memory ends that may not be touched, or begins behind such memory when threads run backwards:
  whoever reads or writes there is stopped. On the other side, as far as the next page, lies what is NaN or −1 to a
  kernel that reads it, and what it writes there is found out;
- arrays that the kernel declares const are unchanged afterwards;
- a block, and a grid, is no larger than CUDA allows; all threads of a block come to every barrier;
- what an asynchronous copy brings is NaN until it has been waited for.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.device_stand_in import DeviceArray

HEADER = Path(__file__).parent / "launch_on_cpu.hpp"
KERNEL = re.compile(r"__global__\s+void\s+(\w+)\(")
TOGETHER = ("__syncthreads", "multiply_add", "begin_copy")  # what takes more than one thread, or more than one moment
FAILURES = {
    1: "some threads wait at a barrier that the others never reach",
    2: "an asynchronous copy is not from and to multiples of 16 bytes",
    3: "memory outside of its arrays was read or written",
}
SEVERAL_AT_ONCE = ("begin_copy", "float2")  # what needs a better alignment than its numbers'
FORBIDDEN = 256 * mmap.PAGESIZE  # bytes before and after every array's pages that may not be touched
GUARD_BYTE = 0xFF  # four or eight of them are a NaN, or the number −1

_mprotect = ctypes.CDLL(None, use_errno=True).mprotect
_mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

backwards = False  # whether blocks and threads run in the opposite order
launched: set[str] = set()  # the names of all kernels that have run


def compiler() -> str | None:
    """Return the path of g++, or None."""
    return shutil.which("g++")


class RawModule:
    """CUDA C code, compiled by g++ for this machine's CPU."""

    def __init__(self, code: str, options: tuple[str, ...] = ()) -> None:
        self.code = code
        self.library = ctypes.CDLL(str(_compile(code, options)))

    def get_function(self, name: str) -> RawKernel:
        """Return the kernel `name`."""
        return RawKernel(self, name)


class RawKernel:
    """One kernel, to be called as CuPy's are: kernel(grid, block, arguments)."""

    def __init__(self, module: RawModule, name: str) -> None:
        self.name = name
        self.barriers = any(name in module.code for name in TOGETHER)
        self.aligned = any(name in module.code for name in SEVERAL_AT_ONCE)
        self._launch = getattr(module.library, f"launch_{name}")
        signature = getattr(module.library, f"signature_{name}")
        signature.restype = ctypes.c_char_p
        self.parameters = signature().decode().rstrip(",").split(",")

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        """Run all blocks of `grid` with the threads of `block`."""
        sizes = [*(*grid, 1, 1)[:3], *(*block, 1, 1)[:3]]
        assert min(sizes) > 0, f"{self.name}: a grid of {grid} blocks of {block} threads, which CUDA refuses"
        assert sizes[0] < 2**31 and sizes[1] < 2**16 and sizes[2] < 2**16, f"{self.name}: a grid of {grid} blocks"
        assert np.prod(sizes[3:]) <= 1024, f"{self.name}: a block of {block} threads"
        assert len(arguments) == len(self.parameters), (
            f"{self.name} takes {len(self.parameters)} arguments: {self.parameters}, but got {len(arguments)}"
        )
        launched.add(self.name)
        guarded: dict[int, GuardedCopy] = {}  # by address: one array given twice is one memory
        pointers, keep = [], []
        for place, (parameter, argument) in enumerate(zip(self.parameters, arguments, strict=True)):
            what = f"argument {place} of {self.name}, declared {parameter}"
            if parameter.endswith("*"):
                array = _checked_array(argument, parameter.removeprefix("const ").rstrip("*"), what)
                if array.ctypes.data not in guarded:
                    guarded[array.ctypes.data] = GuardedCopy(array, 16 if self.aligned else array.itemsize)
                copy = guarded[array.ctypes.data]
                copy.writable |= not parameter.startswith("const ")
                value = ctypes.c_void_p(copy.address)
            else:
                assert isinstance(argument, np.generic), f"{what}: got {argument!r}, whose size CuPy would choose"
                assert argument.dtype.name == parameter, f"{what}: got {argument.dtype}"
                value = (ctypes.c_char * argument.dtype.itemsize).from_buffer_copy(argument.tobytes())
            keep.append(value)
            pointers.append(ctypes.addressof(value))
        geometry = (ctypes.c_uint * 8)(*sizes, self.barriers, backwards)
        failed = self._launch(geometry, (ctypes.c_void_p * len(pointers))(*pointers))
        assert not failed, f"{self.name}: {FAILURES[failed]}"
        for copy in guarded.values():
            copy.check_and_write_back(self.name)


class GuardedCopy:
    """The memory of an array beside memory that may not be touched: behind it, or before it if threads run backwards.

    alignment: bytes; the copy lies at as many bytes past a multiple of them as the array does. Where its length is no
    multiple of them, the forbidden memory begins that much later, and the rest is guard.
    """

    def __init__(self, array: np.ndarray, alignment: int) -> None:
        self.array = array
        self.writable = False
        length = -(-(array.nbytes + alignment) // mmap.PAGESIZE) * mmap.PAGESIZE
        pages = np.frombuffer(mmap.mmap(-1, length + 2 * FORBIDDEN), dtype=np.uint8)
        for place in (0, FORBIDDEN + length):
            assert _mprotect(pages.ctypes.data + place, FORBIDDEN, 0) == 0, "mprotect failed"
        self.memory = pages[FORBIDDEN : FORBIDDEN + length]
        self.memory[:] = GUARD_BYTE
        past = array.ctypes.data % alignment
        if backwards:
            self.begin = past
        else:
            self.begin = (length - array.nbytes - past) // alignment * alignment + past
        self.inside = self.memory[self.begin : self.begin + array.nbytes]
        self.inside[:] = np.frombuffer(array.tobytes(), dtype=np.uint8)

    @property
    def address(self) -> int:
        """Where the array begins."""
        return self.memory.ctypes.data + self.begin

    def check_and_write_back(self, kernel: str) -> None:
        """Fail if a guard or a const array was written to; then bring the results home."""
        assert (self.memory[: self.begin] == GUARD_BYTE).all(), f"{kernel} wrote before the first element of an array"
        assert (self.memory[self.begin + self.array.nbytes :] == GUARD_BYTE).all(), f"{kernel} wrote beyond an array"
        result = np.frombuffer(self.inside.tobytes(), dtype=self.array.dtype).reshape(self.array.shape)
        if self.writable:
            self.array[...] = result
        else:
            assert self.inside.tobytes() == self.array.tobytes(), f"{kernel} changed an array that it declares const"


def _checked_array(argument: Any, dtype: str, what: str) -> np.ndarray:
    assert isinstance(argument, DeviceArray), f"{what}: got {type(argument).__name__}, no device array"
    array = argument._host
    assert array.dtype.name == dtype, f"{what}: got an array of {array.dtype}"
    assert array.flags.c_contiguous, f"{what}: the array does not lie contiguously in memory"
    return array


@functools.cache
def _compile(code: str, options: tuple[str, ...]) -> Path:
    exports = "".join(f"EXPORT({name})\n" for name in KERNEL.findall(code))
    source = _folder() / f"kernels{len(list(_folder().iterdir()))}.cpp"
    source.write_text(f'#include "{HEADER}"\n{code}\n{exports}', encoding="utf-8")
    library = source.with_suffix(".so")
    flags = [*options, "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-Wall", "-Werror", "-Wno-sign-compare"]
    flags += ["-Wno-unused-function", "-Wno-unknown-pragmas"]
    command = [str(compiler()), *flags, str(source), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


@functools.cache
def _folder() -> Path:
    holder = tempfile.TemporaryDirectory(prefix="minicnn-kernels-")
    _folder.holder = holder  # type: ignore[attr-defined]  # deleted when Python ends
    return Path(holder.name)
