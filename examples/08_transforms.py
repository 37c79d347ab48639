"""What each transform does to a picture, as a contact sheet: the original on the left, six draws beside it.

python examples/08_transforms.py [PICTURE] [--out runs/transforms.png]
"""

import argparse
import runpy
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from minicnn.data import (
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
    read_image,
)

SIZE, DRAWS, TITLE = 96, 6, 16  # pixels of a picture, pictures a row, pixels of a row's title
FIRST = Resize(SIZE)
TRANSFORMS = {
    "Resize(96)": FIRST,
    "Resize(120, keep_aspect=True), CenterCrop(96)": Compose((Resize(120, keep_aspect=True), CenterCrop(SIZE))),
    "RandomCrop(96, padding=12)": Compose((FIRST, RandomCrop(SIZE, padding=12))),
    "Pad(12), RandomCrop(96)": Compose((FIRST, Pad(12), RandomCrop(SIZE))),
    "RandomResizedCrop(96)": RandomResizedCrop(SIZE),
    "HorizontalFlip()": Compose((FIRST, HorizontalFlip())),
    "RandomRotation(20)": Compose((FIRST, RandomRotation(20))),
    "RandomScale()": Compose((FIRST, RandomScale())),
    "ColorJitter(0.4, 0.4, 0.4, 0.1)": Compose((FIRST, ColorJitter(0.4, 0.4, 0.4, 0.1))),
    "RandAugment()": Compose((FIRST, RandAugment())),
    "RandomErasing(1.0)": Compose((FIRST, RandomErasing(1.0))),
    "Cutout(32)": Compose((FIRST, Cutout(32))),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", nargs="?", help="any picture; left out, the landscape of example 01")
    parser.add_argument("--out", default="runs/transforms.png")
    arguments = parser.parse_args()
    if arguments.picture:
        original = read_image(arguments.picture)
    else:
        original = runpy.run_path(str(Path(__file__).with_name("01_edge_filter.py")))["landscape"]()

    row = SIZE + TITLE
    sheet = Image.new("RGB", ((DRAWS + 1) * (SIZE + 4) + 60, len(TRANSFORMS) * row), "white")
    draw = ImageDraw.Draw(sheet)
    thumbnail = original.copy()
    thumbnail.thumbnail((SIZE + 50, SIZE))
    for number, (title, transform) in enumerate(TRANSFORMS.items()):
        draw.text((4, number * row + 3), title, fill="black")
        sheet.paste(thumbnail, (0, number * row + TITLE))
        rng = np.random.default_rng(number)
        for k in range(DRAWS):
            sheet.paste(transform(original, rng), (60 + (k + 1) * (SIZE + 4), number * row + TITLE))
    Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
    sheet.save(arguments.out)
    print(f"{arguments.out}: {len(TRANSFORMS)} transforms, {DRAWS} draws of each")


if __name__ == "__main__":
    main()
