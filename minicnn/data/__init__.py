"""Images on disk → batches.  Read in the order images, transforms, folder, splits, loader."""

from minicnn.data.cache import cache_folder
from minicnn.data.datasets import NAMED_DATASETS, NamedDataset, named_dataset
from minicnn.data.download import download
from minicnn.data.folder import ImageDataset, Skipped
from minicnn.data.folds import fold_of
from minicnn.data.ilsvrc import import_ilsvrc
from minicnn.data.images import UnreadableImage, check_header, read_image
from minicnn.data.loader import Batch, Loader, UncutBatch
from minicnn.data.shapes import SHAPES_CLASSES, make_shapes
from minicnn.data.splits import Splits, open_dataset
from minicnn.data.subset import choose_classes, some_of_each_class
from minicnn.data.synsets import ImageNetClass, imagenet_classes, imagenet_label, imagenet_names
from minicnn.data.transforms import (
    AlternatingFlip,
    CenterCrop,
    ColorJitter,
    Compose,
    Cutout,
    HorizontalFlip,
    Pad,
    RandAugment,
    RandomCrop,
    RandomErasing,
    RandomResizedCrop,
    RandomRotation,
    RandomScale,
    RandomTransform,
    Resize,
    SampleGenerator,
    Transform,
    Window,
    WindowTransform,
)

# Mean and standard deviation of ImageNet's training pixels by channel (red, green, blue), as parts of 255.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "NAMED_DATASETS",
    "SHAPES_CLASSES",
    "AlternatingFlip",
    "Batch",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "Cutout",
    "HorizontalFlip",
    "ImageDataset",
    "ImageNetClass",
    "Loader",
    "NamedDataset",
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
    "Skipped",
    "Splits",
    "Transform",
    "UncutBatch",
    "UnreadableImage",
    "Window",
    "WindowTransform",
    "cache_folder",
    "check_header",
    "choose_classes",
    "download",
    "fold_of",
    "imagenet_classes",
    "imagenet_label",
    "imagenet_names",
    "import_ilsvrc",
    "make_shapes",
    "named_dataset",
    "open_dataset",
    "read_image",
    "some_of_each_class",
]
