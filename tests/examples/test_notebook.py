"""The example notebook runs, cell by cell, and shows tables and pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.notebook_pieces import pictures, rows

REPOSITORY = Path(__file__).parents[2]
NOTEBOOK = REPOSITORY / "examples" / "notebook.ipynb"
# In a process of its own, so that what Jupyter warns of stays there.
EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """Return the outputs of each code cell."""
    pytest.importorskip("nbclient", reason="nbclient and ipykernel run the notebook: pip install '.[test]'")
    pytest.importorskip("ipykernel")
    folder = tmp_path_factory.mktemp("notebook")
    own = {
        name: str(folder / name) for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }  # not the user's
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **own}
    command = [sys.executable, "-c", EXECUTE, str(NOTEBOOK), str(folder / "done.ipynb")]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert not (folder / "run").exists()  # nothing is left behind
    cells = json.loads((folder / "done.ipynb").read_text(encoding="utf-8"))["cells"]
    return [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]


def html(outputs: list[dict[str, Any]]) -> str:
    """Return the one piece of HTML among a cell's outputs."""
    (piece,) = ("".join(output["data"]["text/html"]) for output in outputs if "text/html" in output.get("data", {}))
    return piece


def test_every_cell_shows_what_it_is_about(shown: list[list[dict[str, Any]]]) -> None:
    imports, net, summary, report, trace, number, training, run, record, trained = shown
    assert imports == []
    assert rows(html(net))[1][0] == "conv1" and pictures(html(net))
    assert rows(html(summary))[-1][0] == "total"
    assert "passed" in html(report)
    assert {"conv1.x as a picture", "conv1.dweight as a picture"} <= set(pictures(html(trace)))
    assert rows(html(number))[-1][0] == "sum"
    for outputs in (training, run, record):
        assert [row[0] for row in rows(html(outputs))] == ["epoch", *"123456"]
    assert pictures(html(run)) and pictures(html(record))
    before, after = (next(iter(pictures(html(outputs)).values())) for outputs in (net, trained))
    assert (before != after).any()


def test_it_is_stored_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
