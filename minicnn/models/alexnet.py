"""AlexNet in one column. Source: Krizhevsky 2014, "One weird trick for parallelizing CNNs", §3, as in torchvision.

    layer   kernel    filters   output (of 224×224 pixels)     paper of 2012, table in figure 2
    conv1   11, s 4        64   55×55, pooled 27×27            96
    conv2   5             192   27×27, pooled 13×13            256
    conv3   3             384   13×13                          384
    conv4   3             256   13×13                          384
    conv5   3             256   13×13, pooled 6×6              256
    dense                4096, 4096, classes

The network of 2012 had two columns on two GPUs and local response normalisation; this one has neither, and 61,100,840
weights.
"""

from __future__ import annotations

from minicnn.layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D, ReLU
from minicnn.models.registry import model


def _torch_names() -> list[str]:
    return [f"features.{place}" for place in (0, 3, 6, 8, 10)] + [f"classifier.{place}" for place in (1, 4, 6)]


@model(image_size=224, classes=1000, torch_names=_torch_names)
def alexnet(classes: int) -> list[Layer]:
    """Five convolutions, three dense layers. 224×224 pixels, 1000 classes, 61,100,840 weights."""
    return [
        Conv2D(64, 11, stride=4, padding=2), ReLU(), MaxPool2D(3, stride=2),
        Conv2D(192, 5, padding=2), ReLU(), MaxPool2D(3, stride=2),
        Conv2D(384, 3, padding=1), ReLU(),
        Conv2D(256, 3, padding=1), ReLU(),
        Conv2D(256, 3, padding=1), ReLU(), MaxPool2D(3, stride=2),
        Flatten(), Dropout(0.5), Dense(4096, initializer="he_normal"), ReLU(),
        Dropout(0.5), Dense(4096, initializer="he_normal"), ReLU(), Dense(classes),
    ]  # fmt: skip
