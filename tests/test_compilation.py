"""A dry run names the kernels that a computation asks for, and lets none compute; what it names can be compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn import ops, use_kernels
from minicnn.compilation import dry_run

SCRIPT = """
import numpy as np
from minicnn import ops
from minicnn.compilation import dry_run

x = np.linspace(-1, 1, 400_000, dtype=np.float32)
dy, weight = np.ones_like(x), np.ones_like(x)
with dry_run() as requests:
    for _ in range(2):
        y = ops.relu(x)
    ops.relu_backward(dy, y)
    ops.sgd_update(weight, dy, None, 0.5, 0.0, False, 0.0)
    requests_within = list(requests)
assert requests_within == []
names = ["activations._relu", "activations._relu_backward", "updates._descend"]
assert [request.name for request in requests] == names, requests
assert (weight == 1).all(), "nothing was computed"
relu, backward, _ = requests
assert not relu.kept and not relu.kernel.overloads, "nothing was compiled"
relu.compile()
assert relu.kept and not backward.kept
np.testing.assert_array_equal(ops.relu(x), np.maximum(x, 0))
assert list(relu.kernel.overloads) == [relu.types], "the call asked for what the dry run had noted"
try:
    with dry_run():
        pass
except RuntimeError as error:
    print(error)
"""


def test_kernels_are_named_and_compiled_without_computing(tmp_path: Path) -> None:
    variables = {**os.environ, "MINICNN_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    variables |= {"MINICNN_KERNELS": "fast", "MINICNN_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=variables, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "a dry run needs a process in which no kernel has computed yet\n"


def test_where_kernels_compute_there_is_no_dry_run() -> None:
    with use_kernels("fast"):
        ops.relu(np.ones(400_000, np.float32))
        with pytest.raises(RuntimeError, match="no kernel has computed yet"), dry_run():
            pass
