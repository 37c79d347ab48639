"""The comparison on a GPU: minicnn beside PyTorch with cuDNN, in TF32 and in float32. One command gives all figures:

    python -m benchmarks --device gpu

Each engine runs in a process of its own; they take turns. PyTorch runs in channels_last, with cuDNN's own search for
the fastest algorithm. TF32 is allowed to both, then to neither. Every figure is written to benchmarks/results/ as soon
as it is there, and what fails, such as a network too large for the card, costs only itself.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.measure import ratio, say
from benchmarks.peers import Peer
from benchmarks.workloads import IMAGE_SIZES
from minicnn.devices import gpu_name, require_cupy
from minicnn.errors import DeviceError

RESULTS = Path(__file__).parent / "results"
BATCH = 128  # images
ENGINES = ("minicnn", "pytorch")
PRECISIONS = ("tf32", "float32")
TASKS = ("training", "inference")
ALGORITHMS = ("columns", "implicit")  # of minicnn's convolutions, as kernels/gpu/algorithms.py calls them
WORKSPACES = (64, 256, 512, 2048)  # MiB for a convolution's windows
TURN, LAYER_TURN = 0.2, 0.05  # seconds of one engine's turn, and of one layer in one direction


def main(options: argparse.Namespace) -> None:
    """Measure, keep the results as they come, and print the tables (or JSON)."""
    try:
        results = describe()
    except DeviceError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    path = free_path(results)
    for _ in run(results, options.only or list(IMAGE_SIZES), options.quick):
        path.write_text(json.dumps(results, indent=1) + "\n")
        path.with_suffix(".md").write_text(markdown(results))
    say(f"kept in {path} and {path.with_suffix('.md').name}")
    sys.stdout.write(json.dumps(results) + "\n" if options.json else markdown(results))
    sys.exit(1 if results["failed"] else 0)


def describe() -> dict[str, Any]:
    """Return the results before the first of them: date, machine and card.

    Raises DeviceError in one line when CuPy, PyTorch, or the GPU for one of them is missing.
    """
    cupy = require_cupy()
    if find_spec("torch") is None:
        raise DeviceError("the comparison is with PyTorch, which is not installed: see pytorch.org for your CUDA")
    import torch

    if not torch.cuda.is_available():
        raise DeviceError(f"PyTorch {torch.__version__} sees no GPU: install its build for your CUDA (pytorch.org)")
    return {
        "date": datetime.date.today().isoformat(), "device": "gpu", "machine": machine.describe(), "batch": BATCH,
        "card": {
            "name": gpu_name(),
            "driver": cupy.cuda.runtime.driverGetVersion(), "cuda": cupy.cuda.runtime.runtimeGetVersion(),
            "cudnn": torch.backends.cudnn.version(),
        },
        "rates": {}, "networks": [], "layers": [], "workspaces": [], "failed": [],
    }  # fmt: skip


def free_path(results: dict[str, Any]) -> Path:
    """Return a file for these results that does not exist yet."""
    name = "-".join("".join(c if c.isalnum() else " " for c in results["card"]["name"].lower()).split())
    RESULTS.mkdir(exist_ok=True)
    path, number = RESULTS / f"{results['date']}-{name}.json", 1
    while path.exists():
        number += 1
        path = RESULTS / f"{results['date']}-{name}-{number}.json"
    return path


def run(results: dict[str, Any], models: list[str], quick: bool) -> Iterator[None]:
    """Measure `models` in both precisions into `results`, and yield whenever there is something new in it.

    quick: fewer turns, and neither layers nor workspaces.
    """
    turns = 3 if quick else 5
    for precision in PRECISIONS:
        for model in models:
            try:
                with engines(model, precision) as running:
                    for _ in measure_model(results, model, precision, running, turns, quick):
                        yield
            except RuntimeError as error:
                say(f"{model} {precision} failed: {error}")
                results["failed"].append({"model": model, "precision": precision, "error": str(error)})
                yield


def measure_model(
    results: dict[str, Any], model: str, precision: str, running: dict[str, Peer], turns: int, quick: bool
) -> Iterator[None]:
    """Measure one network in one precision, and yield after each part of it."""
    own = running["minicnn"]
    if precision not in results["rates"]:
        results["rates"][precision] = own.ask("rates")
    for task in TASKS:
        results["networks"].append(measure(model, precision, task, running, turns))
        yield
    if quick:
        return
    times = {name: peer.ask("layers", seconds=LAYER_TURN) for name, peer in running.items()}
    results["layers"].append({"model": model, "precision": precision, "layers": times})
    yield
    if precision == "tf32":
        for algorithm in ALGORITHMS:
            times[algorithm] = own.ask("convolutions", seconds=LAYER_TURN, algorithm=algorithm)
        yield
        sizes = {str(size): own.ask("workspace", seconds=TURN, size=size) for size in WORKSPACES}
        results["workspaces"].append({"model": model, "seconds": sizes})
        yield


@contextlib.contextmanager
def engines(model: str, precision: str) -> Iterator[dict[str, Peer]]:
    """Run each engine in a fresh process for the duration of the block. Raises RuntimeError when one cannot start."""
    settings = {"model": model, "image_size": IMAGE_SIZES[model], "batch": BATCH, "threads": 1, "device": "gpu"}
    with contextlib.ExitStack() as stack:
        running = {}
        for name in ENGINES:
            command = [sys.executable, "-m", "benchmarks.gpu_worker"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            process = stack.enter_context(subprocess.Popen(command, text=True, **pipes))
            running[name] = Peer(name, process)
            stack.callback(running[name].close)
            running[name].tell("create", name=name, tf32=precision == "tf32", settings=settings)
        for peer in running.values():  # they start side by side: importing the libraries takes seconds
            peer.hear("create")
        yield running


def measure(model: str, precision: str, task: str, running: dict[str, Peer], turns: int) -> dict[str, Any]:
    """Return each engine's seconds a step, a number a turn, with its memory and the work of one step."""
    seconds: dict[str, list[float]] = {name: [] for name in running}
    for peer in running.values():
        peer.ask("warm up", task=task)
    for _ in range(turns):
        for name, peer in running.items():
            seconds[name].append(peer.ask("run", task=task, seconds=TURN))
    work = running["minicnn"].ask("work")
    peak = {name: peer.ask("peak") for name, peer in running.items()}
    for name, times in seconds.items():
        say(f"{model} {precision} {task:10s}{name:10s}{statistics.median(times) * 1e3:10.3f} ms {peak[name]:8.0f} MiB")
    passes = 3 if task == "training" else 1  # backward: two products for each of forward
    return {
        "model": model, "precision": precision, "task": task, "seconds": seconds, "peak_mib": peak,
        "flops": passes * work["flops"], "bytes": work["bytes"][task],
    }  # fmt: skip


