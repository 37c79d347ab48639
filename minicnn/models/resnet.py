"""Residual networks. Source: He et al. 2016, "Deep Residual Learning for Image Recognition", table 1."""

from __future__ import annotations

from minicnn.layers import BatchNorm2D, Conv2D, Dense, GlobalAvgPool2D, Layer, MaxPool2D, ReLU, Residual
from minicnn.models.registry import model


@model(image_size=224, classes=1000)
def resnet18(classes: int) -> list[Layer]:
    """Eight residual blocks of two 3×3 convolutions, in four stages. 224×224 pixels, 1000 classes, 11,689,512 weights.

    Each stage but the first halves the picture and doubles the channels; there the shortcut is a 1×1 convolution
    (option B of the paper's §3.3), as in torchvision.
    """
    return [
        _convolution(64, 7, stride=2), BatchNorm2D(), ReLU(), MaxPool2D(3, stride=2, padding=1),
        *_stage(64, blocks=2, stride=1),
        *_stage(128, blocks=2, stride=2),
        *_stage(256, blocks=2, stride=2),
        *_stage(512, blocks=2, stride=2),
        GlobalAvgPool2D(), Dense(classes),
    ]  # fmt: skip


def _stage(filters: int, blocks: int, stride: int) -> list[Layer]:
    """Return `blocks` residual blocks, the first with `stride` and, where that is not 1, a shortcut of its own."""
    shortcut = [_convolution(filters, 1, stride), BatchNorm2D()] if stride != 1 else None
    layers: list[Layer] = [Residual(_body(filters, stride), shortcut), ReLU()]
    for _ in range(blocks - 1):
        layers += [Residual(_body(filters, 1)), ReLU()]
    return layers


def _body(filters: int, stride: int) -> list[Layer]:
    return [_convolution(filters, 3, stride), BatchNorm2D(), ReLU(), _convolution(filters, 3), BatchNorm2D()]


def _convolution(filters: int, size: int, stride: int = 1) -> Layer:
    """Return a convolution that keeps the size, divided by the stride; without bias, since batch norm takes it off."""
    return Conv2D(filters, size, stride, padding=size // 2, initializer="he_normal", bias=False)
