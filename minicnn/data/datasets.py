"""The data sets that have a name: what they are, where they are kept, whether they are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from minicnn.data.cache import cache_folder
from minicnn.data.shapes import IMAGES_PER_CLASS, SHAPES_CLASSES, SHAPES_VERSION, make_shapes
from minicnn.errors import UsageError


@dataclass(frozen=True)
class NamedDataset:
    """A data set that `minicnn train NAME` understands.

    licence: what its source allows.
    url: the archive that `minicnn data download` fetches; None where minicnn makes the pictures itself.
    md5: the archive's checksum, as its publisher or torchvision gives it.
    images: how many each part has, by the part's folder.
    cache_name: the folder's name in the user's cache.
    """

    name: str
    description: str
    licence: str
    url: str | None
    md5: str | None
    classes: tuple[str, ...]
    images: dict[str, int]
    cache_name: str

    @property
    def folder(self) -> Path:
        """Where it is, or will be, kept."""
        return cache_folder() / self.cache_name

    @property
    def present(self) -> bool:
        """Whether it is there: folders appear in the cache only when complete."""
        return self.folder.is_dir()


SHAPES = NamedDataset(
    name="shapes",
    description="ten shapes drawn at random, 64×64 pixels; made on first use",
    licence="none needed",
    url=None,
    md5=None,
    classes=SHAPES_CLASSES,
    images={
        "train": len(SHAPES_CLASSES) * IMAGES_PER_CLASS * 4 // 5,
        "val": len(SHAPES_CLASSES) * IMAGES_PER_CLASS // 5,
    },
    cache_name=f"shapes-{SHAPES_VERSION}",
)

IMAGENETTE = NamedDataset(
    name="imagenette",
    description="Imagenette2: ten easily told ImageNet classes, shorter side 160 pixels",
    licence="images of ImageNet: non-commercial research and education; the selection: Apache 2.0 (fast.ai)",
    url="https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
    md5="e793b78cc4c9e9a4ccc0c1155377a412",
    classes=(
        "n01440764", "n02102040", "n02979186", "n03000684", "n03028079",
        "n03394916", "n03417042", "n03425413", "n03445777", "n03888257",
    ),
    images={"train": 9469, "val": 3925},
    cache_name="imagenette2-160",
)  # fmt: skip

CIFAR10 = NamedDataset(
    name="cifar10",
    description="CIFAR-10: ten classes of things and animals, 32×32 pixels",
    licence="free to use; cite Krizhevsky 2009, 'Learning multiple layers of features from tiny images'",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    images={"train": 50_000, "test": 10_000},
    cache_name="cifar10",
)

NAMED_DATASETS = {dataset.name: dataset for dataset in (SHAPES, IMAGENETTE, CIFAR10)}


def named_dataset(name: str) -> NamedDataset:
    """The data set of that name.  Raises UsageError where there is none."""
    if name not in NAMED_DATASETS:
        raise UsageError(f"there is no data set named {name!r}; known are {', '.join(NAMED_DATASETS)}")
    return NAMED_DATASETS[name]


def locate(name: str) -> Path:
    """The folder of a named data set; shapes are drawn first where they are missing.

    Raises UsageError for an unknown name, and for a set that has not been downloaded.
    """
    dataset = named_dataset(name)
    if not dataset.present:
        if dataset.url is not None:
            raise UsageError(f"{name} is not on this computer yet: run `minicnn data download {name}` first")
        make_shapes(dataset.folder)
    return dataset.folder
