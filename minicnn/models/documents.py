"""The six networks of the documents, each as its document lists it (with the documents' slips corrected)."""

from __future__ import annotations

from minicnn.layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D, ReLU
from minicnn.models.registry import model


@model(image_size=224, classes=1000)
def cnn3(classes: int) -> list[Layer]:
    """Three convolutions, two dense layers, all "valid". Source: document 000; 224×224 pixels, 1000 classes."""
    return [
        Conv2D(32, 3), ReLU(), MaxPool2D(2),
        Conv2D(64, 3), ReLU(), MaxPool2D(2),
        Conv2D(128, 3), ReLU(), MaxPool2D(2),
        Flatten(), Dense(128), ReLU(), Dense(classes),
    ]  # fmt: skip


@model(image_size=224, classes=10)
def cnn2(classes: int) -> list[Layer]:
    """Two convolutions and one dense layer. Source: document 002; 224×224 pixels, 10 classes."""
    return [
        Conv2D(32, 3), ReLU(), MaxPool2D(2),
        Conv2D(64, 3), ReLU(), MaxPool2D(2),
        Flatten(), Dense(classes),
    ]  # fmt: skip


@model(image_size=32, classes=10)
def cifar_cnn(classes: int) -> list[Layer]:
    """Three convolutions, the last without a pool, two dense layers. Source: document 003; 32×32 pixels, 10 classes."""
    return [
        Conv2D(32, 3), ReLU(), MaxPool2D(2),
        Conv2D(64, 3), ReLU(), MaxPool2D(2),
        Conv2D(64, 3), ReLU(),
        Flatten(), Dense(64), ReLU(), Dense(classes),
    ]  # fmt: skip


@model(image_size=224, classes=10)
def torch_cnn(classes: int) -> list[Layer]:
    """One convolution, two dense layers. Source: document 004 §5.2, first; 224×224 pixels, 10 classes.

    Its Linear(32·56·56) is a slip: one 2×2 pool of 224 pixels leaves 112, so 32·112·112.
    """
    return [Conv2D(32, 3, padding=1), ReLU(), MaxPool2D(2), Flatten(), Dense(128), ReLU(), Dense(classes)]


@model(image_size=224, classes=1000)
def simple_cnn(classes: int) -> list[Layer]:
    """Three strided convolutions with overlapping pools, three dense layers. Source: document 004 §5.2.3.

    224×224 pixels, 1000 classes. Its Linear(256·6·6) is a slip: the feature map there is 3×3, so 256·3·3.
    """
    return [
        Conv2D(64, 7, stride=2, padding=3), ReLU(), MaxPool2D(3, stride=2),
        Conv2D(128, 3, stride=2, padding=1), ReLU(), MaxPool2D(3, stride=2),
        Conv2D(256, 3, stride=2, padding=1), ReLU(), MaxPool2D(3, stride=2),
        Flatten(), Dropout(0.5), Dense(1280), ReLU(), Dense(640), ReLU(), Dense(classes),
    ]  # fmt: skip


@model(image_size=224, classes=1000)
def dcnn5(classes: int) -> list[Layer]:
    """Three 5×5 convolutions that keep the size, two dense layers. Source: document 004 §4.3; 224×224, 1000 classes."""
    return [
        Conv2D(32, 5, padding="same"), ReLU(), MaxPool2D(2),
        Conv2D(64, 5, padding="same"), ReLU(), MaxPool2D(2),
        Conv2D(128, 5, padding="same"), ReLU(), MaxPool2D(2),
        Flatten(), Dense(1024), ReLU(), Dense(classes),
    ]  # fmt: skip
