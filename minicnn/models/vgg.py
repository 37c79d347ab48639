"""VGG: 3×3 convolutions alone, ever more of them. Source: Simonyan & Zisserman 2015, "Very Deep Convolutional Networks
for Large-Scale Image Recognition", table 1, columns A (11 layers with weights) and D (16).

    stage   output (of 224×224)   filters   convolutions in A   in D
    1       112×112                    64                   1      2
    2        56×56                    128                   1      2
    3        28×28                    256                   2      3
    4        14×14                    512                   2      3
    5         7×7                     512                   2      3
    dense   4096, 4096, classes

Each stage ends in a 2×2 max-pool. With batch norm, which came later, as in torchvision.
"""

from __future__ import annotations

from collections.abc import Callable

from minicnn.layers import BatchNorm2D, Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D, ReLU
from minicnn.models.registry import model

FILTERS = (64, 128, 256, 512, 512)
A, D = (1, 1, 2, 2, 2), (2, 2, 3, 3, 3)  # convolutions in each stage


def _names(convolutions: tuple[int, ...], norm: bool) -> Callable[[], list[str]]:
    """Return what names the modules of torchvision's `features` (numbered with ReLUs and pools) and `classifier`."""

    def names() -> list[str]:
        places, place = [], 0
        for count in convolutions:
            for _ in range(count):
                places += [place, place + 1] if norm else [place]
                place += 3 if norm else 2
            place += 1
        return [f"features.{place}" for place in places] + [f"classifier.{place}" for place in (0, 3, 6)]

    return names


@model(image_size=224, classes=1000, torch_names=_names(A, norm=False))
def vgg11(classes: int) -> list[Layer]:
    """Eight convolutions, three dense layers (table 1, A). 224×224 pixels, 1000 classes, 132,863,336 weights."""
    return _vgg(A, classes, norm=False)


@model(image_size=224, classes=1000, torch_names=_names(A, norm=True))
def vgg11_bn(classes: int) -> list[Layer]:
    """VGG of 11 layers with batch norm. 224×224 pixels, 1000 classes, 132,868,840 weights."""
    return _vgg(A, classes, norm=True)


@model(image_size=224, classes=1000, torch_names=_names(D, norm=False))
def vgg16(classes: int) -> list[Layer]:
    """13 convolutions, three dense layers (table 1, D). 224×224 pixels, 1000 classes, 138,357,544 weights."""
    return _vgg(D, classes, norm=False)


@model(image_size=224, classes=1000, torch_names=_names(D, norm=True))
def vgg16_bn(classes: int) -> list[Layer]:
    """VGG of 16 layers with batch norm. 224×224 pixels, 1000 classes, 138,365,992 weights."""
    return _vgg(D, classes, norm=True)


def _vgg(convolutions: tuple[int, ...], classes: int, norm: bool) -> list[Layer]:
    layers: list[Layer] = []
    for filters, count in zip(FILTERS, convolutions, strict=True):
        for _ in range(count):
            layers.append(Conv2D(filters, 3, padding=1, initializer="he_normal"))
            layers += [BatchNorm2D(), ReLU()] if norm else [ReLU()]
        layers.append(MaxPool2D(2))
    return [
        *layers, Flatten(),
        Dense(4096, initializer="he_normal"), ReLU(), Dropout(0.5),
        Dense(4096, initializer="he_normal"), ReLU(), Dropout(0.5), Dense(classes),
    ]  # fmt: skip
