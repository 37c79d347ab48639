"""ONNX Runtime with the same networks, in inference: it runs the files that minicnn exports."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads import CLASSES


def create(model: str, image_size: int, batch: int, threads: int, device: str) -> OnnxruntimeEngine:
    return OnnxruntimeEngine(model, image_size, batch, threads)


class OnnxruntimeEngine:
    """See `benchmarks.engines.Engine`; it infers alone."""

    def __init__(self, model: str, image_size: int, batch: int, threads: int) -> None:
        import onnxruntime

        from minicnn import models
        from minicnn.exchange import to_onnx

        net = models.build(model, (image_size, image_size, 3), CLASSES.get(model), seed=0)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # Its threads else spin between runs, while it is another engine's turn.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(to_onnx(net), options, providers=["CPUExecutionProvider"])
        rng = np.random.default_rng(0)
        x = rng.standard_normal((batch, image_size, image_size, 3), dtype=np.float32)
        self.inputs = {self.session.get_inputs()[0].name: x}

    def infer(self) -> Any:
        return self.session.run(None, self.inputs)[0]
