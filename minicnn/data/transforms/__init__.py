"""Transforms: picture → picture. Deterministic ones prepare an image, random ones make more of it."""

from minicnn.data.transforms.base import (
    Compose,
    RandomTransform,
    SampleGenerator,
    Transform,
    Window,
    WindowTransform,
)
from minicnn.data.transforms.color import ColorJitter
from minicnn.data.transforms.erasing import Cutout, RandomErasing
from minicnn.data.transforms.geometry import (
    AlternatingFlip,
    CenterCrop,
    HorizontalFlip,
    Pad,
    RandomCrop,
    RandomResizedCrop,
    RandomRotation,
    RandomScale,
    Resize,
)
from minicnn.data.transforms.rand_augment import RandAugment

__all__ = [
    "AlternatingFlip",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "Cutout",
    "HorizontalFlip",
    "Pad",
    "RandAugment",
    "RandomCrop",
    "RandomErasing",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomScale",
    "RandomTransform",
    "Resize",
    "SampleGenerator",
    "Transform",
    "Window",
    "WindowTransform",
]
