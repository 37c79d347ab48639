"""MobileNetV2. Source: Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2.

input (of 224×224)   operator      expansion   channels   blocks   stride
224² × 3             conv 3×3              –         32        1        2
112² × 32            bottleneck            1         16        1        1
112² × 16            bottleneck            6         24        2        2
 56² × 24            bottleneck            6         32        3        2
 28² × 32            bottleneck            6         64        4        2
 14² × 64            bottleneck            6         96        3        1
 14² × 96            bottleneck            6        160        3        2
  7² × 160           bottleneck            6        320        1        1
  7² × 320           conv 1×1              –       1280        1        1
  7² × 1280          global average, dropout, dense classes
"""

from __future__ import annotations

from minicnn.layers import BatchNorm2D, Conv2D, Dense, Dropout, GlobalAvgPool2D, Layer, ReLU6
from minicnn.models.inverted_residual import Stage, inverted_residuals
from minicnn.models.registry import model

STAGES = (
    Stage(3, 1, 16, 1, 1), Stage(3, 6, 24, 2, 2), Stage(3, 6, 32, 3, 2), Stage(3, 6, 64, 4, 2),
    Stage(3, 6, 96, 3, 1), Stage(3, 6, 160, 3, 2), Stage(3, 6, 320, 1, 1),
)  # fmt: skip


def _torch_names() -> list[str]:
    names = ["features.0.0", "features.0.1"]
    expansions = [stage.expansion for stage in STAGES for _ in range(stage.blocks)]
    for place, expansion in enumerate(expansions, start=1):
        parts = ("0.0", "0.1", "1.0", "1.1", "2", "3") if expansion > 1 else ("0.0", "0.1", "1", "2")
        names += [f"features.{place}.conv.{part}" for part in parts]
    last = len(expansions) + 1
    return [*names, f"features.{last}.0", f"features.{last}.1", "classifier.1"]


@model(image_size=224, classes=1000, torch_names=_torch_names)
def mobilenet_v2(classes: int) -> list[Layer]:
    """17 inverted residual bottlenecks. 224×224 pixels, 1000 classes, 3,504,872 weights."""
    return [
        *_convolution(32, 3, stride=2), ReLU6(),
        *inverted_residuals(32, STAGES, _convolution),
        *_convolution(1280, 1), ReLU6(), GlobalAvgPool2D(), Dropout(0.2), Dense(classes),
    ]  # fmt: skip


def _convolution(filters: int, size: int, stride: int = 1, groups: int = 1) -> list[Layer]:
    """Return a convolution that keeps the size, divided by the stride, and its batch norm."""
    conv = Conv2D(filters, size, stride, padding=size // 2, initializer="he_normal", groups=groups, bias=False)
    return [conv, BatchNorm2D()]
