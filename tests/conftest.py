"""What all tests share: one seed, printed; the two kernel modes; no GPU test without a GPU."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten

import numba
import numpy as np
import pytest
from hypothesis import settings

from minicnn import get_threads, use_kernels
from minicnn.devices import require_cupy
from minicnn.errors import DeviceError
from minicnn.kernels.cpu import cache, team

SEED = 20230417

settings.register_profile("minicnn", derandomize=True, deadline=None, max_examples=25, database=None)
settings.load_profile("minicnn")


def pytest_report_header() -> str:
    """Say what a failure would need to happen again."""
    oracle = "with PyTorch" if importlib.util.find_spec("torch") else "without PyTorch: tests against it are skipped"
    return f"minicnn: seed {SEED}, numpy {np.__version__}, numba {numba.__version__}, {get_threads()} threads, {oracle}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `gpu` where there is no GPU, and say what is missing."""
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    if not gpu_items:
        return
    try:
        require_cupy()
    except DeviceError as error:
        for item in gpu_items:
            item.add_marker(pytest.mark.skip(reason=str(error)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tried, a line for each reason, most tests first: pytest's own summary has one for each place."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reports)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped {count:4}  {shorten(reason, 110, placeholder='…')}")


@pytest.fixture(autouse=True, scope="session")
def all_threads_for_small_arrays() -> Iterator[None]:
    """Let kernels wake all threads for the small arrays of tests: what the threads do must fit together.

    For the whole session, because a run that a fixture made for several tests must not have used other threads than
    the run that it is compared with.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(team, "SMALLEST_SHARE", 1)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_notice_of_compilation() -> Iterator[None]:
    """Keep the line about compiling from whichever test needs a kernel first: what commands print is looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "tell_once", lambda text: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def nothing_is_compiled_ahead() -> Iterator[None]:
    """Let runs in the tests' own process find nothing to compile by others: tests/runs/test_ahead.py looks at that."""
    from minicnn.runs import ahead

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "_missing", lambda settings: ([], Path()))
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator that begins at the same seed in every test."""
    return np.random.default_rng(SEED)


@pytest.fixture(params=["reference", "fast"])
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test twice: by the formulas, and by the kernels where there are any."""
    with use_kernels(request.param):
        yield request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    """Run the test in both precisions."""
    return request.param
