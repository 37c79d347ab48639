"""Where the kernels run: on a stand-in for a GPU, emulated by the CPU, and on a GPU where there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minicnn.devices import require_cupy
from tests.device_stand_in import DeviceArray, namespace
from tests.kernels.gpu import emulator


@dataclass(frozen=True)
class Device:
    """A place for arrays: `array` brings one there, and `Array` is its class there."""

    array: Callable[[np.ndarray], Any]
    Array: type


def _every_other(place: Callable[[np.ndarray], Any], x: np.ndarray) -> Any:
    every_other = (slice(None, None, 2),) * x.ndim
    spread = np.ones([2 * size for size in x.shape], x.dtype)
    spread[every_other] = x
    return place(spread)[every_other]


# Ways to bring a host array to a device such that it does not lie in one piece there, or not in order.
LAYOUTS: dict[str, Callable[[Callable[[np.ndarray], Any], np.ndarray], Any]] = {
    "transposed": lambda place, x: place(np.ascontiguousarray(x.T)).T,  # Fortran's order
    "every other element": _every_other,
    "reversed": lambda place, x: place(np.flip(x).copy())[(slice(None, None, -1),) * x.ndim],
}


@pytest.fixture(params=["forwards", "backwards"])
def thread_order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with the emulator's threads in either order: no result may depend on it."""
    monkeypatch.setattr(emulator, "backwards", request.param == "backwards")
    return request.param


@pytest.fixture
def emulated_gpu(monkeypatch: pytest.MonkeyPatch) -> Device:
    """Let stand-in arrays run the kernels of `minicnn.kernels.gpu`, and fill new memory with what is no number."""
    if emulator.compiler() is None:
        pytest.skip("g++, which compiles the CUDA kernels for the CPU, is not installed")

    def empty(shape: Any, dtype: Any = "float64") -> DeviceArray:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return DeviceArray(np.full(size, emulator.GUARD_BYTE, np.uint8).view(dtype).reshape(shape))

    monkeypatch.setattr(namespace, "RawModule", emulator.RawModule, raising=False)
    monkeypatch.setattr(namespace, "empty", empty, raising=False)
    card = SimpleNamespace(id=0, compute_capability="80")
    monkeypatch.setattr(namespace, "cuda", SimpleNamespace(Device=lambda: card), raising=False)
    products = SimpleNamespace(COMPUTE_TYPE_TF32=7, get_compute_type=lambda dtype: 1)
    monkeypatch.setattr(namespace, "_core", SimpleNamespace(_routines_linalg=products), raising=False)
    return Device(DeviceArray, DeviceArray)


@pytest.fixture(params=["emulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Device:
    """Run the test on the emulated GPU, and with `pytest -m gpu` on the real one."""
    if request.param == "emulated":
        return request.getfixturevalue("emulated_gpu")
    cupy = require_cupy()
    return Device(cupy.asarray, cupy.ndarray)
