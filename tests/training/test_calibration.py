"""The ranges that calibration finds, against PyTorch's observers and by what they cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minicnn import ops
from minicnn.layers.quantized import Scale
from minicnn.training.calibration import METHODS, Range, scale_of


def observed(*batches: np.ndarray) -> Range:
    found = Range()
    for y in batches:
        found.widen(y)
    for y in batches:
        found.count(y)
    return found


def error_of(y: np.ndarray, scale: Scale) -> float:
    back = ops.dequantize(ops.quantize(y, *scale), *scale)
    return float(np.mean((back - y) ** 2))


@pytest.fixture
def observers() -> Any:
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    return pytest.importorskip("torch.ao.quantization.observer")


BATCHES = {
    "both signs": lambda rng: rng.standard_normal((3, 500)).astype("float32"),
    "after ReLU": lambda rng: np.maximum(rng.standard_normal((3, 500)), 0).astype("float32"),
    "above 0": lambda rng: (5 + rng.standard_normal((3, 500))).astype("float32"),
    "below 0": lambda rng: (-5 - rng.random((3, 500))).astype("float32"),
    "long tails": lambda rng: (rng.standard_normal((3, 500)) ** 5).astype("float32"),
}


@pytest.mark.parametrize("name", BATCHES)
def test_the_whole_range_is_pytorch_s(name: str, observers: Any, rng: np.random.Generator) -> None:
    import torch

    batches = BATCHES[name](rng)
    observer = observers.MinMaxObserver(dtype=torch.quint8, qscheme=torch.per_tensor_affine)
    for y in batches:
        observer(torch.tensor(y))
    scale, zero = observer.calculate_qparams()
    found = observed(*batches).scale("minmax")
    assert found.scale == pytest.approx(float(scale), rel=1e-6) and found.zero == int(zero)


@pytest.mark.parametrize("name", BATCHES)
def test_the_least_squares_are_as_good_as_pytorch_s(name: str, observers: Any, rng: np.random.Generator) -> None:
    import torch

    batches = BATCHES[name](rng)
    observer = observers.HistogramObserver(dtype=torch.quint8, qscheme=torch.per_tensor_affine)
    for y in batches:
        observer(torch.tensor(y))
    scale, zero = observer.calculate_qparams()
    found = observed(*batches)
    error = error_of(batches, found.scale("mse"))
    assert error <= 1.03 * error_of(batches, Scale(float(scale), int(zero)))
    assert error <= 1.001 * error_of(batches, found.scale("minmax"))


@pytest.mark.parametrize("method", METHODS)
def test_zero_is_always_a_byte(method: str, rng: np.random.Generator) -> None:
    for make in BATCHES.values():
        scale = observed(*make(rng)).scale(method)
        assert ops.dequantize(ops.quantize(np.zeros(1, "float32"), *scale), *scale)[0] == 0


def test_a_percentile_leaves_outliers_out(rng: np.random.Generator) -> None:
    y = rng.random(100_000).astype("float32")
    y[:5] = 60.0
    found = observed(y)
    assert found.scale("percentile").scale == pytest.approx(1 / 255, rel=0.1)
    assert found.scale("minmax").scale == pytest.approx(60 / 255)


def test_nothing_but_zeros_has_a_scale() -> None:
    for method in METHODS:
        assert observed(np.zeros((2, 3), "float32")).scale(method) == Scale(1.0, 0)
    assert 0 < scale_of(-1e-44, 1e-44).scale < 1e-37
    assert scale_of(-1.0, 0.0).zero == 255 and scale_of(0.0, 1.0).zero == 0
