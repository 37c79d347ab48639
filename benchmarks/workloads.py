"""What is measured: the documents' networks at their documented sizes, and some classics, training and inference;
of a network of depthwise layers, the layers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

IMAGE_SIZES = {
    "cnn3": 224, "cnn2": 224, "cifar_cnn": 32, "torch_cnn": 224, "simple_cnn": 224, "dcnn5": 224, "resnet18": 64,
    "vgg11": 64, "mobilenet_v2": 224, "efficientnet_lite0": 224,
}  # fmt: skip
LAYERS_ALONE = {"depthwise": 112}  # networks, with their image size, that are measured layer by layer alone
CLASSES = {"resnet18": 10, "vgg11": 10}  # as in their source for the others
BY_PYTORCH_ALONE = ("resnet18", "mobilenet_v2", "efficientnet_lite0")  # the other peers know no batch norm here
BATCH_SIZES = {"cifar_cnn": 128}  # 32 for the others


@dataclass(frozen=True)
class Workload:
    """One step of one network: `task` "training" (forward, loss, backward, SGD with momentum) or "inference"."""

    model: str
    task: str
    image_size: int  # pixels
    batch: int  # images
    threads: int

    def __str__(self) -> str:
        return f"{self.model} {self.image_size} px, {self.task}, batch {self.batch}, {self.threads} threads"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def documented(models: list[str], threads: int) -> list[Workload]:
    """Return training, inference and batch-1 inference of each model at its documented size."""
    sizes = IMAGE_SIZES | LAYERS_ALONE
    return [
        Workload(model, task, sizes[model], batch, threads)
        for model in models
        for task, batch in (
            ("training", BATCH_SIZES.get(model, 32)),
            ("inference", BATCH_SIZES.get(model, 32)),
            ("inference", 1),
        )
    ]


def scaling(model: str, threads: int) -> list[Workload]:
    """Return training of `model` over threads, over batch sizes and over image sizes, one of them varied at a time."""
    size = IMAGE_SIZES[model]
    varied = [Workload(model, "training", size, 32, count) for count in range(1, threads + 1)]
    varied += [Workload(model, "training", size, batch, threads) for batch in (1, 4, 16, 64, 128)]
    varied += [Workload(model, "training", pixels, 32, threads) for pixels in (32, 64, 96, 128, 160)]
    return varied
