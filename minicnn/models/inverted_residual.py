"""Inverted residual bottlenecks, of which MobileNetV2 and EfficientNet are made.

A bottleneck widens the channels by its expansion (1×1), convolves each channel by itself (depthwise), and narrows them
again (1×1) without a ReLU behind; where nothing changes its shape, its input is added.
Source: Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", §3.3 and table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from minicnn.layers import Layer, ReLU6, Residual


class Stage(NamedTuple):
    """A row of the papers' tables: `blocks` bottlenecks, the first of them with `stride`."""

    kernel: int
    expansion: int
    channels: int
    blocks: int
    stride: int


def inverted_residuals(channels: int, stages: Sequence[Stage], convolution: Callable[..., list[Layer]]) -> list[Layer]:
    """Return the layers of all stages, for an input of so many channels.

    convolution(filters, size, stride=1, groups=1): a convolution that keeps the size, divided by the stride, and its
    batch norm.
    """
    layers: list[Layer] = []
    for stage in stages:
        for block in range(stage.blocks):
            stride, wide = stage.stride if block == 0 else 1, channels * stage.expansion
            body = [
                *([*convolution(wide, 1), ReLU6()] if stage.expansion > 1 else []),
                *convolution(wide, stage.kernel, stride, groups=wide), ReLU6(),
                *convolution(stage.channels, 1),
            ]  # fmt: skip
            layers += [Residual(body)] if stride == 1 and channels == stage.channels else body
            channels = stage.channels
    return layers
