"""Asking for a GPU where something is missing: one clear line for each thing that can be missing. Needs no GPU."""

from __future__ import annotations

import os
import sys
import warnings
from types import GetSetDescriptorType, ModuleType, SimpleNamespace

import pytest

from minicnn.devices import cupy_available, device_session, require_cupy, resolve_device, tf32_products
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


class Cuda(SimpleNamespace):
    """`cupy.cuda`, which loads cuBLAS when it is asked for it, unless it is not installed."""

    def __getattr__(self, name: str) -> None:
        assert name == "cublas"
        raise ImportError('Failure finding "libcublasLt.so.13": No such file\n  listdir("nvidia/cu13/lib"):\n    ...')


def fake_cupy(
    devices: int | Exception = 1,
    compiler: Exception | None = None,
    card: str = "90",
    version: int = 13,
    cublas: bool = True,
) -> SimpleNamespace:
    def get_device_count() -> int:
        if isinstance(devices, Exception):
            raise devices
        return devices

    def compiler_version() -> tuple[int, int]:
        if compiler is not None:
            raise compiler
        return version, 0

    pool, pinned_pool = Pool(), Pool()
    runtime = SimpleNamespace(
        getDeviceCount=get_device_count,
        CUDARuntimeError=CUDARuntimeError,
        memGetInfo=lambda: (1000 << 20, 16000 << 20),
    )
    architectures = {12: (50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 90), 13: (75, 80, 86, 87, 88, 89, 90, 100, 110, 120)}
    cuda = Cuda(
        runtime=runtime,
        nvrtc=SimpleNamespace(getVersion=compiler_version, getSupportedArchs=lambda: architectures[version]),
        memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        Device=lambda: SimpleNamespace(id=0, compute_capability=card),
        **({"cublas": SimpleNamespace()} if cublas else {}),
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
    "compiler for an older card": (
        fake_cupy(card="70"),
        ["compute capability 7.0", "CUDA 13", "from 7.5 on", "pip install 'minicnn[gpu-cuda12]'", "--device cpu"],
    ),
    "compiler for a card that is older still": (
        fake_cupy(card="37", version=12),
        ["compute capability 3.7", "CUDA 12", "from 5.0 on: use --device cpu"],
    ),
    "cuBLAS": (fake_cupy(cublas=False), ["cuBLAS", "pip install 'minicnn[gpu-cuda13]'", "libcublasLt.so.13"]),
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


@pytest.mark.parametrize("card, version", [("75", 13), ("90", 13), ("200", 13), ("50", 12), ("70", 12)])
def test_a_gpu_that_is_there_is_taken(card, version, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(card=card, version=version))
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


@pytest.fixture
def cupy() -> ModuleType:
    """Return the real CuPy, without which the test is skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy warns where there is no GPU
        return pytest.importorskip("cupy", reason="CuPy is not installed")


def test_cupy_says_which_cards_its_compiler_knows_and_what_is_missing(cupy, monkeypatch):
    """Of CuPy, only the card is a fake: its compiler and cuBLAS are what is installed, or an error that is expected."""
    runtime, nvrtc = cupy.cuda.runtime, cupy.cuda.nvrtc
    try:
        version, architectures = nvrtc.getVersion(), nvrtc.getSupportedArchs()
    except RuntimeError as error:
        pytest.skip(f"CuPy finds no run-time compiler: {error}")
    assert isinstance(cupy.cuda.Device.compute_capability, property | GetSetDescriptorType)
    assert version[0] != 13 or min(architectures) == 75, "README tells another oldest card"
    monkeypatch.setattr(runtime, "getDeviceCount", lambda: 1)
    monkeypatch.setattr(cupy.cuda, "Device", lambda: SimpleNamespace(compute_capability="30"))
    with pytest.raises(DeviceError, match=rf"compute capability 3.0, and CUDA {version[0]} compiles"):
        require_cupy()
    monkeypatch.setattr(cupy.cuda, "Device", lambda: SimpleNamespace(compute_capability="90"))
    try:
        _ = cupy.cuda.cublas
    except ImportError:
        with pytest.raises(DeviceError, match="no cuBLAS"):
            require_cupy()
    else:
        assert require_cupy() is cupy


def test_cupy_has_what_the_choice_of_products_needs(cupy):
    products = cupy._core._routines_linalg
    assert products.COMPUTE_TYPE_DEFAULT != products.COMPUTE_TYPE_TF32
    before = products.get_compute_type("float32")
    products.set_compute_type("float32", before)
    assert products.get_compute_type("float32") == before
