"""Options of compiling are chosen at one place."""

from __future__ import annotations

from pathlib import Path

from minicnn.kernels import cpu

SOURCES = {path.name: path.read_text(encoding="utf-8") for path in Path(cpu.__file__).parent.glob("*.py")}


def test_only_one_module_asks_numba_to_compile() -> None:
    assert [name for name, text in SOURCES.items() if "njit" in text] == ["compiling.py"]


def test_numba_keeps_nothing_in_its_own_unguarded_way() -> None:
    assert [name for name, text in SOURCES.items() if "cache=True" in text] == []
