"""Two small networks that two cores train from scratch: every convolution 3×3, each with batch norm, no bias.

Where the picture is halved, the max-pool stands before the batch norm, as in Jordan 2024: convolution and pool run as
one, and batch norm and ReLU have a quarter of the numbers to walk over. `print(net.plan(training=True))` shows it.

Sources: Page 2019, "How to Train Your ResNet" (myrtle.ai), for a net with few, wide layers; Jordan 2024, "94% on
CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498, for `small32`'s pairs of convolutions without residual
connections; He et al. 2016, "Deep Residual Learning for Image Recognition", figure 2, for `small64`'s residual blocks.
"""

from __future__ import annotations

from minicnn.layers import BatchNorm2D, Conv2D, Dense, GlobalAvgPool2D, Layer, MaxPool2D, ReLU, Residual
from minicnn.models.registry import model


@model(image_size=32, classes=10)
def small32(classes: int) -> list[Layer]:
    """Six convolutions for pictures of 32×32 pixels: 45 million multiplications each. 10 classes, 648,794 weights."""
    return [
        *_block(16), *_block(64, halve=True),
        *_block(96, halve=True), *_block(96),
        *_block(192, halve=True), *_block(192),
        GlobalAvgPool2D(), Dense(classes),
    ]  # fmt: skip


@model(image_size=64, classes=10)
def small64(classes: int) -> list[Layer]:
    """Four convolutions that halve the picture, and three residual blocks, for pictures of 64 to 128 pixels.

    117 million multiplications for 64×64 pixels, 467 for 128×128. 10 classes, 1,941,546 weights.
    """
    return [
        *_block(32, halve=True),
        *_block(64, halve=True), *_residual_block(64),
        *_block(128, halve=True), *_residual_block(128),
        *_block(256, halve=True), *_residual_block(256),
        GlobalAvgPool2D(), Dense(classes),
    ]  # fmt: skip


def _block(filters: int, halve: bool = False) -> list[Layer]:
    return [_convolution(filters), *([MaxPool2D(2)] if halve else []), BatchNorm2D(), ReLU()]


def _residual_block(filters: int) -> list[Layer]:
    body = [*_block(filters), _convolution(filters), BatchNorm2D()]
    return [Residual(body), ReLU()]


def _convolution(filters: int) -> Layer:
    return Conv2D(filters, 3, padding=1, initializer="he_normal", bias=False)
