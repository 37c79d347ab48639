"""How an operation finds its twin; and by reflection, that every twin matches its operation."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import minicnn.kernels
import minicnn.ops
from minicnn import ops, use_kernels
from minicnn.dispatch import accelerated, kernel_mode, observe
from minicnn.errors import DeviceError, ShapeError, UsageError
from tests.device_stand_in import DeviceArray
from tests.ops.updates import UPDATES

ROOMS = [name for _, name, _ in pkgutil.iter_modules(minicnn.ops.__path__) if name != "windows"]
KERNELS = Path(minicnn.kernels.__path__[0])
# No twin where the formula is as fast: NumPy's exponential is vectorised, CuPy's tanh is a single launch, and a sum of
# two arrays, which the fused blocks do on the way where it counts, is as fast as memory.
QUANTIZED = {name for name in ops.__all__ if "quantize" in name}
WITHOUT_TWIN = {
    "cpu": {
        "softmax", "softmax_cross_entropy", "softmax_cross_entropy_backward", "residual", "residual_backward",
        "soft_target_cross_entropy", "soft_target_cross_entropy_backward",
        "dequantize", "quantize_weight", "quantized_max_pool2d",
    },
    "gpu": {
        "tanh", "residual", "residual_backward", "soft_target_cross_entropy", "soft_target_cross_entropy_backward",
        *QUANTIZED, *(name for name, update in UPDATES.items() if "gpu" not in update.twins),
    },
}  # fmt: skip


def operations_of(room: str) -> dict[str, object]:
    module = __import__(f"minicnn.ops.{room}", fromlist=[room])
    return {
        name: function
        for name, function in vars(module).items()
        if hasattr(function, "reference") and function.__module__ == module.__name__
    }


def functions_in(path: Path) -> list[str]:
    """Return the names of the functions that a file defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_every_operation_has_its_twin_of_the_same_signature(device):
    """A twin whose name drifts from its operation's is never called and never missed, except here."""
    without = set()
    for name in ops.__all__:
        operation = getattr(ops, name)
        twin = operation.twin(device)
        if twin is None:
            without.add(name)
            continue
        assert twin.__name__ == name
        parameters, expected = (inspect.signature(f).parameters.values() for f in (twin, operation))
        assert [(p.name, p.kind, p.default) for p in parameters] == [(p.name, p.kind, p.default) for p in expected]
    assert without == WITHOUT_TWIN[device]


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_no_twin_hides_in_a_file_of_another_name(device):
    """Dispatch looks only into the file named as the operation's own."""
    for path in sorted((KERNELS / device).glob("*.py")):
        for name in functions_in(path):
            if name in ops.__all__:
                assert name in operations_of(path.stem), f"{path.name} defines {name}, which lives elsewhere in ops/"


@pytest.mark.parametrize("room", ROOMS)
def test_every_operation_is_public(room):
    assert operations_of(room).keys() <= set(ops.__all__)


