"""Small arrays are enough to find a wrong kernel, so here kernels and their threads take what is too small to pay."""

from __future__ import annotations

import pytest

SIZE_LIMITS = {
    "elementwise.SMALLEST": 0,
    "elementwise.SMALLEST_SHARE": 1,
    "images.SMALLEST": 0,
    "dense.SMALLEST": 0,
    "quantization.SMALLEST": 0,
    "team.SMALLEST_SHARE": 1,
}


@pytest.fixture(autouse=True)
def kernels_take_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, value in SIZE_LIMITS.items():
        monkeypatch.setattr(f"minicnn.kernels.cpu.{limit}", value)
