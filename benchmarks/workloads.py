"""What is measured: the documents' networks at their documented sizes, and some classics, training and inference;
of a network of depthwise layers, the layers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

IMAGE_SIZES = {
    "cnn3": 224, "cnn2": 224, "cifar_cnn": 32, "torch_cnn": 224, "simple_cnn": 224, "dcnn5": 224, "resnet18": 64,
    "vgg11": 64, "small32": 32, "small64": 64, "mobilenet_v2": 224, "efficientnet_lite0": 224,
}  # fmt: skip
INFERRED_AT = {"resnet18": 224}  # pixels, where pictures to train on are smaller than those that are looked at
LAYERS_ALONE = {"depthwise": 112}  # networks, with their image size, that are measured layer by layer alone
CLASSES = {"resnet18": 10, "vgg11": 10}  # as in their source for the others
BATCH_SIZES = {"cifar_cnn": 128, "small32": 256, "small64": 64}  # 32 for the others


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
        Workload(
            model, task, INFERRED_AT.get(model, sizes[model]) if task == "inference" else sizes[model], batch, threads
        )
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
