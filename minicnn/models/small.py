"""Small networks that two cores train from scratch: every convolution but one 3×3 and with batch norm, no bias.

Where the picture is halved, the max-pool stands before the batch norm, as in Jordan 2024: convolution and pool run as
one, and batch norm and ReLU have a quarter of the numbers to walk over. `print(net.plan(training=True))` shows it.

Sources: Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498, §3, for the two for 32
pixels, which have ReLU for its GELU, and `small32` half of its filters where they cost most; He et al. 2016, "Deep
Residual Learning for Image Recognition", figure 2, for `small64`'s residual blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from minicnn.layers import BatchNorm2D, Conv2D, Dense, Flatten, GlobalAvgPool2D, Layer, MaxPool2D, ReLU, Residual
from minicnn.models.registry import model


@model(image_size=32, classes=10)
def small32(classes: int) -> list[Layer]:
    """Seven convolutions for pictures of 32×32 pixels: 44 million multiplications each. 10 classes, 1,089,730 weights.

    The first convolution sees 2×2 pixels, for `minicnn train --whiten` to compute. The others begin as the identity.
    """
    return _whitened(classes, (32, 128, 256))


@model(image_size=32, classes=10)
def small32_wide(classes: int) -> list[Layer]:
    """`small32` with all the filters of Jordan's: 118 million multiplications. 10 classes, 1,972,802 weights."""
    return _whitened(classes, (64, 256, 256))


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


def _whitened(classes: int, widths: Sequence[int]) -> list[Layer]:
    """Return the layers of Jordan's network with so many filters in its three blocks, each of two convolutions."""
    blocks = [_block(filters, halve, initializer="dirac") for filters in widths for halve in (True, False)]
    return [
        Conv2D(24, 2), ReLU(),
        *chain.from_iterable(blocks),
        MaxPool2D(3), Flatten(), Dense(classes, initializer="normal"),
    ]  # fmt: skip


def _block(filters: int, halve: bool = False, initializer: str = "he_normal") -> list[Layer]:
    convolution = Conv2D(filters, 3, padding=1, initializer=initializer, bias=False)
    return [convolution, *([MaxPool2D(2)] if halve else []), BatchNorm2D(), ReLU()]


def _residual_block(filters: int) -> list[Layer]:
    body = _block(filters) + _block(filters)
    return [Residual(body[:-1]), ReLU()]
