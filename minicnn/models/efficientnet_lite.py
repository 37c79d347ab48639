"""EfficientNet-Lite: EfficientNet without squeeze-and-excite, with ReLU6. Source: Tan & Le 2019, "EfficientNet:
Rethinking Model Scaling for Convolutional Neural Networks", table 1; its Lite variants: TensorFlow's TPU models 2020.

    input (of 224×224)   operator       expansion   channels   blocks   stride
    224² × 3             conv 3×3               –         32        1        2
    112² × 32            bottleneck 3×3         1         16        1        1
    112² × 16            bottleneck 3×3         6         24        2        2
     56² × 24            bottleneck 5×5         6         40        2        2
     28² × 40            bottleneck 3×3         6         80        3        2
     14² × 80            bottleneck 5×5         6        112        3        1
     14² × 112           bottleneck 5×5         6        192        4        2
      7² × 192           bottleneck 3×3         6        320        1        1
      7² × 320           conv 1×1               –       1280        1        1
      7² × 1280          global average, dropout, dense classes

The bottlenecks are MobileNetV2's. Lite1 and Lite2 multiply the channels by 1.0 and 1.1 and the blocks by 1.1 and 1.2
(rounded up), but leave the first and last convolutions, and the blocks of the first and last stage, as they are.
Padding is TensorFlow's "same", batch norm's ε 10⁻³, its momentum 0.01.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from minicnn.layers import BatchNorm2D, Conv2D, Dense, Dropout, GlobalAvgPool2D, Layer, ReLU6
from minicnn.models.inverted_residual import Stage, inverted_residuals
from minicnn.models.registry import model

STAGES = (
    Stage(3, 1, 16, 1, 1), Stage(3, 6, 24, 2, 2), Stage(5, 6, 40, 2, 2), Stage(3, 6, 80, 3, 2),
    Stage(5, 6, 112, 3, 1), Stage(5, 6, 192, 4, 2), Stage(3, 6, 320, 1, 1),
)  # fmt: skip


def _stages(wider: float, deeper: float) -> list[Stage]:
    return [
        stage._replace(
            channels=_rounded(stage.channels * wider),
            blocks=stage.blocks if stage in (STAGES[0], STAGES[-1]) else ceil(stage.blocks * deeper),
        )
        for stage in STAGES
    ]


def _rounded(channels: float) -> int:
    """Return the nearest multiple of 8, but not less than nine tenths of `channels`."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _names(wider: float, deeper: float) -> Callable[[], list[str]]:
    """Return what names the modules of the PyTorch port that the published weights are of."""

    def names() -> list[str]:
        found, place = ["_conv_stem", "_bn0"], 0
        for stage in _stages(wider, deeper):
            for _ in range(stage.blocks):
                parts = ["_expand_conv", "_bn0"] if stage.expansion > 1 else []
                parts += ["_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
                found += [f"_blocks.{place}.{part}" for part in parts]
                place += 1
        return [*found, "_conv_head", "_bn1", "_fc"]

    return names


@model(image_size=224, classes=1000, torch_names=_names(1.0, 1.0))
def efficientnet_lite0(classes: int) -> list[Layer]:
    """16 inverted residual bottlenecks. 224×224 pixels, 1000 classes, 4,652,008 weights."""
    return _efficientnet(1.0, 1.0, 0.2, classes)


@model(image_size=240, classes=1000, torch_names=_names(1.0, 1.1))
def efficientnet_lite1(classes: int) -> list[Layer]:
    """21 inverted residual bottlenecks. 240×240 pixels, 1000 classes, 5,416,680 weights."""
    return _efficientnet(1.0, 1.1, 0.2, classes)


@model(image_size=260, classes=1000, torch_names=_names(1.1, 1.2))
def efficientnet_lite2(classes: int) -> list[Layer]:
    """21 inverted residual bottlenecks, wider. 260×260 pixels, 1000 classes, 6,092,072 weights."""
    return _efficientnet(1.1, 1.2, 0.3, classes)


def _efficientnet(wider: float, deeper: float, dropout: float, classes: int) -> list[Layer]:
    return [
        *_convolution(32, 3, stride=2), ReLU6(),
        *inverted_residuals(32, _stages(wider, deeper), _convolution),
        *_convolution(1280, 1), ReLU6(), GlobalAvgPool2D(), Dropout(dropout), Dense(classes),
    ]  # fmt: skip


def _convolution(filters: int, size: int, stride: int = 1, groups: int = 1) -> list[Layer]:
    """Return a convolution whose output has ceil(input / stride) pixels, and its batch norm."""
    conv = Conv2D(filters, size, stride, padding="same", initializer="he_normal", groups=groups, bias=False)
    return [conv, BatchNorm2D(momentum=0.01, epsilon=1e-3)]
