"""The comparison on a GPU: minicnn beside PyTorch with cuDNN, in TF32 and in float32. One command gives all figures:

    python -m benchmarks --device gpu --save

Each engine runs in a process of its own; they take turns. PyTorch runs in channels_last, with cuDNN's own search for
the fastest algorithm. TF32 is allowed to both, then to neither.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.measure import ratio, say
from benchmarks.peers import Peer
from benchmarks.workloads import IMAGE_SIZES
from minicnn.backend import require_cupy
from minicnn.errors import DeviceError

RESULTS = Path(__file__).parent / "results"
BATCH = 128  # images
ENGINES = ("minicnn", "pytorch")
TASKS = ("training", "inference")
ALGORITHMS = ("columns", "implicit")  # of minicnn's convolutions, as kernels/gpu/algorithms.py calls them
WORKSPACES = (64, 256, 512, 2048)  # MiB for a convolution's windows
WARM_UP = 5  # steps: compilation, cuDNN's search, filling the memory pools


def main(options: argparse.Namespace) -> None:
    """Measure, print the tables (or JSON), and keep the results if asked to."""
    try:
        results = run(options.only or list(IMAGE_SIZES), options.quick)
    except DeviceError as error:
        sys.exit(str(error))
    text = markdown(results)
    if options.save:
        name = "".join(c if c.isalnum() else "-" for c in results["card"]["tf32"]["name"].lower())
        path = RESULTS / f"{results['date']}-{name}.json"
        path.write_text(json.dumps(results, indent=1) + "\n")
        path.with_suffix(".md").write_text(text)
        say(f"kept in {path} and {path.with_suffix('.md').name}")
    sys.stdout.write(json.dumps(results) + "\n" if options.json else text)


def run(models: list[str], quick: bool) -> dict[str, Any]:
    """Measure `models` in both precisions; `quick`: fewer turns, and neither layers nor workspaces."""
    require_cupy()  # says in one line what is missing
    turns, repeats = (3, 10) if quick else (7, 30)
    results: dict[str, Any] = {
        "date": datetime.date.today().isoformat(), "machine": machine.describe(), "batch": BATCH, "card": {},
        "networks": [], "layers": [], "workspaces": [],
    }  # fmt: skip
    for precision in ("tf32", "float32"):
        for model in models:
            with engines(model, precision) as running:
                if precision not in results["card"]:
                    results["card"][precision] = running["minicnn"].ask("card")
                results["networks"] += [measure(model, precision, task, running, turns, repeats) for task in TASKS]
                if not quick:
                    times = {name: peer.ask("layers", repeats=repeats) for name, peer in running.items()}
                    for algorithm in ALGORITHMS if precision == "tf32" else ():
                        times[algorithm] = running["minicnn"].ask("convolutions", repeats=repeats, algorithm=algorithm)
                    results["layers"].append({"model": model, "precision": precision, "layers": times})
    for model in [] if quick else models:
        results["workspaces"].append({"model": model, "seconds": workspace_times(model, repeats)})
    return results


@contextlib.contextmanager
def engines(
    model: str, precision: str, names: tuple[str, ...] = ENGINES, **environment: str
) -> Iterator[dict[str, Peer]]:
    """Run each engine in a fresh process for the duration of the block."""
    settings = {"model": model, "image_size": IMAGE_SIZES[model], "batch": BATCH, "threads": 1, "device": "gpu"}
    variables = {**os.environ, **environment}
    with contextlib.ExitStack() as stack:
        running = {}
        for name in names:
            command = [sys.executable, "-m", "benchmarks.gpu_worker"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            process = stack.enter_context(subprocess.Popen(command, env=variables, text=True, **pipes))
            stack.callback(process.stdin.close)  # the worker's loop ends with its input
            running[name] = Peer(name, process)
            running[name].ask("create", name=name, tf32=precision == "tf32", settings=settings)
        yield running


def measure(
    model: str, precision: str, task: str, running: dict[str, Peer], turns: int, repeats: int
) -> dict[str, Any]:
    """Return each engine's seconds a step, a number a turn, with its memory and the work of one step."""
    seconds: dict[str, list[float]] = {name: [] for name in running}
    for peer in running.values():
        peer.ask("run", task=task, repeats=WARM_UP)
    for _ in range(turns):
        for name, peer in running.items():
            seconds[name].append(peer.ask("run", task=task, repeats=repeats))
    work = running["minicnn"].ask("work")
    peak = {name: peer.ask("peak") for name, peer in running.items()}
    for name, times in seconds.items():
        say(f"{model} {precision} {task:10s}{name:10s}{statistics.median(times) * 1e3:10.3f} ms {peak[name]:8.0f} MiB")
    passes = 3 if task == "training" else 1  # backward: two products for each of forward
    return {
        "model": model, "precision": precision, "task": task, "seconds": seconds, "peak_mib": peak,
        "flops": passes * work["flops"], "bytes": work["bytes"][task],
    }  # fmt: skip


