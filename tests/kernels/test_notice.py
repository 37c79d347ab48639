"""The user is told, once a process, that a pause is the kernels being compiled, and only when it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
import numba
import numpy as np
from minicnn import ops

x = np.ones(100_000, np.float32)
ops.relu(x[:10])  # left to the formula; the kernels are imported
numba.njit(lambda own: own + 1)(1)
exec("def nameless(own): return own + 1", scope := {})
numba.njit(scope["nameless"])(1)
print("computing", file=sys.stderr)
ops.relu_backward(ops.relu(x), x)
"""


def test_compiling_is_told_once_on_stderr_and_only_where_nothing_was_kept(tmp_path: Path) -> None:
    variables = {**os.environ, "MINICNN_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    told = []
    for _ in range(2):
        command = [sys.executable, "-c", SCRIPT]
        result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240)
        assert (result.returncode, result.stdout) == (0, ""), result.stderr
        told.append(result.stderr.splitlines())
    assert told == [["computing", "minicnn: compiling kernels, once: they are kept for the next time"], ["computing"]]
