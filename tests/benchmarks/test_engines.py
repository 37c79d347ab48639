"""The peers that take minicnn's weights compute what minicnn computes: else their times would compare nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# In a process of its own: the libraries start threads, which a later test's fork would not survive.
SCRIPT = """
import sys
import numpy as np
from benchmarks.engines import create

name, model, image_size = sys.argv[1], sys.argv[2], int(sys.argv[3])
own, peer = (create(engine, model, image_size, batch=4, threads=1, device="cpu") for engine in ("numpy", name))
np.testing.assert_allclose(np.asarray(peer.infer()), own.infer(), rtol=0, atol=1e-4)
if not hasattr(peer, "train_step") or any(layer.kind == "dropout" for layer in own.net.layers):
    sys.exit()  # each library draws another mask
before = {name: parameter.value.copy() for name, parameter in own.net.parameters().items()}
for _ in range(3):  # momentum shows from the second step on
    own.train_step()
    peer.train_step()
for name, parameter in own.net.parameters().items():
    change = parameter.value - before[name]
    largest = abs(change).max()
    assert largest > 0, name
    theirs = np.asarray(peer.weights[name]) - before[name]
    np.testing.assert_allclose(theirs, change, rtol=0, atol=0.01 * largest, err_msg=name)
"""


@pytest.mark.parametrize(
    "model, image_size", [("cnn2", 32), ("dcnn5", 32), ("simple_cnn", 96), ("resnet18", 64), ("mobilenet_v2", 32)]
)
@pytest.mark.parametrize("engine", ["jax", "tensorflow", "onnxruntime", "openvino"])
def test_logits_and_training_are_those_of_the_formulas(engine: str, model: str, image_size: int) -> None:
    if find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    command = [sys.executable, "-c", SCRIPT, engine, model, str(image_size)]
    result = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
