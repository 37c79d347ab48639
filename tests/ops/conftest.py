"""Small arrays are enough to find a wrong kernel, so here kernels take what they would leave to NumPy as too small."""

from __future__ import annotations

import pytest

SIZE_LIMITS = ("elementwise.SMALLEST", "images.SMALLEST", "dense.SMALLEST")


@pytest.fixture(autouse=True)
def kernels_take_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in SIZE_LIMITS:
        monkeypatch.setattr(f"minicnn.kernels.cpu.{limit}", 0)
