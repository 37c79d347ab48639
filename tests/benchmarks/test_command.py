"""What is asked for wrongly is answered in one line with exit code 2, before anything is measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command


def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the line on stderr with which the command ends, below its usage."""
    monkeypatch.setattr(sys, "argv", ["python -m benchmarks", *arguments])
    with pytest.raises(SystemExit) as end:
        command.main()
    printed = capsys.readouterr()
    assert (end.value.code, printed.out) == (2, "")
    return printed.err.splitlines()[-1]


@pytest.mark.parametrize(
    "content", ["", "no JSON", "{}", "[]", "3", '{"device": "gpu"}', '{"device": "cpu", "date": 1}']
)
def test_a_file_without_results_is_refused_by_name(content, tmp_path, monkeypatch, capsys):
    path = tmp_path / "results.json"
    path.write_text(content)
    assert f"{path} holds no results" in refusal(monkeypatch, capsys, "--table", str(path))


def test_results_whose_tables_lack_something_are_refused(tmp_path, monkeypatch, capsys):
    kept = next((Path(command.__file__).parent / "results").glob("*.json"))
    results = json.loads(kept.read_text())
    del results["workloads"][0]["seconds"]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    assert "KeyError: 'seconds'" in refusal(monkeypatch, capsys, "--table", str(path))


def test_a_missing_file_is_refused_by_name(tmp_path, monkeypatch, capsys):
    path = tmp_path / "nowhere.json"
    assert f"{path}: No such file" in refusal(monkeypatch, capsys, "--table", str(path))


@pytest.mark.parametrize("threads", ["0", "-1", "10000", "two"])
def test_an_impossible_number_of_threads_is_refused(threads, monkeypatch, capsys):
    assert threads in refusal(monkeypatch, capsys, f"--threads={threads}")


def test_an_engine_that_is_not_installed_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(command, "installed", lambda: ["minicnn"])
    assert "tensorflow is not installed" in refusal(monkeypatch, capsys, "--engine", "tensorflow")


def test_kept_results_are_printed_as_their_tables(monkeypatch, capsys):
    path = next((Path(command.__file__).parent / "results").glob("*.json"))
    monkeypatch.setattr(sys, "argv", ["python -m benchmarks", "--table", str(path)])
    command.main()
    assert capsys.readouterr().out == path.with_suffix(".md").read_text()
