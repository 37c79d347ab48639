"""Taking turns: A B A B …, each engine for a short while, so that what disturbs the machine disturbs all alike."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.peers import peers
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
        times: dict[str, list[float]] = {peer.name: [] for peer in running}
        for peer in running:  # warm-up: compilation, first touch of memory
            peer.ask("run", task=workload.task, seconds=0)
        for turn in range(effort.rounds):
            for peer in running:
                if peer.name in ONE_TURN and turn > 0:
                    continue
                time.sleep(SETTLE)
                times[peer.name].append(peer.ask("run", task=workload.task, seconds=effort.seconds))
        memory = {peer.name: peer.ask("peak memory") for peer in running}
        flops = {peer.name: peer.ask("flops") for peer in running if peer.name in ("minicnn", "sgemm")}
    for name in engines:
        say(f"    {name:24s}{statistics.median(times[name]) * 1e3:10.2f} ms {memory[name]:8.0f} MiB")
    return {**workload.as_json(), "seconds": times, "peak_mib": memory, "forward_flops": flops}


def measure_layers(workload: Workload, engines: list[str], repeats: int, device: str) -> dict[str, Any]:
    """Return each engine's forward and backward times by layer (seconds), measured in turn."""
    say(f"layers of {workload}")
    settings = {"model": workload.model, "image_size": workload.image_size, "batch": workload.batch}
    layers = {}
    with peers(engines, threads=workload.threads, device=device, **settings) as running:
        for peer in running:
            time.sleep(SETTLE)
            layers[peer.name] = peer.ask("layers", repeats=repeats)
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
