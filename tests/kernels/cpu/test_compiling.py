"""Options of compiling are chosen at one place."""

from __future__ import annotations

from pathlib import Path

from minicnn.kernels import cpu


def test_only_one_module_asks_numba_to_compile() -> None:
    modules = Path(cpu.__file__).parent.glob("*.py")
    assert [path.name for path in modules if "njit" in path.read_text(encoding="utf-8")] == ["compiling.py"]
