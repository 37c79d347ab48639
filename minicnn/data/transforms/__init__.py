"""Transforms: picture → picture. Deterministic ones prepare an image, random ones make more of it."""

from minicnn.data.transforms.base import Compose, RandomTransform, Transform, Window, WindowTransform
from minicnn.data.transforms.color import ColorJitter
from minicnn.data.transforms.geometry import (
    CenterCrop,
    HorizontalFlip,
    RandomCrop,
    RandomResizedCrop,
    RandomRotation,
    RandomScale,
    Resize,
)

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "HorizontalFlip",
    "RandomCrop",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomScale",
    "RandomTransform",
    "Resize",
    "Transform",
    "Window",
    "WindowTransform",
]
