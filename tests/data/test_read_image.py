"""Every odd kind of file becomes an upright 8-bit RGB picture, or one clear reason why not."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn.data import UnreadableImage, read_image
from minicnn.data.images import check_header


def pixels(path: Path) -> np.ndarray:
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.fixture
def photograph(rng: np.random.Generator) -> Image.Image:
    """Smooth enough that JPEG keeps it nearly as it is."""
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm", ".tga"])
def test_lossless_formats_come_back_exactly(tmp_path: Path, photograph: Image.Image, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    photograph.save(path)
    np.testing.assert_array_equal(pixels(path), np.asarray(photograph))


def test_gray_palette_and_one_bit_become_rgb(tmp_path: Path, photograph: Image.Image) -> None:
    for mode in ("L", "P", "1"):
        converted = photograph.convert(mode)
        converted.save(tmp_path / "image.png")
        np.testing.assert_array_equal(pixels(tmp_path / "image.png"), np.asarray(converted.convert("RGB")))


def test_cmyk_jpeg_shows_its_colours(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / "cyan.jpg", quality=95)
    assert np.abs(pixels(tmp_path / "cyan.jpg").astype(int) - (0, 255, 255)).max() <= 3


@pytest.mark.parametrize("suffix", [".png", ".pgm", ".tif"])
def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    gray = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    path = tmp_path / f"gray{suffix}"
    if suffix == ".pgm":
        path.write_bytes(b"P5 16 16 65535\n" + gray.astype(">u2").tobytes())
    else:
        Image.fromarray(gray).save(path)
    np.testing.assert_array_equal(pixels(path)[:, :, 0], np.arange(256).reshape(16, 16))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_without_a_fixed_range_are_refused(tmp_path: Path, dtype: type) -> None:
    Image.fromarray(np.full((4, 4), 1e6, dtype=dtype)).save(tmp_path / "range.tif")
    with pytest.raises(UnreadableImage, match="without a fixed range; save it with 8 or 16 bits"):
        read_image(tmp_path / "range.tif")


def test_transparency_shows_white_whatever_hides_beneath(tmp_path: Path) -> None:
    rgba = np.zeros((1, 3, 4), dtype=np.uint8)
    rgba[0] = [(200, 0, 0, 255), (200, 0, 0, 0), (200, 0, 0, 128)]
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    opaque, clear, half = pixels(tmp_path / "clear.png")[0].tolist()
    assert opaque == [200, 0, 0]
    assert clear == [255, 255, 255]
    assert half == [227, 127, 127]
    palette = Image.new("RGB", (2, 2), "green").quantize()
    palette.save(tmp_path / "palette.png", transparency=palette.getpixel((0, 0)))
    assert pixels(tmp_path / "palette.png").min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, photograph: Image.Image, orientation: int) -> None:
    # The EXIF standard's eight cases, as what must be done to the stored array to see it upright.
    stored = np.asarray(photograph)
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(stored),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(pixels(tmp_path / "turned.png"), upright)


def test_broken_exif_costs_nothing_but_the_orientation(tmp_path: Path, photograph: Image.Image) -> None:
    photograph.save(tmp_path / "broken.png", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    np.testing.assert_array_equal(pixels(tmp_path / "broken.png"), np.asarray(photograph))


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert pixels(tmp_path / "two.gif")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP"])
def test_truncated_files_are_refused_though_their_header_is_fine(
    tmp_path: Path, photograph: Image.Image, format: str
) -> None:
    whole = io.BytesIO()
    photograph.save(whole, format)
    path = tmp_path / f"half.{format.lower()}"
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    if format != "WEBP":  # its header holds the file's length
        check_header(path)
    with pytest.raises(UnreadableImage, match="cannot be read as an image") as caught:
        read_image(path)
    assert caught.value.path == path
    with pytest.raises(UnreadableImage):
        read_image(path, at_least=(4, 4))  # decoding at a smaller size still reads to the end


@pytest.mark.parametrize("content", [b"", b"only text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_files_that_are_no_images(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "claims.jpg"
    path.write_bytes(content)
    for read in (check_header, read_image):
        with pytest.raises(UnreadableImage, match=r"claims\.jpg cannot be read as an image: it is no image"):
            read(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="there is no such file"):
        read_image(tmp_path / "nowhere.jpg")


@pytest.mark.parametrize("side", [10_000, 60_000])  # Pillow itself only warns of the first
def test_decompression_bombs_are_refused(tmp_path: Path, side: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    for read in (check_header, read_image):
        with pytest.raises(UnreadableImage, match="decompression bomb"):
            read(tmp_path / "bomb.png")


def test_decoding_at_a_smaller_size_leaves_twice_what_is_needed(tmp_path: Path, photograph: Image.Image) -> None:
    photograph.resize((1280, 960), Image.Resampling.BICUBIC).save(tmp_path / "large.jpg", quality=95)
    assert read_image(tmp_path / "large.jpg", at_least=(64, 64)).size == (320, 240)
    assert read_image(tmp_path / "large.jpg", at_least=(300, 64)).size == (1280, 960)
    small = [
        np.asarray(read_image(tmp_path / "large.jpg", at_least).resize((64, 64), Image.Resampling.BILINEAR))
        for at_least in (None, (64, 64))
    ]
    assert np.abs(small[0].astype(int) - small[1]).mean() < 1.5


def test_a_named_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for read in (check_header, read_image):
        with pytest.raises(UnreadableImage, match="no regular file"):
            read(tmp_path / "pipe.jpg")
