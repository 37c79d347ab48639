"""The kept tables are those of the kept results, and a table says what its numbers say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import machine, report
from benchmarks.__main__ import tables

RESULTS = Path(report.__file__).parent / "results"


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_kept_table_comes_from_its_results(path: Path) -> None:
    assert path.with_suffix(".md").read_text() == tables(json.loads(path.read_text()))


def test_the_gain_of_threads_is_the_median_of_paired_turns() -> None:
    seconds = {"1": [0.4, 0.8, 0.4], "2": [0.2, 0.2, 0.4]}
    measured = {"model": "cnn3", "image_size": 224, "batch": 32, "task": "training", "threads": 2}
    table = report.thread_table([{**measured, "engine": "minicnn", "seconds": seconds}])
    assert "| cnn3 224, batch 32 | training | minicnn | 400 | 2 | 200 | 2.00 (1.50–3.00) |" in table


def test_what_the_environment_tells_the_libraries_is_part_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(machine.describe()["environment"]):
        monkeypatch.delenv(name)
    results = {"date": "today", "threads": 2, "machine": machine.describe()}
    assert results["machine"]["environment"] == {}
    plain = report.markdown(results)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OMP_PROC_BIND", "true")
    results["machine"] = machine.describe()
    assert results["machine"]["environment"] == {"OMP_PROC_BIND": "true", "OPENBLAS_CORETYPE": "Haswell"}
    assert report.markdown(results) == plain.replace(
        ". Times", "; OMP_PROC_BIND=true, OPENBLAS_CORETYPE=Haswell. Times"
    )