def test_a_kernel_never_imports_a_layer_nor_an_operation_a_kernel():
    """The arrows of the rooms: layers → ops, found by dispatch → kernels, and none the other way round."""
    root = Path(minicnn.__path__[0])
    for room, forbidden in {
        "ops": ("kernels", "layers", "models", "training", "data", "cli", "inspection"),
        "kernels": ("layers", "models", "training", "data", "cli", "inspection"),
        "layers": ("kernels", "models", "training", "data", "cli", "inspection"),
        "models": ("kernels", "training", "data", "cli", "inspection"),
        "data": ("kernels", "ops", "layers", "models", "training", "cli", "inspection"),
    }.items():
        for path in sorted((root / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                modules = (
                    [node.module or ""] if isinstance(node, ast.ImportFrom)
                    else [alias.name for alias in node.names] if isinstance(node, ast.Import)
                    else []
                )  # fmt: skip
                for module in modules:
                    for name in forbidden:
                        assert not module.startswith(f"minicnn.{name}"), f"{path.relative_to(root)} imports {module}"


@pytest.fixture
def doubled(monkeypatch):
    """Return an operation y = 2x and put a twin beside it that answers what `answer["twin"]` says."""
    answer = {"twin": "from the kernel"}
    monkeypatch.setattr("minicnn.kernels.cpu.activations.double", lambda x: answer["twin"], raising=False)

    def double(x):
        return 2 * x, kernel_mode()

    double.__module__ = "minicnn.ops.activations"
    return accelerated()(double), answer


def test_fast_mode_calls_the_twin(doubled):
    operation, _ = doubled
    with use_kernels("fast"):
        assert operation(np.ones(1)) == "from the kernel"
        assert operation(x=np.ones(1)) == "from the kernel"


def test_reference_mode_calls_the_formula(doubled):
    operation, _ = doubled
    with use_kernels("reference"):
        assert operation(np.ones(1)) == (2, "reference")


def test_a_twin_that_does_not_take_the_array_leaves_it_to_the_formula(doubled):
    operation, answer = doubled
    answer["twin"] = NotImplemented
    with use_kernels("fast"):
        assert operation(np.ones(1)) == (2, "fast")


def test_reference_is_the_formula_down_to_what_it_calls(doubled):
    operation, _ = doubled
    with use_kernels("fast"):
        assert operation.reference(np.ones(1)) == (2, "reference")
        assert kernel_mode() == "fast"


def test_arrays_of_two_devices_are_refused_by_name():
    with pytest.raises(DeviceError, match=r"dense got arrays of two devices: x on the cpu, weight on the gpu, bias"):
        ops.dense(np.ones((1, 2)), DeviceArray(np.ones((2, 2))), bias=np.ones(2))


@pytest.mark.parametrize("wrong", [[1.0, 2.0], 3.0, None, "x"], ids=repr)
def test_what_is_no_array_is_refused(wrong):
    with pytest.raises(TypeError, match="expected a NumPy or CuPy array"):
        ops.relu(wrong)


def test_the_environment_chooses_the_mode(monkeypatch):
    monkeypatch.delenv("MINICNN_KERNELS", raising=False)
    assert kernel_mode() == "fast"
    monkeypatch.setenv("MINICNN_KERNELS", "")
    assert kernel_mode() == "fast"
    monkeypatch.setenv("MINICNN_KERNELS", "reference")
    assert kernel_mode() == "reference"
    with use_kernels("fast"):
        assert kernel_mode() == "fast"
    monkeypatch.setenv("MINICNN_KERNELS", "turbo")
    with pytest.raises(UsageError, match="unknown kernels 'turbo'"):
        kernel_mode()


def test_use_kernels_nests_and_restores_the_mode_even_after_an_error():
    before = kernel_mode()
    with pytest.raises(KeyError), use_kernels("reference"), use_kernels("fast"):
        raise KeyError
    assert kernel_mode() == before
    with pytest.raises(UsageError, match="unknown kernels 'quick': choose fast or reference"), use_kernels("quick"):
        pass


def test_a_check_runs_once_before_the_twin_or_the_formula():
    seen = []

    def double(x):
        seen.append("formula")
        return x * 2

    def check(x):
        seen.append("check")
        if x.ndim != 1:
            raise ShapeError("one axis, please")

    operation = accelerated(check)(double)
    operation(np.ones(2))
    assert seen == ["check", "formula"]
    with pytest.raises(ShapeError):
        operation(np.ones((2, 2)))
    assert seen == ["check", "formula", "check"]


def test_a_missing_argument_is_named():
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        ops.relu()


def test_observers_see_every_operation_with_arguments_result_and_depth():
    calls = []
    x, weight, bias = np.ones((1, 3, 3, 2)), np.ones((2, 2, 2, 4)), np.zeros(4)
    with observe(calls.append), use_kernels("reference"):
        y = ops.conv2d(x, weight, bias)
    ops.relu(x)  # nobody looks any more
    assert [(call.name, call.depth, call.ran) for call in calls] == [("im2col", 1, "formula"), ("conv2d", 0, "formula")]
    assert calls[1].result is y and calls[1].arguments["weight"] is weight
    assert calls[1].arguments["stride"] == (1, 1), "defaults are told too"


def test_observers_are_told_which_pass_of_which_object_asked():
    class Asker:
        def forward(self, x):
            return ops.relu(x)

        def backward(self, dy):
            return ops.relu_backward(dy, dy)

    calls, asker = [], Asker()
    with observe(calls.append):
        asker.forward(np.ones(1))
        asker.backward(np.ones(1))
        ops.relu(np.ones(1))
    assert [(call.asked_by, call.direction) for call in calls] == [
        (asker, "forward"),
        (asker, "backward"),
        (None, None),
    ]
    assert calls[0].operation is ops.relu
