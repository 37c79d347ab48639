"""The stand-in for a device learns to run CUDA C."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.device_stand_in import DeviceArray, namespace
from tests.kernels.gpu import emulator


@pytest.fixture(params=["forwards", "backwards"])
def thread_order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with the threads in either order: no result may depend on it."""
    monkeypatch.setattr(emulator, "backwards", request.param == "backwards")
    return request.param


@pytest.fixture
def emulated_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let stand-in arrays run the kernels of `minicnn.kernels.gpu`, and fill new memory with what is no number."""
    if emulator.compiler() is None:
        pytest.skip("g++, which compiles the CUDA kernels for the CPU, is not installed")

    def empty(shape: Any, dtype: Any = "float64") -> DeviceArray:
        memory = np.empty(shape, dtype)
        memory.view(np.uint8).fill(emulator.GUARD_BYTE) if memory.ndim and memory.size else None
        return DeviceArray(memory)

    monkeypatch.setattr(namespace, "RawModule", emulator.RawModule, raising=False)
    monkeypatch.setattr(namespace, "empty", empty, raising=False)
    yield
