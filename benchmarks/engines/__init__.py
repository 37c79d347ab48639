"""Who is measured. Each engine is imported only in a process of its own (see `benchmarks.worker`)."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any, Protocol

LEARNING_RATE, MOMENTUM = 0.001, 0.9

# name → module in this package and its settings
ENGINES: dict[str, tuple[str, dict[str, Any]]] = {
    "minicnn": ("minicnn", {"kernels": "fast"}),
    "pytorch": ("pytorch", {"channels_last": False}),
    "pytorch channels_last": ("pytorch", {"channels_last": True}),
    "jax": ("jax", {}),
    "tensorflow": ("tensorflow", {}),
    "onnxruntime": ("onnxruntime", {}),
    "openvino": ("openvino", {}),
    "numpy": ("minicnn", {"kernels": "reference"}),
    "sgemm": ("sgemm", {}),
}
INFERS_ALONE = ("onnxruntime", "openvino")
COMPARED = ("minicnn", "pytorch", "pytorch channels_last", "sgemm")  # by layer too, and over threads and sizes


class Engine(Protocol):
    """A network, a batch of random images and labels, and an optimizer, ready to run."""

    def train_step(self) -> None:
        """Run forward, loss, backward and one SGD step with momentum; return when it is done."""

    def infer(self) -> Any:
        """Run forward alone and return the logits, in the library's own array, when it is done (SGEMM has none)."""

    def layer_times(self, repeats: int) -> list[tuple[str, float, float]]:
        """Return (name, forward, backward) of each layer or fused block, medians in seconds (minicnn and PyTorch)."""

    def flops(self) -> int:
        """Return the floating-point operations of one forward pass, two a multiplication (minicnn and SGEMM)."""


def installed() -> list[str]:
    """Return the engines whose library is installed."""
    libraries = {"pytorch": "torch"} | {name: name for name in ("jax", "tensorflow", *INFERS_ALONE)}
    return [name for name, (module, _) in ENGINES.items() if find_spec(libraries.get(module, "numpy"))]


def create(name: str, model: str, image_size: int, batch: int, threads: int, device: str) -> Engine:
    """Build the engine called `name` in this process."""
    module, settings = ENGINES[name]
    engine = importlib.import_module(f"benchmarks.engines.{module}")
    return engine.create(model=model, image_size=image_size, batch=batch, threads=threads, device=device, **settings)
