"""A whole run on the emulated GPU: files, loader, uploads, training loop, evaluation, checkpoints and resuming."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from minicnn import use_kernels
from minicnn.errors import UsageError
from minicnn.layers.weights import read_arrays
from minicnn.runs.run import Run
from minicnn.runs.settings import Settings
from minicnn.runs.trained import TrainedNetwork
from tests.device_stand_in import DeviceArray, namespace
from tests.kernels.gpu import emulator


class Stream:
    """A stream that has done everything as soon as it is asked to (test_feeding has others)."""

    def __init__(self, non_blocking: bool = False) -> None: ...

    def wait_event(self, event: object) -> None: ...

    def synchronize(self) -> None: ...


class Event:
    def record(self, stream: Stream | None = None) -> None: ...

    def synchronize(self) -> None: ...


class CUDARuntimeError(RuntimeError):
    status = 0


@pytest.fixture
def emulated_cupy(emulated_gpu, monkeypatch) -> ModuleType:
    """Put a module in CuPy's place whose arrays are the stand-in's and whose kernels run in the emulator."""
    cupy = ModuleType("cupy")
    cupy.__getattr__ = lambda name: getattr(namespace, name)  # type: ignore[method-assign]
    cupy.ndarray = DeviceArray  # type: ignore[attr-defined]
    cupy.__version__ = "14.0.0"  # type: ignore[attr-defined]
    pool = SimpleNamespace(free_all_blocks=lambda: None, free_bytes=lambda: 0)
    cupy.get_default_memory_pool = cupy.get_default_pinned_memory_pool = lambda: pool  # type: ignore[attr-defined]
    products = SimpleNamespace(COMPUTE_TYPE_DEFAULT=1, COMPUTE_TYPE_TF32=7, chosen=[1])
    products.get_compute_type = lambda dtype: products.chosen[-1]
    products.set_compute_type = lambda dtype, chosen: products.chosen.append(chosen)
    cupy._core = SimpleNamespace(_routines_linalg=products)  # type: ignore[attr-defined]
    cupy.cuda = SimpleNamespace(  # type: ignore[attr-defined]
        runtime=SimpleNamespace(
            getDeviceCount=lambda: 1,
            getDeviceProperties=lambda device: {"name": b"Emulated GPU"},
            memGetInfo=lambda: (1000 << 20, 16000 << 20),
            CUDARuntimeError=CUDARuntimeError,
        ),
        memory=SimpleNamespace(OutOfMemoryError=MemoryError),
        nvrtc=SimpleNamespace(getVersion=lambda: (13, 0), getSupportedArchs=lambda: (75, 80)),
        cublas=SimpleNamespace(),
        Stream=Stream,
        Event=Event,
        get_current_stream=Stream,
        Device=namespace.cuda.Device,
        alloc_pinned_memory=lambda size: np.empty(size, np.uint8),
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(DeviceArray, "set", lambda self, host, stream: np.copyto(self._host, host), raising=False)
    return cupy


@pytest.fixture
def images(tmp_path, rng) -> Path:
    for part, count in (("train", 9), ("val", 3)):
        for name, color in (("red", (200, 40, 40)), ("green", (40, 200, 40)), ("blue", (40, 40, 200))):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                noisy = np.clip(np.array(color) + rng.integers(-40, 40, (20, 20, 3)), 0, 255)
                Image.fromarray(noisy.astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "images"


def settings(images: Path, device: str, epochs: int) -> Settings:
    return Settings(
        data=str(images), model="cnn2", image_size=14, epochs=epochs, batch_size=8, optimizer="sgd", lr=0.02,
        momentum=0.9, augment="flip,crop", seed=0, workers=1, device=device,
    )  # fmt: skip


def test_a_run_gives_the_cpus_weights_and_goes_on_from_its_checkpoint(images, tmp_path, emulated_cupy):
    with use_kernels("reference"):
        on_cpu = Run.start(settings(images, "cpu", epochs=2), str(tmp_path / "cpu"))
        on_cpu.train()
    emulator.launched.clear()
    on_gpu = Run.start(settings(images, "gpu", epochs=1), str(tmp_path / "gpu"))
    on_gpu.train()
    assert all(isinstance(p.value, DeviceArray) for p in on_gpu.net.parameters().values())
    assert {"crop_and_flip", "normalize_pixels", "im2col", "bias_relu_max_pool", "sgd_momentum"} <= emulator.launched
    resumed = Run.resume(str(tmp_path / "gpu"), epochs=2)
    result = resumed.train()
    config = resumed.directory.read_config()
    assert (config["device"], config["gpu"], config["versions"]["cupy"]) == ("gpu", "Emulated GPU", "14.0.0")
    assert result.images == 9
    for ours, right in zip(resumed.trainer.history, on_cpu.trainer.history, strict=True):
        np.testing.assert_allclose([ours.train_loss, ours.val_loss], [right.train_loss, right.val_loss], rtol=1e-4)
    weights, _ = read_arrays(resumed.directory.last)
    expected, _ = read_arrays(on_cpu.directory.last)
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        np.testing.assert_allclose(weight, expected[name], atol=1e-4, err_msg=name)


def test_tf32_is_in_force_while_a_run_that_asks_for_it_trains(images, tmp_path, emulated_cupy):
    run = Run.start(settings(images, "gpu", epochs=1).changed(tf32=True), str(tmp_path / "run"))
    assert any("Emulated GPU, products in TF32" in line for line in run.describe())
    emulator.launched.clear()
    run.train()
    assert "convolve_32" in emulator.launched
    assert emulated_cupy._core._routines_linalg.chosen == [1, 7, 1]


def test_weights_that_the_gpu_cannot_hold_are_one_clear_line_and_leave_nothing(images, tmp_path, emulated_cupy):
    run = Run.start(settings(images, "cpu", epochs=1), str(tmp_path / "run"))
    run.train()

    def asarray(array):
        raise emulated_cupy.cuda.memory.OutOfMemoryError(f"Out of memory allocating {array.nbytes} bytes")

    emulated_cupy.asarray = asarray
    with pytest.raises(UsageError, match=r"cnn2 and its optimizer keep .* 1000 of 16000 MiB were free; .*--image-size"):
        Run.start(settings(images, "gpu", epochs=1), str(tmp_path / "large"))
    assert not (tmp_path / "large").exists()
    with pytest.raises(UsageError, match=r"weights of cnn2 .* --device cpu"):
        TrainedNetwork.open(str(tmp_path / "run"), device="gpu")
