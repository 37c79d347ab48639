"""A process that holds one engine: reads one JSON request a line, answers with one JSON line.

Between requests it sleeps in `readline`, so that it does not disturb the engine whose turn it is.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from typing import Any

from benchmarks import engines


def main() -> None:
    # Only answers may reach the pipe: whatever a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        order = request.pop("order")
        if order == "create":
            engine = engines.create(**request)
            answer: Any = "ready"
        elif order == "run":
            answer = run(engine.train_step if request["task"] == "training" else engine.infer, request["seconds"])
        elif order == "layers":
            answer = engine.layer_times(request["repeats"])
        elif order == "flops":
            answer = engine.flops()
        elif order == "peak memory":
            answer = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        else:
            raise ValueError(f"unknown order {order!r}")
        print(json.dumps(answer), file=answers, flush=True)


def run(step: Any, seconds: float) -> float:
    """Repeat `step` for about `seconds`, at least once, and return the median of its times in seconds."""
    times: list[float] = []
    while not times or sum(times) < seconds:
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    main()
