"""Residual networks. Source: He et al. 2016, "Deep Residual Learning for Image Recognition", table 1.

    stage   output (of 224×224)   18-layer       34-layer       50-layer
    conv1   112×112               7×7, 64, stride 2
    pool     56×56                3×3 max, stride 2
    1        56×56                [3×3, 64]×2·2  [3×3, 64]×2·3  [1×1, 64; 3×3, 64; 1×1, 256]·3
    2        28×28                [3×3,128]×2·2  [3×3,128]×2·4  [1×1,128; 3×3,128; 1×1, 512]·4
    3        14×14                [3×3,256]×2·2  [3×3,256]×2·6  [1×1,256; 3×3,256; 1×1,1024]·6
    4         7×7                 [3×3,512]×2·2  [3×3,512]×2·3  [1×1,512; 3×3,512; 1×1,2048]·3
    end                           global average, dense classes

Where a stage halves the picture or changes the channels, the shortcut of its first block is a 1×1 convolution (option B
of §3.3). As in torchvision, the bottleneck's stride stands in its 3×3 convolution.
"""

from __future__ import annotations

from collections.abc import Callable

from minicnn.layers import BatchNorm2D, Conv2D, Dense, GlobalAvgPool2D, Layer, MaxPool2D, ReLU, Residual
from minicnn.models.registry import model

FILTERS = (64, 128, 256, 512)
WIDER = 4  # how many times as many channels a bottleneck gives as it computes with
BLOCKS_18, BLOCKS_34 = (2, 2, 2, 2), (3, 4, 6, 3)


def _names(blocks: tuple[int, ...], bottleneck: bool) -> Callable[[], list[str]]:
    """Return what names torchvision's modules."""

    def names() -> list[str]:
        found = ["conv1", "bn1"]
        for stage, count in enumerate(blocks, start=1):
            for block in range(count):
                path = f"layer{stage}.{block}"
                for place in range(1, 4 if bottleneck else 3):
                    found += [f"{path}.conv{place}", f"{path}.bn{place}"]
                if block == 0 and (bottleneck or stage > 1):
                    found += [f"{path}.downsample.0", f"{path}.downsample.1"]
        return [*found, "fc"]

    return names


@model(image_size=224, classes=1000, torch_names=_names(BLOCKS_18, bottleneck=False))
def resnet18(classes: int) -> list[Layer]:
    """Eight residual blocks of two 3×3 convolutions. 224×224 pixels, 1000 classes, 11,689,512 weights."""
    return _resnet(BLOCKS_18, classes, bottleneck=False)


@model(image_size=224, classes=1000, torch_names=_names(BLOCKS_34, bottleneck=False))
def resnet34(classes: int) -> list[Layer]:
    """16 residual blocks of two 3×3 convolutions. 224×224 pixels, 1000 classes, 21,797,672 weights."""
    return _resnet(BLOCKS_34, classes, bottleneck=False)


@model(image_size=224, classes=1000, torch_names=_names(BLOCKS_34, bottleneck=True))
def resnet50(classes: int) -> list[Layer]:
    """16 residual bottlenecks of 1×1, 3×3 and 1×1 convolutions. 224×224 pixels, 1000 classes, 25,557,032 weights."""
    return _resnet(BLOCKS_34, classes, bottleneck=True)


def _resnet(blocks: tuple[int, ...], classes: int, bottleneck: bool) -> list[Layer]:
    layers = [_convolution(64, 7, stride=2), BatchNorm2D(), ReLU(), MaxPool2D(3, stride=2, padding=1)]
    for stage, (filters, count) in enumerate(zip(FILTERS, blocks, strict=True)):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            body = _bottleneck(filters, stride) if bottleneck else _basic(filters, stride)
            given = filters * WIDER if bottleneck else filters
            changes = block == 0 and (bottleneck or stage > 0)
            shortcut = [_convolution(given, 1, stride), BatchNorm2D()] if changes else None
            layers += [Residual(body, shortcut), ReLU()]
    return [*layers, GlobalAvgPool2D(), Dense(classes)]


def _basic(filters: int, stride: int) -> list[Layer]:
    return [_convolution(filters, 3, stride), BatchNorm2D(), ReLU(), _convolution(filters, 3), BatchNorm2D()]


def _bottleneck(filters: int, stride: int) -> list[Layer]:
    return [
        _convolution(filters, 1), BatchNorm2D(), ReLU(),
        _convolution(filters, 3, stride), BatchNorm2D(), ReLU(),
        _convolution(filters * WIDER, 1), BatchNorm2D(),
    ]  # fmt: skip


def _convolution(filters: int, size: int, stride: int = 1) -> Layer:
    """Return a convolution that keeps the size, divided by the stride; without bias, since batch norm takes it off."""
    return Conv2D(filters, size, stride, padding=size // 2, initializer="he_normal", bias=False)
