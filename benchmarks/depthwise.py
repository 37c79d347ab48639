"""A network around two depthwise layers, for the measurement of layers. Importing this file makes it known."""

from __future__ import annotations

from minicnn.layers import Conv2D, Dense, Flatten, Layer
from minicnn.models.registry import model

CHANNELS = 96


@model(image_size=112, classes=10)
def depthwise(classes: int) -> list[Layer]:
    """Build 3×3 depthwise layers of 96 channels at 112 pixels, of stride 1 and 2, as MobileNet has them early on."""
    return [
        Conv2D(CHANNELS, 1),
        Conv2D(CHANNELS, 3, padding=1, groups=CHANNELS),
        Conv2D(CHANNELS, 3, stride=2, padding=1, groups=CHANNELS),
        Flatten(),
        Dense(classes),
    ]
