"""Which device computes: whether a GPU can be used, or what is missing; its matrix products in TF32; its memory.

CuPy is imported only when a GPU is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from minicnn.errors import DeviceError, UsageError

_ASKED = "a GPU was asked for"
_NO_DEVICE = 100  # cudaErrorNoDevice


def cupy_available() -> bool:
    """Return whether CuPy is installed and finds a working GPU."""
    try:
        require_cupy()
    except DeviceError:
        return False
    return True


def require_cupy() -> ModuleType:
    """Import and return CuPy.

    Raises DeviceError naming what is missing: the package, the driver, the device, CUDA's compiler or one that knows
    the device, or cuBLAS.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a missing CUDA folder: whether that matters is found out below
            import cupy
    except ImportError as error:
        raise DeviceError(
            f"{_ASKED}, but the package CuPy is not installed: pip install 'minicnn[gpu-cuda13]' "
            f"(or gpu-cuda12, to match the driver), or use --device cpu ({error})"
        ) from error
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        if error.status != _NO_DEVICE:
            raise DeviceError(
                f"{_ASKED} and CuPy is installed, but no NVIDIA driver that is new enough answers: install or update "
                f"it (nvidia-smi shows its version), or use --device cpu ({error})"
            ) from error
        devices = 0
    if devices == 0:
        raise DeviceError(
            f"{_ASKED} and driver and CuPy are installed, but this machine shows no NVIDIA GPU: "
            "look at nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu"
        )
    _require_libraries(cupy)
    return cupy


def _require_libraries(cupy: ModuleType) -> None:
    """Raise DeviceError unless CuPy finds CUDA's compiler and cuBLAS, and the compiler knows the GPU in use."""
    brings_it = "pip install 'minicnn[gpu-cuda13]' (or gpu-cuda12) brings it along"
    nvrtc = cupy.cuda.nvrtc
    try:
        version = nvrtc.getVersion()
    except (RuntimeError, ImportError, OSError) as error:
        raise DeviceError(
            f"{_ASKED} and is there, but CuPy finds no CUDA compiler for its kernels: {brings_it} "
            f"({_first_line(error)})"
        ) from error
    card, oldest = int(cupy.cuda.Device().compute_capability), min(nvrtc.getSupportedArchs())
    if card < oldest:
        older = "pip uninstall cupy-cuda13x and pip install 'minicnn[gpu-cuda12]', or " if version[0] >= 13 else ""
        raise DeviceError(
            f"{_ASKED} and is there, but of compute capability {card / 10}, and CUDA {version[0]} compiles for cards "
            f"from {oldest / 10} on: {older}use --device cpu"
        )
    try:
        _ = cupy.cuda.cublas  # which CuPy loads only now
    except (RuntimeError, ImportError, OSError) as error:
        raise DeviceError(
            f"{_ASKED} and is there, but CuPy finds no cuBLAS for matrix products: {brings_it} ({_first_line(error)})"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def gpu_name() -> str:
    """Return what the driver calls the GPU in use, such as "NVIDIA H200". Raises DeviceError where there is none."""
    cuda = require_cupy().cuda
    return cuda.runtime.getDeviceProperties(cuda.Device().id)["name"].decode()


def resolve_device(device: str) -> str:
    """Turn "auto" into "gpu" where one works and "cpu" elsewhere; check that "gpu" can be had.

    Raises DeviceError for an unknown name or a GPU that is not there.
    """
    if device == "auto":
        return "gpu" if cupy_available() else "cpu"
    if device == "gpu":
        require_cupy()
    elif device != "cpu":
        raise DeviceError(f"unknown device {device!r}: choose cpu, gpu or auto")
    return device


@contextmanager
def tf32_products(allowed: bool) -> Iterator[None]:
    """Run a block with matrix products of float32 arrays on the GPU in TF32, or in full float32.

    TF32 rounds both factors to 10 bits of mantissa (float32 has 23) and adds up in float32; cards from Ampere on have
    tensor cores for it, on older ones CuPy warns and stays with float32. `allowed` decides, whatever the environment
    variable CUPY_TF32 says; it counts for the whole process, and what was in force before comes back at the end.
    Raises DeviceError where there is no GPU.
    """
    # CuPy reads its variable at the first product and never again, so that setting it here could come too late.
    products = require_cupy()._core._routines_linalg
    before = products.get_compute_type("float32")
    products.set_compute_type("float32", products.COMPUTE_TYPE_TF32 if allowed else products.COMPUTE_TYPE_DEFAULT)
    try:
        yield
    finally:
        products.set_compute_type("float32", before)


def tf32_allowed(xp: ModuleType) -> bool:
    """Return whether `xp`, which is CuPy, multiplies float32 arrays in TF32 now: it may, and its card can."""
    products = xp._core._routines_linalg
    may = products.get_compute_type("float32") == products.COMPUTE_TYPE_TF32
    return may and int(xp.cuda.Device().compute_capability) >= 80


@contextmanager
def device_memory(device: str, what: str, advice: str) -> Iterator[None]:
    """Run a block that puts `what` into the memory of `device`, "cpu" or "gpu".

    Raises UsageError in place of CuPy's error when the GPU's memory runs out: it says what did not fit, how much memory
    was free, and gives the `advice`.
    """
    if device == "cpu":
        yield
        return
    cupy = require_cupy()
    try:
        yield
    except cupy.cuda.memory.OutOfMemoryError as error:
        free, total = cupy.cuda.runtime.memGetInfo()
        unused = cupy.get_default_memory_pool().free_bytes()
        raise UsageError(
            f"{what} cannot be held in the GPU's memory: {(free + unused) >> 20} of {total >> 20} MiB were free; "
            f"{advice} ({error})"
        ) from error


@contextmanager
def device_session(device: str, batch_size: int, tf32: bool = False) -> Iterator[None]:
    """Run a block that computes on `device`, and give the GPU's memory back at its end.

    device: "cpu" (nothing happens) or "gpu". batch_size: images, for the message when memory runs out (see
    `device_memory`). tf32: see `tf32_products`.
    """
    if device == "cpu":
        yield
        return
    cupy = require_cupy()
    try:
        batch = device_memory(device, f"a batch of {batch_size} images", "try a smaller --batch-size")
        with batch, tf32_products(tf32):
            yield
    finally:
        cupy.get_default_memory_pool().free_all_blocks()
        cupy.get_default_pinned_memory_pool().free_all_blocks()
