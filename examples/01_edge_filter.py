"""A convolution finds edges: the 3×3 edge filter of document 002 §4.3 on a picture.

    python examples/01_edge_filter.py [PICTURE] [--out runs/edges.png]

The filter takes what is left of a pixel from what is right of it. It adds up to 0, so an even surface gives 0, and an
upright edge much; turned by a quarter, it answers to level edges. Shown is how strong the two answers are together.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from minicnn import ops
from minicnn.data import read_image

EDGE_FILTER = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], dtype="float32")


def landscape(width: int = 480, height: int = 320) -> Image.Image:
    """Draw a house in front of hills, slightly blurred, as a lens would see it."""
    sky = np.linspace([110, 160, 220], [225, 235, 245], height)
    image = Image.fromarray(np.repeat(sky[:, None], width, axis=1).astype("uint8"))
    draw = ImageDraw.Draw(image)
    draw.ellipse((370, 30, 420, 80), fill=(255, 240, 190))
    for base, swing, length, colour in ((190, 35, 70, (120, 140, 150)), (230, 25, 45, (95, 130, 90))):
        ridge = [(x, base - swing * np.sin(x / length + base)) for x in range(width)]
        draw.polygon([*ridge, (width, height), (0, height)], fill=colour)
    draw.rectangle((150, 190, 270, 280), fill=(200, 170, 140))
    draw.polygon([(138, 190), (210, 135), (282, 190)], fill=(150, 70, 60))
    for x in (165, 225):
        draw.rectangle((x, 205, x + 28, 232), fill=(70, 80, 100), outline=(240, 235, 225), width=3)
    draw.rectangle((196, 240, 222, 280), fill=(110, 75, 55))
    draw.rectangle((352, 220, 362, 285), fill=(90, 65, 50))
    draw.ellipse((315, 130, 400, 240), fill=(60, 100, 60))
    grain = np.random.default_rng(0).normal(0, 1.0, (height, width, 3))
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(0.8))) + grain
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def find_edges(image: Image.Image) -> Image.Image:
    """Slide the filter, and the turned one, over the grey picture and show how strongly they answer at each pixel."""
    grey = np.asarray(image.convert("L"), dtype="float32")
    grey = np.pad(grey, 1, mode="edge")  # a padding with zeros, as networks have it, would be an edge all around
    x = grey[np.newaxis, :, :, np.newaxis]  # (N=1, H+2, W+2, C=1)
    weight = np.stack([EDGE_FILTER, EDGE_FILTER.T], axis=-1)[:, :, np.newaxis]  # (KH, KW, C=1, F=2)
    y = ops.conv2d(x, weight, np.zeros(2, "float32"))  # (1, H, W, 2)
    return Image.fromarray(np.hypot(y[0, :, :, 0], y[0, :, :, 1]).clip(0, 255).astype("uint8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", nargs="?", help="any picture; left out, one is drawn")
    parser.add_argument("--out", default="runs/edges.png")
    arguments = parser.parse_args()
    picture = read_image(arguments.picture) if arguments.picture else landscape()
    edges = find_edges(picture)
    both = Image.new("RGB", (2 * picture.width, picture.height))
    both.paste(picture, (0, 0))
    both.paste(edges, (picture.width, 0))
    Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
    both.save(arguments.out)
    strong = (np.asarray(edges) > 60).mean()
    print(f"{arguments.out}: the picture and its edges; {strong:.1%} of the pixels lie on a clear edge")


if __name__ == "__main__":
    main()

# runs/edges.png: the picture and its edges; 3.4% of the pixels lie on a clear edge
