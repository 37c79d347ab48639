"""Imports point one way: from the command down to the formulas, and data stands alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import minicnn

PACKAGE = Path(minicnn.__file__).parent

# What a room may import beside itself; the files on the package's top level (errors, backend, …) are open to all.
BELOW = {
    "kernels": {"ops"},
    "loops": set(),
    "ops": set(),
    "layers": {"ops"},
    "models": {"layers", "ops"},
    "exchange": {"models", "layers", "ops"},
    "data": set(),
    "training": {"models", "layers", "ops"},
    "inspection": {"loops", "training", "models", "layers", "ops"},
    "runs": {"exchange", "training", "models", "layers", "ops", "data"},
    "cli": {"runs", "inspection", "exchange", "training", "models", "layers", "ops", "data"},
}


def rooms_imported_by(path: Path) -> set[str]:
    """Return the rooms from which a file imports anything, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            pytest.fail(f"{path} imports relatively")
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "minicnn" and len(part) > 1 and part[1] in BELOW}


def test_every_room_is_known() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(BELOW)


@pytest.mark.parametrize("room", BELOW)
def test_a_room_imports_from_below_alone(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        above = rooms_imported_by(path) - BELOW[room] - {room}
        assert not above, f"{path.relative_to(PACKAGE)} imports from {', '.join(sorted(above))}"


def test_what_all_share_imports_no_room() -> None:
    """Except for the package's own list of names, and for dispatch, whose business is to find kernels by name."""
    for path in PACKAGE.glob("*.py"):
        if path.name not in ("__init__.py", "__main__.py"):
            assert not rooms_imported_by(path), path.name
