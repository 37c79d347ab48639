"""Every formula in ops/ runs on the stand-in for a device and gives NumPy's result to the last bit."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import ops
from minicnn.ops.conv_block import Convolution, Epilogue
from tests.device_stand_in import CUPY_NAMES, DeviceArray
from tests.ops.calls import CALLS, results

ROOT = Path(minicnn.__path__[0])


@pytest.mark.parametrize("name", CALLS)
def test_the_formula_gives_the_same_on_the_device(name, dtype):
    on_host = CALLS[name](np.random.default_rng(0), dtype)
    on_device = tuple(DeviceArray(a) if isinstance(a, np.ndarray) else a for a in on_host)
    formula = getattr(ops, name).reference
    expected = results(name, formula(*on_host), on_host)
    got = results(name, formula(*on_device), on_device)
    assert len(got) == len(expected)
    for ours, right in zip(got, expected, strict=True):
        assert isinstance(ours, DeviceArray), f"{name} made a {type(ours).__name__} of device arrays"
        assert ours.dtype == right.dtype
        np.testing.assert_array_equal(ours.get(), right)


def test_a_convolution_whose_padding_is_asymmetric_and_whose_pool_is_plain_runs_too():
    """The branches that the table of calls does not reach."""
    x = DeviceArray(np.random.default_rng(0).standard_normal((1, 6, 6, 2)))
    weight, bias = DeviceArray(np.ones((3, 3, 2, 2))), DeviceArray(np.zeros(2))
    for relu in (True, False):
        settings = Convolution(padding=((0, 1), (1, 0))), Epilogue(relu)
        y, argmax = ops.conv_block.reference(x, weight, bias, *settings)
        assert argmax is None
        dx, _, _ = ops.conv_block_backward.reference(y, x, weight, y, None, *settings)
        assert isinstance(dx, DeviceArray)
    value = DeviceArray(np.ones(3))
    ops.sgd_update.reference(value, DeviceArray(np.ones(3)), None, 0.5, 0.0, False, 0.0)
    np.testing.assert_array_equal(value.get(), [0.5, 0.5, 0.5])


def array_module_names(path: Path) -> set[str]:
    """Return every NAME that a file asks an array module for, as `xp.NAME` or `array_module(x).NAME`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            owner = node.value
            is_xp = isinstance(owner, ast.Name) and owner.id == "xp"
            is_call = (
                isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "array_module"
            )
            if is_xp or is_call:
                names.add(node.attr)
    return names


def test_every_name_asked_of_an_array_module_exists_in_cupy():
    used = {
        path.relative_to(ROOT): array_module_names(path)
        for room in ("ops", "layers", "training", "inspection", "models")
        for path in sorted((ROOT / room).rglob("*.py"))
    }
    assert {"maximum", "exp", "where", "pad"} <= set().union(*used.values()), "the search finds nothing any more"
    for path, names in used.items():
        assert names <= CUPY_NAMES, f"{path} uses names that CuPy lacks: {sorted(names - CUPY_NAMES)}"
