"""Taking turns: A B A B …, each engine for a short while, so that what disturbs the machine disturbs all alike."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.peers import Peer, peer, peers
from benchmarks.workloads import Workload

SETTLE = 0.05  # seconds between turns, in which the threads of the last engine fall asleep
ONE_TURN = ("numpy", "jax")  # an order of magnitude slower in training: one turn tells enough


@dataclass(frozen=True)
class Effort:
    """How long to measure: `rounds` turns an engine, each of at least `seconds`."""

    rounds: int
    seconds: float


THOROUGH, QUICK = Effort(7, 0.5), Effort(3, 0.2)


def measure(workload: Workload, engines: list[str], effort: Effort, device: str) -> dict[str, Any]:
    """Measure one workload with all engines and return it with their times (seconds a step) and peak memory (MiB)."""
    say(f"{workload}")
    settings = {"model": workload.model, "image_size": workload.image_size, "batch": workload.batch}
    with peers(engines, threads=workload.threads, device=device, **settings) as running:
        times = take_turns({worker.name: worker for worker in running}, workload.task, effort)
        memory = {worker.name: worker.ask("peak memory") for worker in running}
        flops = {worker.name: worker.ask("flops") for worker in running if worker.name in ("minicnn", "sgemm")}
    for name in engines:
        say(f"    {name:24s}{statistics.median(times[name]) * 1e3:10.2f} ms {memory[name]:8.0f} MiB")
    return {**workload.as_json(), "seconds": times, "peak_mib": memory, "forward_flops": flops}


def measure_threads(workload: Workload, engine: str, effort: Effort, device: str) -> dict[str, Any]:
    """Measure one engine with one thread beside itself with the workload's threads: seconds a step, by threads."""
    say(f"one thread beside {workload.threads}: {engine}, {workload}")
    settings = {"model": workload.model, "image_size": workload.image_size, "batch": workload.batch, "device": device}
    with (
        peer(engine, threads=1, **settings) as alone,
        peer(engine, threads=workload.threads, **settings) as together,
    ):
        times = take_turns({"1": alone, str(workload.threads): together}, workload.task, effort)
    return {**workload.as_json(), "engine": engine, "seconds": times}


def take_turns(workers: dict[str, Peer], task: str, effort: Effort) -> dict[str, list[float]]:
    """Return the seconds a step in each turn of each worker, under the worker's key."""
    times: dict[str, list[float]] = {key: [] for key in workers}
    for worker in workers.values():  # warm-up: compilation, first touch of memory
        worker.ask("run", task=task, seconds=0)
    for turn in range(effort.rounds):
        for key, worker in workers.items():
            if worker.name in ONE_TURN and turn > 0:
                continue
            time.sleep(SETTLE)
            times[key].append(worker.ask("run", task=task, seconds=effort.seconds))
    return times


def measure_layers(workload: Workload, engines: list[str], repeats: int, device: str) -> dict[str, Any]:
    """Return each engine's forward and backward times by layer (seconds), measured in turn."""
    say(f"layers of {workload}")
    settings = {"model": workload.model, "image_size": workload.image_size, "batch": workload.batch}
    layers = {}
    with peers(engines, threads=workload.threads, device=device, **settings) as running:
        for worker in running:
            time.sleep(SETTLE)
            layers[worker.name] = worker.ask("layers", repeats=repeats)
    return {**workload.as_json(), "layers": layers}


def ratio(result: dict[str, Any], slower: str, faster: str = "minicnn") -> tuple[float, float, float]:
    """Return the quartiles (lower, median, upper) of time(slower) / time(faster), a pair a round."""
    pairs = zip(result["seconds"][slower], result["seconds"][faster], strict=False)
    ratios = sorted(a / b for a, b in pairs)
    if len(ratios) == 1:
        return ratios[0], ratios[0], ratios[0]
    lower, middle, upper = statistics.quantiles(ratios, n=4, method="inclusive")
    return lower, middle, upper


def say(line: str) -> None:
    """Tell the person who waits what is going on; the results themselves go to stdout."""
    print(line, file=sys.stderr, flush=True)
