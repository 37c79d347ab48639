"""What can be done to pixels by name: the random changes of `--augment`, the scales of `--normalize`."""

from __future__ import annotations

from collections.abc import Callable

from minicnn.data import (
    IMAGENET_MEAN,
    IMAGENET_STD,
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
    Resize,
    Transform,
)
from minicnn.errors import UsageError
from minicnn.training.normalization import Normalization

# Each makes its transform for images of a given size (pixels). They run in the order in which they are asked for;
# crops and flips that come last are cut out of a whole batch at once, which is faster.
AUGMENTATIONS: dict[str, Callable[[int], Transform]] = {
    "resized_crop": lambda size: RandomResizedCrop(size, scale=(0.35, 1.0)),
    "flip": lambda size: HorizontalFlip(),
    "alternating_flip": lambda size: AlternatingFlip(),
    "crop": lambda size: RandomCrop(size, padding=max(1, size // 8)),
    "translate": lambda size: Compose((Pad(max(1, size // 16)), RandomCrop(size))),
    "rotate": lambda size: RandomRotation(15),
    "scale": lambda size: RandomScale((0.8, 1.2)),
    "color": lambda size: ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.03),
    "randaugment": lambda size: RandAugment(),
    "erase": lambda size: RandomErasing(),
    "cutout": lambda size: Cutout(max(1, size // 4)),
}

FROM_THE_WHOLE = "resized_crop"

NORMALIZATIONS = {
    "0-1": Normalization(),
    "imagenet": Normalization(IMAGENET_MEAN, IMAGENET_STD),
    "lite": Normalization(mean=(127 / 255,) * 3, std=(128 / 255,) * 3),  # (x − 127) / 128
}
MIDDLE = 0.875  # the side of the crop that ImageNet's networks are evaluated on, as a share of the shorter side


def center_crop(size: int, interpolation: str = "bilinear") -> Compose:
    """Return the way to the middle of a picture, `size` pixels square, without squashing it."""
    return Compose((Resize(int(size / MIDDLE), keep_aspect=True, interpolation=interpolation), CenterCrop(size)))


# How pictures of any shape become squares of a given size (pixels).
FITS: dict[str, Callable[[int], Compose]] = {
    "squash": lambda size: Compose((Resize(size),)),
    "crop": lambda size: center_crop(size),
    "crop-bicubic": lambda size: center_crop(size, "bicubic"),
}


def make_transforms(image_size: int, augment: str, fit: str = "squash") -> tuple[Compose, Compose]:
    """Return (transform for training, transform for everything else): to a square, then what `augment` names.

    image_size: pixels. augment: "none", or names joined by commas, such as "flip,crop". "resized_crop" cuts its square
    out of the whole picture, and so stands first, in place of the fit. fit: one of FITS.
    Raises UsageError for an unknown name, and for resized_crop behind another.
    """
    if fit not in FITS:
        raise UsageError(f"unknown fit {fit!r}: choose one of {', '.join(FITS)}")
    square = FITS[fit](image_size)
    names = [] if augment == "none" else [name.strip() for name in augment.split(",")]
    for name in names:
        if name not in AUGMENTATIONS:
            choices = ", ".join(AUGMENTATIONS)
            raise UsageError(f"unknown augmentation {name!r}: choose none, or some of {choices}, joined by commas")
    changes = [AUGMENTATIONS[name](image_size) for name in names]
    if FROM_THE_WHOLE not in names:
        return Compose((*square.transforms, *changes)), square
    if names.index(FROM_THE_WHOLE) or names.count(FROM_THE_WHOLE) > 1:
        raise UsageError(f"{FROM_THE_WHOLE} cuts out of the whole picture: name it first, and once; got {augment!r}")
    return Compose(tuple(changes)), square
