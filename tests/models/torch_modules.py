"""The classic networks in PyTorch, written from their papers' tables, with the names that published weights have.

They know nothing of minicnn's networks: where these are wrong, the two differ.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


class AlexNet(nn.Module):
    def __init__(self, classes, side):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(256 * side * side, 4096), nn.ReLU(),
            nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, classes),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class VGG(nn.Module):
    def __init__(self, table, norm, classes, side):
        super().__init__()
        layers, channels = [], 3
        for entry in table:
            if entry == "M":
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers.append(nn.Conv2d(channels, entry, 3, padding=1))
            layers += [nn.BatchNorm2d(entry), nn.ReLU()] if norm else [nn.ReLU()]
            channels = entry
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(512 * side * side, 4096), nn.ReLU(), nn.Dropout(),
            nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, classes),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


VGG11 = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]
VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


class ResidualBlock(nn.Module):
    def __init__(self, channels, width, stride, bottleneck):
        super().__init__()
        if bottleneck:
            shapes = [(channels, width, 1, 1), (width, width, 3, stride), (width, 4 * width, 1, 1)]
        else:
            shapes = [(channels, width, 3, stride), (width, width, 3, 1)]
        for place, (before, after, size, step) in enumerate(shapes, start=1):
            self.add_module(f"conv{place}", nn.Conv2d(before, after, size, step, size // 2, bias=False))
            self.add_module(f"bn{place}", nn.BatchNorm2d(after))
        self.depth, given = len(shapes), shapes[-1][1]
        self.downsample = None
        if stride != 1 or channels != given:
            self.downsample = nn.Sequential(nn.Conv2d(channels, given, 1, stride, bias=False), nn.BatchNorm2d(given))

    def forward(self, x):
        y = x
        for place in range(1, self.depth + 1):
            y = getattr(self, f"bn{place}")(getattr(self, f"conv{place}")(y))
            y = F.relu(y) if place < self.depth else y
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, blocks, bottleneck, classes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        channels = 64
        for stage, count in enumerate(blocks):
            width, parts = 64 << stage, []
            for block in range(count):
                parts.append(ResidualBlock(channels, width, 2 if stage and not block else 1, bottleneck))
                channels = width * (4 if bottleneck else 1)
            self.add_module(f"layer{stage + 1}", nn.Sequential(*parts))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(x.mean((2, 3)))


def conv_norm(before, after, size, stride=1, groups=1):
    return nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(after)


class InvertedResidual(nn.Module):
    def __init__(self, channels, expansion, filters, stride):
        super().__init__()
        wide = channels * expansion
        parts = [nn.Sequential(*conv_norm(channels, wide, 1), nn.ReLU6())] if expansion > 1 else []
        parts.append(nn.Sequential(*conv_norm(wide, wide, 3, stride, wide), nn.ReLU6()))
        self.conv = nn.Sequential(*parts, *conv_norm(wide, filters, 1))
        self.adds = stride == 1 and channels == filters

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, classes):
        super().__init__()
        features, channels = [nn.Sequential(*conv_norm(3, 32, 3, 2), nn.ReLU6())], 32
        for expansion, filters, count, stride in [
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
        ]:  # fmt: skip
            for block in range(count):
                features.append(InvertedResidual(channels, expansion, filters, stride if block == 0 else 1))
                channels = filters
        features.append(nn.Sequential(*conv_norm(320, 1280, 1), nn.ReLU6()))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: what is odd goes to the bottom and the right."""

    def forward(self, x):
        padding = []
        for length in (x.shape[3], x.shape[2]):
            total = max((-(-length // self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - length, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(F.pad(x, padding))


class LiteBlock(nn.Module):
    def __init__(self, channels, kernel, expansion, filters, stride):
        super().__init__()
        wide = channels * expansion
        self.expands, self.adds = expansion > 1, stride == 1 and channels == filters
        if self.expands:
            self._expand_conv, self._bn0 = SameConv2d(channels, wide, 1, bias=False), lite_norm(wide)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = lite_norm(wide)
        self._project_conv, self._bn2 = SameConv2d(wide, filters, 1, bias=False), lite_norm(filters)

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.adds else y


def lite_norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class EfficientNetLite(nn.Module):
    def __init__(self, wider, deeper, classes):
        super().__init__()
        self._conv_stem, self._bn0 = SameConv2d(3, 32, 3, 2, bias=False), lite_norm(32)
        rows = [(3, 1, 16, 1, 1), (3, 6, 24, 2, 2), (5, 6, 40, 2, 2), (3, 6, 80, 3, 2), (5, 6, 112, 3, 1)]
        rows += [(5, 6, 192, 4, 2), (3, 6, 320, 1, 1)]
        blocks, channels = [], 32
        for row, (kernel, expansion, filters, count, stride) in enumerate(rows):
            filters = max(8, int(filters * wider + 4) // 8 * 8)
            count = count if row in (0, 6) else math.ceil(count * deeper)
            for block in range(count):
                blocks.append(LiteBlock(channels, kernel, expansion, filters, stride if block == 0 else 1))
                channels = filters
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv2d(channels, 1280, 1, bias=False), lite_norm(1280)
        self._dropout, self._fc = nn.Dropout(0.2), nn.Linear(1280, classes)

    def forward(self, x):
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return self._fc(self._dropout(F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))))


# Each with the side of the pictures that it is tried with here, and of the feature map that is flattened then.
MODULES = {
    "alexnet": (80, lambda classes: AlexNet(classes, 1)),
    "vgg11": (32, lambda classes: VGG(VGG11, False, classes, 1)),
    "vgg11_bn": (64, lambda classes: VGG(VGG11, True, classes, 2)),
    "vgg16": (64, lambda classes: VGG(VGG16, False, classes, 2)),
    "vgg16_bn": (32, lambda classes: VGG(VGG16, True, classes, 1)),
    "resnet18": (32, lambda classes: ResNet((2, 2, 2, 2), False, classes)),
    "resnet34": (32, lambda classes: ResNet((3, 4, 6, 3), False, classes)),
    "resnet50": (32, lambda classes: ResNet((3, 4, 6, 3), True, classes)),
    "mobilenet_v2": (48, MobileNetV2),
    "efficientnet_lite0": (41, lambda classes: EfficientNetLite(1.0, 1.0, classes)),
    "efficientnet_lite1": (48, lambda classes: EfficientNetLite(1.0, 1.1, classes)),
    "efficientnet_lite2": (36, lambda classes: EfficientNetLite(1.1, 1.2, classes)),
}


def random_module(name, classes, seed=0):
    """Return (module, side of its pictures): weights that keep signals alive, statistics not at their start."""
    torch.manual_seed(seed)
    side, make = MODULES[name]
    module = make(classes)
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight)
            if part.bias is not None:
                nn.init.normal_(part.bias, std=0.1)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.2)
            nn.init.normal_(part.running_mean, std=0.2)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return module, side