def markdown(results: dict[str, Any]) -> str:
    """Return the tables of all that has been measured."""
    versions = ", ".join(f"{name} {version}" for name, version in results["machine"]["versions"].items())
    head = (
        f"Measured {results['date']} on {results['card']['name']}, batch {results['batch']}; {versions}. "
        + " ".join(rate_text(precision, rates) for precision, rates in results["rates"].items())
        + " Ratios are PyTorch's time ÷ minicnn's: more is better for minicnn."
    )
    sections = [head, network_table(results)]
    if results["layers"]:
        sections += ["### Layers", layer_table(results["layers"])]
        sections += ["### Convolution algorithms, in TF32", algorithm_table(results["layers"])]
    if results["workspaces"]:
        sections += ["### Workspace", workspace_table(results["workspaces"])]
    failed = [f"- {f['model']} in {f['precision']} failed: {f['error']}" for f in results["failed"]]
    if failed:
        sections += ["### Failed", "\n".join(failed)]
    return "\n\n".join(sections) + "\n"


def rate_text(precision: str, rates: dict[str, float]) -> str:
    """Return what the card itself reaches in this precision."""
    return (
        f"In {precision} the card multiplied matrices at {rates['flops_per_second'] / 1e12:,.0f} TFLOP/s "
        f"and copied at {rates['bytes_per_second'] / 1e9:,.0f} GB/s, measured in the same run."
    )


