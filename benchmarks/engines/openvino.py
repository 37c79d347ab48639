"""OpenVINO with the same networks, in inference: it runs the files that minicnn exports."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads import CLASSES


def create(model: str, image_size: int, batch: int, threads: int, device: str) -> OpenvinoEngine:
    return OpenvinoEngine(model, image_size, batch, threads)


class OpenvinoEngine:
    """See `benchmarks.engines.Engine`; it infers alone, each batch as soon as it is there ("LATENCY")."""

    def __init__(self, model: str, image_size: int, batch: int, threads: int) -> None:
        import openvino

        from minicnn import models
        from minicnn.exchange import to_onnx

        net = models.build(model, (image_size, image_size, 3), CLASSES.get(model), seed=0)
        core = openvino.Core()
        network = core.read_model(to_onnx(net))
        network.reshape([batch, image_size, image_size, 3])  # a batch of one size lets it plan its memory
        settings = {
            "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32",
        }  # fmt: skip
        self.request = core.compile_model(network, "CPU", settings).create_infer_request()
        self.x = np.random.default_rng(0).standard_normal((batch, image_size, image_size, 3), dtype=np.float32)

    def infer(self) -> Any:
        return self.request.infer({0: self.x})[0]
