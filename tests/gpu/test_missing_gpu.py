"""Asking for a GPU where something is missing: one clear line for each thing that can be missing. Needs no GPU."""

from __future__ import annotations

import os
import sys
import warnings
from types import SimpleNamespace

import pytest

from minicnn.backend import cupy_available, device_session, require_cupy, resolve_device, tf32_products
from minicnn.errors import DeviceError, UsageError


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class OutOfMemoryError(MemoryError):
    pass


class Pool:
    def __init__(self) -> None:
        self.freed = 0

    def free_all_blocks(self) -> None:
        self.freed += 1

    def free_bytes(self) -> int:
        return 24 << 20


class Products:
    """CuPy's choice of how float32 matrices are multiplied: what CUPY_TF32 says at first, until somebody sets it."""

    COMPUTE_TYPE_DEFAULT, COMPUTE_TYPE_TF32 = 1, 7

    def __init__(self) -> None:
        self.chosen: int | None = None

    def get_compute_type(self, dtype: str) -> int:
        assert dtype == "float32"
        if self.chosen is None:
            self.chosen = self.COMPUTE_TYPE_TF32 if os.environ.get("CUPY_TF32") == "1" else self.COMPUTE_TYPE_DEFAULT
        return self.chosen

    def set_compute_type(self, dtype: str, chosen: int) -> None:
        assert dtype == "float32"
        self.chosen = chosen


def fake_cupy(devices: int | Exception = 1, compiler: Exception | None = None) -> SimpleNamespace:
    def get_device_count() -> int:
        if isinstance(devices, Exception):
            raise devices
        return devices

    def compiler_version() -> tuple[int, int]:
        if compiler is not None:
            raise compiler
        return 13, 0

    pool, pinned_pool = Pool(), Pool()
    runtime = SimpleNamespace(
        getDeviceCount=get_device_count,
        CUDARuntimeError=CUDARuntimeError,
        memGetInfo=lambda: (1000 << 20, 16000 << 20),
    )
    cuda = SimpleNamespace(
        runtime=runtime,
        nvrtc=SimpleNamespace(getVersion=compiler_version),
        memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    )
    return SimpleNamespace(
        ndarray=type("ndarray", (), {}),
        cuda=cuda,
        _core=SimpleNamespace(_routines_linalg=Products()),
        get_default_memory_pool=lambda: pool,
        get_default_pinned_memory_pool=lambda: pinned_pool,
    )


MISSING = {
    "package": (None, ["CuPy is not installed", "pip install", "gpu-cuda13", "--device cpu"]),
    "driver": (
        fake_cupy(CUDARuntimeError(35, "cudaErrorInsufficientDriver: CUDA driver version is insufficient")),
        ["driver", "install or update", "cudaErrorInsufficientDriver", "--device cpu"],
    ),
    "device, as CUDA says it": (
        fake_cupy(CUDARuntimeError(100, "cudaErrorNoDevice: no CUDA-capable device is detected")),
        ["no NVIDIA GPU", "CUDA_VISIBLE_DEVICES"],
    ),
    "device": (fake_cupy(0), ["no NVIDIA GPU", "nvidia-smi"]),
    "compiler": (fake_cupy(compiler=RuntimeError("no libnvrtc.so.13")), ["compiler", "pip install", "libnvrtc"]),
}


@pytest.mark.parametrize("missing", MISSING)
def test_what_is_missing_is_said_in_one_line(missing, monkeypatch):
    cupy, words = MISSING[missing]
    monkeypatch.setitem(sys.modules, "cupy", cupy)  # None makes the import fail
    with pytest.raises(DeviceError) as caught:
        resolve_device("gpu")
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert not cupy_available()
    assert resolve_device("auto") == "cpu"


def test_a_gpu_that_is_there_is_taken(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy())
    assert require_cupy() is sys.modules["cupy"]
    assert resolve_device("auto") == resolve_device("gpu") == "gpu"
    assert resolve_device("cpu") == "cpu"


def test_an_unknown_device_is_refused():
    with pytest.raises(DeviceError, match="tpu"):
        resolve_device("tpu")


def test_a_session_gives_the_memory_back(monkeypatch):
    cupy = fake_cupy()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with device_session("gpu", batch_size=64):
        assert cupy.get_default_memory_pool().freed == 0
    assert cupy.get_default_memory_pool().freed == cupy.get_default_pinned_memory_pool().freed == 1
    with pytest.raises(ZeroDivisionError), device_session("gpu", batch_size=64):
        raise ZeroDivisionError
    assert cupy.get_default_memory_pool().freed == 2


def test_out_of_memory_says_the_batch_size_and_what_was_free(monkeypatch):
    cupy = fake_cupy()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    expected = r"batch of 512 images .* 1024 of 16000 MiB .* --batch-size"
    with pytest.raises(UsageError, match=expected) as caught, device_session("gpu", batch_size=512):
        raise OutOfMemoryError("Out of memory allocating 1 byte")
    assert "\n" not in str(caught.value)
    assert cupy.get_default_memory_pool().freed == 1


def test_on_the_cpu_a_session_does_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with device_session("cpu", batch_size=1):
        pass


@pytest.mark.parametrize("variable", ["0", "1"])
def test_products_are_in_float32_unless_tf32_was_asked_for_and_then_as_before(variable, monkeypatch):
    cupy = fake_cupy()
    products = cupy._core._routines_linalg
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setenv("CUPY_TF32", variable)
    before = products.get_compute_type("float32")
    with device_session("gpu", batch_size=1):
        assert products.chosen == Products.COMPUTE_TYPE_DEFAULT
        with pytest.raises(ZeroDivisionError), tf32_products(True):
            assert products.chosen == Products.COMPUTE_TYPE_TF32
            raise ZeroDivisionError
        assert products.chosen == Products.COMPUTE_TYPE_DEFAULT
    assert products.chosen == before
    with device_session("gpu", batch_size=1, tf32=True):
        assert products.chosen == Products.COMPUTE_TYPE_TF32
    assert products.chosen == before


def test_cupy_has_what_the_choice_of_products_needs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy warns where there is no GPU
        cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    products = cupy._core._routines_linalg
    assert products.COMPUTE_TYPE_DEFAULT != products.COMPUTE_TYPE_TF32
    before = products.get_compute_type("float32")
    products.set_compute_type("float32", before)
    assert products.get_compute_type("float32") == before