def workspace_times(model: str, repeats: int) -> dict[str, float]:
    """Return minicnn's seconds a training step in TF32 for each size of the convolutions' workspace."""
    times = {}
    for size in WORKSPACES:
        with engines(model, "tf32", ("minicnn",), MINICNN_GPU_WORKSPACE=str(size)) as running:
            running["minicnn"].ask("run", task="training", repeats=WARM_UP)
            times[str(size)] = running["minicnn"].ask("run", task="training", repeats=repeats)
            say(f"{model} workspace {size} MiB {times[str(size)] * 1e3:10.3f} ms")
    return times


def markdown(results: dict[str, Any]) -> str:
    """Return the tables."""
    versions = ", ".join(f"{name} {version}" for name, version in results["machine"]["versions"].items())
    tf32, float32 = (results["card"][precision] for precision in ("tf32", "float32"))
    head = (
        f"Measured {results['date']} on {tf32['name']}, batch {results['batch']}; {versions}. The card copies at "
        f"{tf32['bytes_per_second'] / 1e9:,.0f} GB/s and multiplies matrices at "
        f"{tf32['flops_per_second'] / 1e12:,.0f} TFLOP/s in TF32, {float32['flops_per_second'] / 1e12:,.0f} in "
        "float32, measured in the same run. Ratios are PyTorch's time ÷ minicnn's: more is better for minicnn."
    )
    sections = [head, network_table(results)]
    if results["layers"]:
        sections += ["### Layers", layer_table(results["layers"])]
        sections += ["### Convolution algorithms, in TF32", algorithm_table(results["layers"])]
    if results["workspaces"]:
        sections += ["### Workspace", workspace_table(results["workspaces"])]
    return "\n\n".join(sections) + "\n"


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
        card = results["card"][r["precision"]]
        cells = [
            f"{r['model']} {IMAGE_SIZES[r['model']]}", r["task"], r["precision"], f"{own * 1e3:.3f}",
            f"{torch * 1e3:.3f}", f"{middle:.2f} ({lower:.2f}–{upper:.2f})",
            f"{100 * r['flops'] / own / card['flops_per_second']:.0f}",
            f"{100 * r['bytes'] / own / card['bytes_per_second']:.0f}",
            f"{r['peak_mib']['minicnn']:.0f} ({r['peak_mib']['pytorch']:.0f})",
        ]  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
    for precision in results["card"]:
        for task in TASKS:
            chosen = [r for r in results["networks"] if (r["precision"], r["task"]) == (precision, task)]
            mean = statistics.geometric_mean(ratio(r, "pytorch")[1] for r in chosen)
            rows.append(f"| **geometric mean** | {task} | {precision} | | | **{mean:.2f}** | | | |")
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
                engines = (*ALGORITHMS, *ENGINES)
                cells = [f"{times[e][name][place] * 1e3:.3f}" if name in times[e] else "" for e in engines]
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
