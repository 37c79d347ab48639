"""The machine's own speed: a large matrix product in NumPy's BLAS, which takes its turn among the engines."""

from __future__ import annotations

import numpy as np
import threadpoolctl

SIDE = 2048  # rows and columns: large enough for full speed, 17 GFLOP


def create(model: str, image_size: int, batch: int, threads: int, device: str) -> SgemmEngine:
    threadpoolctl.threadpool_limits(threads)
    return SgemmEngine()


class SgemmEngine:
    """See `benchmarks.engines.Engine`."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.a, self.b = rng.standard_normal((2, SIDE, SIDE), dtype=np.float32)
        self.c = np.empty_like(self.a)

    def train_step(self) -> None:
        np.matmul(self.a, self.b, out=self.c)

    infer = train_step

    def layer_times(self, repeats: int) -> list[tuple[str, float, float]]:
        return []

    def flops(self) -> int:
        return 2 * SIDE**3
