"""One image file → one upright 8-bit RGB picture, or one clear reason why it cannot be read."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from minicnn.errors import UsageError

# Pillow only warns of a picture above 89 million pixels and refuses above twice that; here both are refused.
# The filter is set once and for all, as Pillow advises, because warnings.catch_warnings is not thread-safe.
warnings.simplefilter("error", Image.DecompressionBombWarning)

# A format is read only when it is named here, whatever the file's name claims: some of Pillow's other
# decoders run external programs on the file (EPS) or read no pictures at all (HDF5).
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "JPEG2000")
SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".ico", ".tga", ".jp2", ".j2k",
})  # fmt: skip

ORIENTATION_TAG = 0x0112  # EXIF 2.3, table 4
DRAFT_MARGIN = 2  # see read_image


class UnreadableImage(UsageError):
    """A file could not be read as an image: `path` is the file, `reason` says in a few words why."""

    def __init__(self, path: str | os.PathLike[str], reason: str):
        super().__init__(f"{path} cannot be read as an image: {reason}")
        self.path = Path(path)
        self.reason = reason


def check_header(path: str | os.PathLike[str]) -> None:
    """Make sure that a file begins as an image does, without decoding it (about 40 µs a file).

    A file that is cut off after its header passes; only `read_image` finds that.

    Raises UnreadableImage.
    """
    try:
        _open(path).close()
    except MemoryError:
        raise
    except Exception as error:
        raise UnreadableImage(path, _reason(error)) from error


def read_image(path: str | os.PathLike[str], at_least: tuple[int, int] | None = None) -> Image.Image:
    """Read an image file as a person would see it: upright, 8-bit RGB.

    - EXIF orientation is applied; an unreadable EXIF block is ignored.
    - Gray, palette and CMYK pictures become RGB (colour profiles are not applied).
    - 16-bit gray is scaled, v·255/65535, never clipped.
    - Transparent pixels are composited over white, so what their hidden colour is does not matter.
    - The first frame of an animation is taken.

    path: the file.
    at_least: (height, width) in pixels that will still be needed, or None for all of them. A JPEG may then be
        decoded at a half, a quarter or an eighth of its size, which costs less, as long as twice `at_least`
        remains: after the antialiased resize that follows, pixels differ by less than one gray level of 255 on
        average.
    Returns a Pillow image of mode "RGB".
    Raises UnreadableImage for a missing, truncated or unknown file and for a decompression bomb (more than 89
    million pixels).
    """
    try:
        with _open(path) as image:
            if at_least is not None:
                # The same length for both sides, since EXIF may yet swap them.
                side = DRAFT_MARGIN * max(at_least)
                image.draft(None, (side, side))
            image.load()
            return _to_rgb(_upright(image))
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise what they like on broken files
        raise UnreadableImage(path, _reason(error)) from error


def _open(path: str | os.PathLike[str]) -> Image.Image:
    if Path(path).exists() and not Path(path).is_file():
        raise OSError("it is no regular file")  # reading from a pipe could wait for ever
    return Image.open(path, formats=FORMATS)


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # a broken EXIF block is no reason to lose the picture
        return image
    return ImageOps.exif_transpose(image) if orientation in range(2, 9) else image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _gray16_to_rgb(image)
    if image.mode == "F":
        raise ValueError("its pixels are floating point numbers without a fixed range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return image.convert("RGB")  # a plain, loaded image even where it is RGB already


def _gray16_to_rgb(image: Image.Image) -> Image.Image:
    # Image.convert would clip at 255 and turn nearly every 16-bit picture white.
    gray = np.asarray(image).astype(np.float64)
    if gray.min() < 0 or gray.max() > 65535:
        raise ValueError("its pixels are 32-bit numbers without a fixed range; save it with 8 or 16 bits")
    return Image.fromarray(np.rint(gray * (255 / 65535)).astype(np.uint8)).convert("RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, Image.UnidentifiedImageError):  # Pillow's message repeats the path
        return "it is no image, or of an unknown format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
