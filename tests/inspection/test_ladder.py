"""The ladder: every operation on every rung that this machine has, equal to its loops."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from minicnn import ops, use_kernels
from minicnn.dispatch import Call, observe
from minicnn.errors import UsageError
from minicnn.inspection import ladder
from minicnn.inspection.ladder import HEADING, LEGEND, WIDTH, Ladder, Rung, climb
from minicnn.inspection.sample_calls import _calls_in, _scenes, sample_call
from tests.ops.calls import IN_PLACE

EQUAL = 5e-6  # in float32, of the largest number
SIDE = 6  # of pictures, in pixels: the loops of all operations end within a moment


@pytest.fixture(autouse=True, scope="module")
def one_call() -> Iterator[None]:
    """What is looked at here is what the rungs compute, not how long they take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "LEAST_CALLS", 1)
        patch.setattr(ladder, "MOST_CALLS", 1)
        yield


@pytest.mark.parametrize("name", [name for name in ops.__all__ if name not in IN_PLACE])
def test_every_operation_equals_its_loops_on_every_rung(name):
    found = climb(name, SIDE)
    loops, formula, kernel, gpu = found.rungs
    assert [rung.name for rung in found.rungs] == ["loops", "formula", "kernel", "GPU"]
    assert loops.source.startswith("minicnn/loops/") and formula.source.startswith("minicnn/ops/")
    assert formula.error is not None
    for rung in (formula, kernel, gpu):
        assert rung.error is None or rung.error < EQUAL, rung
        assert (rung.error is None) == (rung.seconds is None) == bool(rung.note)
    assert all(len(line) <= WIDTH for line in (found.line(), HEADING, *str(found).splitlines()))


def test_the_arrays_that_are_shown_are_some_that_the_kernel_takes():
    ran: dict[str, str] = {}
    for scene in _scenes(32):
        for name, arguments in _calls_in(scene).items():
            calls: list[Call] = []
            if name not in ran:
                with use_kernels("fast"), observe(calls.append):
                    getattr(ops, name)(**arguments)
                ran[name] = calls[-1].ran
    assert ran == {name: "formula" if getattr(ops, name).twin("cpu") is None else "cpu" for name in ops.__all__}


def test_what_changes_in_place_is_compared_as_well():
    for name in ("sgd_update", "average_update"):
        _, formula, kernel, _ = climb(name).rungs
        assert 0 < formula.error < EQUAL and 0 < kernel.error < EQUAL
    descent = sample_call("sgd_update").arguments
    assert descent["momentum"] and descent["velocity"].any()  # else half of its formula is not compared


def test_an_error_is_seen(monkeypatch):
    """A formula that is wrong at one number, and an arg max that is wrong at one place."""
    right = ops.relu.formula
    monkeypatch.setattr(ladder, "_results", wrong_at_one_place(ladder._results))
    assert climb("relu", SIDE).rungs[1].error == pytest.approx(0.5, rel=0.2)
    assert climb("max_pool2d", SIDE).rungs[1].error == 1.0
    assert ops.relu.formula is right


@pytest.mark.parametrize(
    ("name", "spoilt"),
    [
        ("relu", lambda arrays: [np.full_like(arrays[0], np.nan)]),
        ("relu", lambda arrays: [arrays[0][..., :1]]),
        ("conv2d_backward", lambda arrays: arrays[:2]),
        ("adam_update", lambda arrays: arrays[:2]),  # the mean of squares was left as it was
    ],
)
def test_numbers_that_are_none_and_arrays_that_are_missing_are_never_exact(monkeypatch, name, spoilt):
    results = ladder._results
    monkeypatch.setattr(ladder, "_results", lambda operation, arguments: spoilt(results(operation, arguments)))
    found = climb(name, SIDE)
    assert found.rungs[1].error == np.inf
    assert "wrong" in found.line() and "exact" not in str(found)


def wrong_at_one_place(results):
    def wrong(operation, arguments):
        *others, last = results(operation, arguments)
        place = (0,) * last.ndim
        last[place] += np.abs(last).max() / 2 if last.dtype.kind == "f" else 1
        return [*others, last]

    return wrong


def test_a_kernel_that_takes_no_such_arrays_says_so(monkeypatch):
    kernel = climb("relu", SIDE).rungs[2]  # so few numbers NumPy does as fast
    assert kernel.seconds is None and kernel.note == "leaves such arrays to the formula"


class Device:
    """Stands for CuPy: counts what is timed on it, and says 2 ms each time."""

    def __init__(self) -> None:
        self.cuda, self.records = self, 0

    def Event(self) -> Device:
        return self

    def record(self) -> None:
        self.records += 1

    def synchronize(self) -> None:
        assert self.records % 2 == 0, "the end is recorded before it is waited for"

    def get_elapsed_time(self, start: Device, end: Device) -> float:
        return 2.0


def test_a_gpu_is_timed_by_its_own_events_and_compared_as_well(monkeypatch):
    device, moved = Device(), []
    monkeypatch.setattr(ladder, "require_cupy", lambda: device)
    monkeypatch.setattr(ladder, "to_device", lambda array, name: moved.append(name) or array)
    gpu = climb("conv2d", SIDE).rungs[3]
    assert moved == ["gpu"] * 3 and device.records == 2
    assert gpu.seconds == pytest.approx(0.002) and 0 < gpu.error < EQUAL and not gpu.note
    assert gpu.source.startswith("minicnn/kernels/gpu/convolution.py:")


def test_the_table_tells_times_and_errors():
    rungs = (
        Rung("loops", "minicnn/loops/dense.py:8", 1.5),
        Rung("formula", "minicnn/ops/dense.py:34", 0.003, 2.1e-7),
        Rung("kernel", "minicnn/kernels/cpu/dense.py:29", 20e-6, 0.0),
        Rung("GPU", note="none here"),
    )
    found = Ladder("dense", {"x": [4, 1024], "weight": [1024, 128], "bias": [128]}, rungs)
    assert str(found).splitlines() == [
        "dense: Multiply by the weights and add the bias: y = x·W + b.",
        "with x 4×1024, weight 1024×128, bias 128",
        "",
        "rung       time  × loops  × above  error where",
        "loops     1.5 s      1.0        –      – loops/dense.py:8",
        "formula  3.0 ms      500      500  2e-07 ops/dense.py:34",
        "kernel  20.0 µs   75,000      150  exact kernels/cpu/dense.py:29",
        "GPU           –        –        –      – none here",
        "",
        *LEGEND,
    ]
    assert found.line().split() == ["dense", "1.5", "s", "500", "75,000", "–", "2e-07"]
    as_json = json.loads(json.dumps(found.to_json()))
    assert [rung["times_as_fast"] for rung in as_json["rungs"]] == [1.0, 500.0, pytest.approx(75000), None]


def test_an_unknown_operation_is_told_in_a_line():
    with pytest.raises(UsageError, match=r"unknown operation 'conv3d': choose one of .*conv2d"):
        climb("conv3d")
