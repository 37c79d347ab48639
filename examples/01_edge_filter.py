"""A convolution finds edges: the 3×3 edge filter of document 002 on a picture.

    python examples/01_edge_filter.py [PICTURE] [--out edges.png]

The filter adds up to 0, so an even surface gives 0; where the middle differs from its surroundings, it gives more.
"""

import argparse

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from minicnn import ops
from minicnn.data import read_image

EDGE_FILTER = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], dtype="float32")


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
    """Slide the edge filter over the grey picture and show how strongly it answers at each pixel."""
    x = np.asarray(image.convert("L"), dtype="float32")[np.newaxis, :, :, np.newaxis]  # (N=1, H, W, C=1)
    weight = EDGE_FILTER[:, :, np.newaxis, np.newaxis]  # (KH, KW, C=1, F=1)
    y = ops.relu(ops.conv2d(x, weight, np.zeros(1, "float32"), padding=(1, 1)))
    return Image.fromarray((2 * y[0, :, :, 0]).clip(0, 255).astype("uint8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", nargs="?", help="any picture; left out, one is drawn")
    parser.add_argument("--out", default="edges.png")
    arguments = parser.parse_args()
    picture = read_image(arguments.picture) if arguments.picture else landscape()
    edges = find_edges(picture)
    both = Image.new("RGB", (2 * picture.width, picture.height))
    both.paste(picture, (0, 0))
    both.paste(edges, (picture.width, 0))
    both.save(arguments.out)
    strong = (np.asarray(edges) > 60).mean()
    print(f"{arguments.out}: the picture and its edges; {strong:.1%} of the pixels lie on a clear edge")


if __name__ == "__main__":
    main()

# edges.png: the picture and its edges; 3.1% of the pixels lie on a clear edge