def network_table(results: dict[str, Any]) -> str:
    """Return a row a network, task and precision, and the geometric means."""
    rows = [
        "| network | task | precision | minicnn ms | PyTorch ms | ratio | % of FLOP/s | % of bandwidth "
        "| peak MiB (PyTorch) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in results["networks"]:
        own, torch = (statistics.median(r["seconds"][name]) for name in ENGINES)
        lower, middle, upper = ratio(r, "pytorch")
        rates = results["rates"][r["precision"]]
        cells = [
            f"{r['model']} {IMAGE_SIZES[r['model']]}", r["task"], r["precision"], f"{own * 1e3:.3f}",
            f"{torch * 1e3:.3f}", f"{middle:.2f} ({lower:.2f}–{upper:.2f})",
            f"{100 * r['flops'] / own / rates['flops_per_second']:.0f}",
            f"{100 * r['bytes'] / own / rates['bytes_per_second']:.0f}",
            f"{r['peak_mib']['minicnn']:.0f} ({r['peak_mib']['pytorch']:.0f})",
        ]  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
    for precision in PRECISIONS:
        for task in TASKS:
            ratios = [
                ratio(r, "pytorch")[1] for r in results["networks"] if (r["precision"], r["task"]) == (precision, task)
            ]
            if ratios:
                mean = statistics.geometric_mean(ratios)
                rows.append(
                    f"| **geometric mean** of {len(ratios)} | {task} | {precision} | | | **{mean:.2f}** | | | |"
                )
    return "\n".join(rows)


def layer_table(measured: list[dict[str, Any]]) -> str:
    """Return a row a layer or fused block: forward and backward of both engines."""
    rows = [
        "| network | precision | layer | minicnn forward ms | backward ms | PyTorch forward ms | backward ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in measured:
        torch = {name: times for name, *times in result["layers"]["pytorch"]}
        for name, *times in result["layers"]["minicnn"]:
            cells = [f"{seconds * 1e3:.3f}" for seconds in (*times, *torch.get(name, ()))]
            cells += [""] * (4 - len(cells))
            rows.append("| " + " | ".join([result["model"], result["precision"], name, *cells]) + " |")
    return "\n".join(rows)


def algorithm_table(measured: list[dict[str, Any]]) -> str:
    """Return a row a convolution or block with one, forward and backward: each algorithm, what is chosen, and cuDNN."""
    rows = [
        "| network | layer | pass | im2col ms | implicit GEMM ms | chosen ms | cuDNN ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in measured:
        times = {engine: {name: passes for name, *passes in layers} for engine, layers in result["layers"].items()}
        for name in times.get(ALGORITHMS[0], ()):
            for place, direction in enumerate(("forward", "backward")):
                passes = [times.get(engine, {}).get(name) for engine in (*ALGORITHMS, *ENGINES)]
                cells = [f"{both[place] * 1e3:.3f}" if both else "" for both in passes]
                rows.append("| " + " | ".join([result["model"], name, direction, *cells]) + " |")
    return "\n".join(rows)


def workspace_table(measured: list[dict[str, Any]]) -> str:
    """Return a row a network: milliseconds a training step for each size of the workspace."""
    rows = [
        "| network | " + " | ".join(f"{size} MiB" for size in WORKSPACES) + " |",
        "|---" * (len(WORKSPACES) + 1) + "|",
    ]
    for result in measured:
        cells = [f"{result['seconds'][str(size)] * 1e3:.3f}" for size in WORKSPACES]
        rows.append("| " + " | ".join([result["model"], *cells]) + " |")
    return "\n".join(rows)
