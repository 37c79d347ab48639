"""A process that holds one engine on the GPU: reads one JSON request a line, answers with one JSON line.

Times are read from CUDA events around many steps that are queued without waiting for each other, as training does.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.engines import create

WARM_UP = 5  # steps: compilation, cuDNN's search, filling the memory pools
FEWEST, MOST = 3, 300  # repetitions that one time is the mean of
COPY_BYTES = 2**30  # large enough that no cache holds it
SIDE = 8192  # of the matrices whose product tells the card's rate


class Minicnn:
    """minicnn on CuPy."""

    def __init__(self, tf32: bool, **settings: Any) -> None:
        import cupy

        from minicnn.devices import tf32_products

        self.cupy = cupy
        self.session = contextlib.ExitStack()  # for as long as the engine lives
        self.session.enter_context(tf32_products(tf32))
        self.engine = create("minicnn", **settings)

    def seconds(self, step: Callable[[], Any], repeats: int) -> float:
        """Return the mean duration of `step` on the device."""
        begin, end = self.cupy.cuda.Event(), self.cupy.cuda.Event()
        begin.record()
        for _ in range(repeats):
            step()
        end.record()
        end.synchronize()
        return self.cupy.cuda.get_elapsed_time(begin, end) / 1e3 / repeats

    def blocks(self) -> list[tuple[str, Any, Any]]:
        """Return (name, forward, backward) of each layer or fused block, each ready to be called again and again."""
        from minicnn.layers.plan import layers_of

        x, found = self.engine.x, []
        for step in self.engine.net.plan(training=True).steps:
            name = "+".join(layer.name for layer in layers_of(step))
            y = step.forward(x, training=True)
            found.append((name, _call(step.forward, x, True), _backward(step, y, x is not self.engine.x)))
            x = y
        return found

    def forget_peak(self) -> None:
        """Give the memory that is not in use back, so that `peak_mib` begins anew."""
        self.cupy.get_default_memory_pool().free_all_blocks()

    def peak_mib(self) -> float:
        """Return the most memory that the pool has held since `forget_peak`, in MiB."""
        return self.cupy.get_default_memory_pool().total_bytes() / 2**20

    def rates(self) -> dict[str, float]:
        """Return the rates of a copy (bytes/s) and of a matrix product (FLOP/s) on this card."""
        cupy = self.cupy
        source = cupy.zeros(COPY_BYTES, dtype="uint8")
        target = cupy.empty_like(source)
        a = cupy.asarray(np.random.default_rng(0).standard_normal((SIDE, SIDE), dtype=np.float32))
        c = cupy.empty_like(a)
        copy = mean_seconds(self, lambda: cupy.copyto(target, source), 0.1)
        product = mean_seconds(self, lambda: cupy.matmul(a, a, out=c), 0.2)
        return {"bytes_per_second": 2 * COPY_BYTES / copy, "flops_per_second": 2 * SIDE**3 / product}


class Pytorch:
    """PyTorch with cuDNN, channels_last."""

    def __init__(self, tf32: bool, **settings: Any) -> None:
        import torch

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True  # its fastest algorithm for these shapes
        self.torch = torch
        self.engine = create("pytorch channels_last", **settings)
        self.engine.synchronize = lambda: None  # the events wait

    def seconds(self, step: Callable[[], Any], repeats: int) -> float:
        """Return the mean duration of `step` on the device."""
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(repeats):
            step()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / repeats

    def blocks(self) -> list[tuple[str, Any, Any]]:
        """Return (name, forward, backward) of each layer or run of layers that minicnn fuses."""
        x, found = self.engine.x, []
        self.engine.net.train()
        for name, block in self.engine.blocks():
            x = x.detach().requires_grad_(x is not self.engine.x)
            y = block(x)
            backward = _call(self._gradient, y, [t for t in (x, *block.parameters()) if t.requires_grad])
            found.append((name, _call(block, x), backward))
            x = y
        return found

    def _gradient(self, y: Any, inputs: list[Any]) -> None:
        if inputs:
            self.torch.autograd.grad(y, inputs, y.detach(), retain_graph=True)

    def forget_peak(self) -> None:
        """Give the memory that is not in use back, so that `peak_mib` begins anew."""
        self.torch.cuda.empty_cache()
        self.torch.cuda.reset_peak_memory_stats()

    def peak_mib(self) -> float:
        """Return the most memory that the pool has held since `forget_peak`, in MiB."""
        return self.torch.cuda.max_memory_reserved() / 2**20


def _call(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: function(*arguments)


def _backward(step: Any, dy: Any, input_gradient: bool) -> Callable[[], Any]:
    from minicnn.layers.plan import layers_of

    layers = [inner for layer in layers_of(step) for _, inner in layer.walk()]
    kept = [dict(vars(layer)) for layer in layers]  # what backward uses up; given back to it each time

    def run() -> None:
        for layer, arrays in zip(layers, kept, strict=True):
            vars(layer).update(arrays)
        step.backward(dy, input_gradient=input_gradient)
        for layer in layers:
            for parameter in layer.parameters().values():
                parameter.grad = None

    return run


def answer(request: dict[str, Any], engine: Any) -> Any:
    """Do what was asked for and return the answer."""
    order = request["order"]
    if order == "warm up":
        engine.forget_peak()
        return engine.seconds(step_of(engine, request["task"]), WARM_UP)
    if order == "run":
        return mean_seconds(engine, step_of(engine, request["task"]), request["seconds"])
    if order == "workspace":
        os.environ["MINICNN_GPU_WORKSPACE"] = str(request["size"])  # read at every convolution
        return mean_seconds(engine, engine.engine.train_step, request["seconds"])
    if order == "layers":
        return layer_times(engine, request["seconds"])
    if order == "convolutions":
        from minicnn.kernels.gpu.algorithms import force_algorithm

        with force_algorithm(request["algorithm"]):
            return layer_times(engine, request["seconds"], beginning="conv")
    if order == "work":
        return {"flops": engine.engine.flops(), "bytes": least_bytes(engine.engine.net, len(engine.engine.x))}
    return {"peak": engine.peak_mib, "rates": getattr(engine, "rates", None)}[order]()


def step_of(engine: Any, task: str) -> Callable[[], Any]:
    """Return the step to measure: "training" or "inference"."""
    return engine.engine.train_step if task == "training" else engine.engine.infer


def mean_seconds(engine: Any, step: Callable[[], Any], duration: float) -> float:
    """Return the mean duration of `step` on the device, over so many repetitions that they take some `duration` s."""
    engine.seconds(step, 1)  # a kernel or a size that is new
    estimate = engine.seconds(step, FEWEST)
    return engine.seconds(step, min(max(math.ceil(duration / max(estimate, 1e-9)), FEWEST), MOST))


def layer_times(engine: Any, duration: float, beginning: str = "") -> list[tuple[str, float, float]]:
    """Return (name, seconds forward, seconds backward) of each layer or block whose name has this beginning."""
    return [
        (name, mean_seconds(engine, forward, duration), mean_seconds(engine, backward, duration))
        for name, forward, backward in engine.blocks()
        if name.startswith(beginning)
    ]


def least_bytes(net: Any, batch: int) -> dict[str, int]:
    """Return the bytes that a step at least moves if every fused block reads its inputs and writes its outputs once.

    Forward: x and y of each block, a byte an output for the arg max, the weights. Training adds backward (dy, y, arg
    max and x read, dx written, the weights read and their gradients written) and SGD (w, grad and v read, w and v
    written). Flatten moves nothing.
    """
    from minicnn.layers import Flatten, MaxPool2D
    from minicnn.layers.plan import layers_of

    forward = backward = 0
    for place, step in enumerate(net.plan(training=True).steps):
        layers = layers_of(step)
        if isinstance(layers[0], Flatten):
            continue
        x, y = (batch * _count(shape) for shape in (layers[0].input_shape, layers[-1].output_shape))
        marks = y if isinstance(layers[-1], MaxPool2D) else 0
        forward += 4 * (x + y) + marks
        backward += 4 * (2 * y + x + (x if place else 0)) + marks
    weights = 4 * sum(parameter.value.size for parameter in net.parameters().values())
    return {"inference": forward + weights, "training": forward + backward + (1 + 2 + 5) * weights}


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")  # only answers may reach the pipe: whatever a library prints goes to stderr
    os.dup2(2, 1)
    engine: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["order"] == "create":
            kind = Pytorch if request["name"] == "pytorch" else Minicnn
            engine = kind(request["tf32"], **request["settings"])
            reply: Any = "ready"
        else:
            reply = answer(request, engine)
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
