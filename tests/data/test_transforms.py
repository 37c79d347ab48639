"""Transforms against Pillow's and NumPy's own answers, their ranges, and that they leave their input alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image, ImageOps

from minicnn.data import (
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
    SampleGenerator,
    Transform,
    Window,
)
from minicnn.data.transforms.color import turn_hue
from minicnn.data.transforms.rand_augment import CHANGES
from minicnn.errors import UsageError

DETERMINISTIC = [Resize(16), Resize((12, 20)), Resize(20, keep_aspect=True), CenterCrop(18), CenterCrop((50, 60))]
DETERMINISTIC += [Pad(5), Pad(3, edges="black")]
RANDOM = [
    RandomCrop(18),
    RandomCrop((24, 32), padding=4),
    RandomResizedCrop(16),
    HorizontalFlip(),
    RandomRotation(30, fill=(10, 20, 30)),
    RandomScale((0.7, 1.4)),
    ColorJitter(0.4, 0.4, 0.4, 0.1),
    RandomErasing(0.9),
    RandomErasing(fill=(1, 2, 3)),
    Cutout(8),
    RandAugment(),
    RandAugment(3, 25.0, fill=(0, 0, 0)),
]
BOTH = Compose([Resize((30, 40)), RandomCrop(24), HorizontalFlip()])


@pytest.fixture
def image(rng: np.random.Generator) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))


def array(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("transform", [*DETERMINISTIC, *RANDOM, BOTH], ids=repr)
class TestEveryTransform:
    def test_leaves_its_input_alone(self, transform: Transform, image: Image.Image, rng: np.random.Generator) -> None:
        before = array(image).copy()
        for _ in range(5):
            transform(image, rng)
        np.testing.assert_array_equal(array(image), before)

    def test_same_generator_same_result(self, transform: Transform, image: Image.Image) -> None:
        results = [array(transform(image, np.random.default_rng(7))) for _ in range(2)]
        np.testing.assert_array_equal(*results)

    def test_random_says_whether_the_generator_matters(self, transform: Transform, image: Image.Image) -> None:
        results = {array(transform(image, np.random.default_rng(seed))).tobytes() for seed in range(20)}
        assert (len(results) > 1) == transform.random

    def test_is_rebuilt_from_json(self, transform: Transform) -> None:
        config = json.loads(json.dumps(transform.to_config()))
        assert Transform.from_config(config) == transform

    def test_is_named_in_its_representation(self, transform: Transform) -> None:
        assert eval(repr(transform)) == transform


def test_unknown_transforms_and_settings_are_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown transform 'Blur'; known are .*CenterCrop"):
        Transform.from_config({"name": "Blur"})
    with pytest.raises(UsageError, match="Resize cannot be made from the settings"):
        Transform.from_config({"name": "Resize", "sise": 3})


def test_resize_squashes_or_keeps_the_aspect(image: Image.Image, rng: np.random.Generator) -> None:
    assert array(Resize((10, 20))(image, rng)).shape == (10, 20, 3)
    assert array(Resize(12, keep_aspect=True)(image, rng)).shape == (12, 16, 3)
    assert array(Resize(12, keep_aspect=True)(image.transpose(Image.Transpose.ROTATE_90), rng)).shape == (16, 12, 3)
    expected = image.resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(array(Resize(16)(image, rng)), array(expected))


def test_halving_is_the_triangle_filter(rng: np.random.Generator) -> None:
    # Antialiased: at half size each output sums a triangle four input pixels wide, weights 1 3 3 1 of 8.
    row = rng.integers(0, 256, 16)
    image = Image.fromarray(np.repeat(row.astype(np.uint8)[None, :, None], 3, axis=2).repeat(2, axis=0))
    small = array(Resize((2, 8))(image, rng))[0, :, 0].astype(int)
    padded = np.convolve(row, [1, 3, 3, 1])[2:-1:2] / 8
    assert np.abs(small[1:-1] - padded[1:-1]).max() <= 1


def test_center_crop_is_the_middle_of_the_array(image: Image.Image, rng: np.random.Generator) -> None:
    np.testing.assert_array_equal(array(CenterCrop((10, 20))(image, rng)), array(image)[7:17, 6:26])
    grown = array(CenterCrop((30, 40))(image, rng))
    np.testing.assert_array_equal(grown[3:27, 4:36], array(image))
    assert grown.sum() == array(image).sum()
    odd = array(CenterCrop((27, 29))(image, rng))
    np.testing.assert_array_equal(odd[1:25], array(image)[:, 1:30])
    assert odd[0].max() == odd[25:].max() == 0


def test_random_crop_takes_every_place(image: Image.Image, rng: np.random.Generator) -> None:
    source = array(image)
    windows = {source[top : top + 22, left : left + 30].tobytes() for top in range(3) for left in range(3)}
    seen = {array(RandomCrop((22, 30))(image, rng)).tobytes() for _ in range(200)}
    assert seen == windows


def test_random_crop_with_padding_shifts(image: Image.Image, rng: np.random.Generator) -> None:
    padded = np.pad(array(image), ((2, 2), (2, 2), (0, 0)))
    windows = {padded[top : top + 24, left : left + 32].tobytes() for top in range(5) for left in range(5)}
    assert {array(RandomCrop((24, 32), padding=2)(image, rng)).tobytes() for _ in range(400)} == windows


def test_random_resized_crop_draws_areas_and_shapes_in_range(rng: np.random.Generator) -> None:
    transform = RandomResizedCrop(8, scale=(0.2, 0.6), ratio=(0.5, 2.0))
    for _ in range(300):
        top, left, height, width = transform._draw(100, 140, rng)
        assert 0 <= top <= 100 - height
        assert 0 <= left <= 140 - width
        assert 0.19 < height * width / 14_000 < 0.61
        assert 0.48 < width / height < 2.05


@pytest.mark.parametrize(("height", "width"), [(4, 400), (400, 4), (1, 1)])
def test_random_resized_crop_falls_back_to_the_middle(height: int, width: int, rng: np.random.Generator) -> None:
    transform = RandomResizedCrop(8, scale=(0.9, 1.0))
    top, left, crop_height, crop_width = transform._draw(height, width, rng)
    assert (top, left) == ((height - crop_height) // 2, (width - crop_width) // 2)
    assert min(crop_height, crop_width) == min(height, width)
    assert array(transform(Image.new("RGB", (width, height)), rng)).shape == (8, 8, 3)


def test_horizontal_flip_mirrors_with_its_probability(image: Image.Image, rng: np.random.Generator) -> None:
    mirrored = array(image)[:, ::-1]
    flips = [np.array_equal(array(HorizontalFlip(0.3)(image, rng)), mirrored) for _ in range(1000)]
    assert 0.25 < np.mean(flips) < 0.35
    np.testing.assert_array_equal(array(HorizontalFlip(1.0)(image, rng)), mirrored)
    np.testing.assert_array_equal(array(HorizontalFlip(0.0)(image, rng)), array(image))


def test_rotation_keeps_the_size_and_fills_the_corners(image: Image.Image) -> None:
    class Half:
        def uniform(self, low: float, high: float) -> float:
            return high

    turned = array(RandomRotation(180)(image, Half()))  # type: ignore[arg-type]
    np.testing.assert_array_equal(turned, array(image)[::-1, ::-1])
    tilted = array(RandomRotation(45, fill=(1, 2, 3))(image, Half()))  # type: ignore[arg-type]
    assert tilted.shape == (24, 32, 3)
    assert tilted[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_scale_zooms_about_the_middle(scale: float, rng: np.random.Generator) -> None:
    disc = np.hypot(*np.mgrid[-15.5:16, -15.5:16]) < 8
    image = Image.fromarray(np.repeat(disc[:, :, None], 3, axis=2).astype(np.uint8) * 255)
    zoomed = array(RandomScale((scale, scale))(image, rng))[:, :, 0] > 127
    assert np.isclose(zoomed.sum(), disc.sum() * scale**2, rtol=0.1)
    np.testing.assert_allclose(np.argwhere(zoomed).mean(axis=0), [15.5, 15.5], atol=0.6)


def test_brightness_contrast_and_saturation_mix_with_a_plainer_picture(image: Image.Image) -> None:
    source = array(image).astype(float)
    gray = np.asarray(image.convert("L")).astype(float)[:, :, None]
    plainer = {
        "brightness": np.zeros_like(source),
        "contrast": np.full_like(source, np.floor(gray.mean() + 0.5)),
        "saturation": np.broadcast_to(gray, source.shape),
    }
    for name, other in plainer.items():
        rng, twin = np.random.default_rng(3), np.random.default_rng(3)
        result = array(ColorJitter(**{name: 0.5})(image, rng))
        twin.permutation(4)
        factor = twin.uniform(0.5, 1.5)
        expected = (factor * source + (1 - factor) * other).clip(0, 255)
        assert np.abs(result - expected).max() <= 1.01, name


def test_a_third_of_a_turn_makes_red_green() -> None:
    assert np.abs(array(turn_hue(Image.new("RGB", (1, 1), "red"), 1 / 3)) - (0, 255, 0)).max() <= 8
    gray = Image.new("RGB", (1, 1), (90, 90, 90))
    assert array(turn_hue(gray, 0.4)).tolist() == [[[90, 90, 90]]]


def test_split_cuts_before_the_first_random_transform_and_before_the_last_windows() -> None:
    fixed, rest, windows = Compose([Resize(8), CenterCrop(6), HorizontalFlip(), Resize(4)]).split()
    assert fixed == Compose([Resize(8), CenterCrop(6)])
    assert rest == Compose([HorizontalFlip(), Resize(4)])
    assert windows == ()
    assert Compose([Resize(8)]).split() == (Compose([Resize(8)]), Compose([]), ())
    flip, crop, turn = HorizontalFlip(), RandomCrop(6, padding=2), RandomRotation()
    assert Compose([Resize(8), turn, flip, crop]).split() == (Compose([Resize(8)]), Compose([turn]), (flip, crop))
    assert Compose([crop, flip]).split() == (Compose([]), Compose([]), (crop, flip))
    assert Compose([flip, crop, turn, flip]).split() == (Compose([]), Compose([flip, crop, turn]), (flip,))
    assert Compose([crop, flip, crop]).split() == (Compose([]), Compose([crop]), (flip, crop))


@pytest.mark.parametrize(
    "moves",
    [
        (HorizontalFlip(), RandomCrop((20, 21), padding=5)),
        (RandomCrop((20, 21), padding=5), HorizontalFlip()),
        (HorizontalFlip(), RandomCrop((29, 50), padding=1)),
        (HorizontalFlip(1.0), RandomCrop((24, 7)), HorizontalFlip()),
    ],
    ids=str,
)
def test_windows_moved_on_paper_are_the_pictures_moved_one_by_one(moves, image: Image.Image) -> None:
    for seed in range(30):
        rng, again = np.random.default_rng(seed), np.random.default_rng(seed)
        moved, window = image, Window(0, 0, image.height, image.width)
        for transform in moves:
            moved, window = transform(moved, rng), transform.move(window, again)
        np.testing.assert_array_equal(array(window.cut_out_of(image)), array(moved))


@pytest.mark.parametrize("transform", [RandomCrop((20, 21), padding=5), RandomCrop((29, 51), padding=1), RandomCrop(7)])
def test_random_crop_is_pillow_s_border_and_crop(transform: RandomCrop, image: Image.Image) -> None:
    height, width = transform.size
    for seed in range(30):
        rng, again = np.random.default_rng(seed), np.random.default_rng(seed)
        grown = ImageOps.expand(image, transform.padding)
        missing = [max(0, wanted - length) for wanted, length in ((height, grown.height), (width, grown.width))]
        before = [pixels // 2 for pixels in missing]
        grown = ImageOps.expand(grown, (before[1], before[0], missing[1] - before[1], missing[0] - before[0]))
        top, left = (int(rng.integers(room + 1)) for room in (grown.height - height, grown.width - width))
        expected = grown.crop((left, top, left + width, top + height))
        np.testing.assert_array_equal(array(transform(image, again)), array(expected))


def test_padding_mirrors_at_the_edge_or_is_black(image: Image.Image, rng: np.random.Generator) -> None:
    source, padded, black = array(image), array(Pad(3)(image, rng)), array(Pad(3, edges="black")(image, rng))
    assert padded.shape == black.shape == (30, 38, 3)
    for result in (padded, black):
        np.testing.assert_array_equal(result[3:-3, 3:-3], source)
    np.testing.assert_array_equal(padded[:3, 3:-3], source[3:0:-1])  # the edge itself comes once
    np.testing.assert_array_equal(padded[3:-3, -3:], source[:, -2:-5:-1])
    assert black.sum() == source.sum()


def test_a_padded_crop_of_the_picture_s_own_size_shifts_it(image: Image.Image) -> None:
    padded = np.pad(array(image), ((2, 2), (2, 2), (0, 0)), mode="symmetric")  # another border than Pad's
    shifts = set()
    for seed in range(200):
        shifted = array(Compose((Pad(2), RandomCrop((24, 32))))(image, np.random.default_rng(seed)))
        inner = shifted[2:-2, 2:-2]
        places = [(y, x) for y in range(5) for x in range(5) if (padded[y + 2 : y + 22, x + 2 : x + 30] == inner).all()]
        shifts.update(places)
    assert len(shifts) == 25


def test_erasing_fills_a_box_of_the_area_and_shape_asked_for(rng: np.random.Generator) -> None:
    image = Image.new("RGB", (60, 50), (9, 9, 9))
    areas, ratios, untouched = [], [], 0
    erasing = RandomErasing(0.7, (0.1, 0.3), (0.5, 2.0), fill=(1, 2, 3))
    for _ in range(600):
        erased = (array(erasing(image, rng)) == (1, 2, 3)).all(axis=2)
        if not erased.any():
            untouched += 1
            continue
        rows, columns = np.flatnonzero(erased.any(axis=1)), np.flatnonzero(erased.any(axis=0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert erased.sum() == height * width
        areas.append(height * width / 3000)
        ratios.append(height / width)
    assert 0.25 < untouched / 600 < 0.35
    assert 0.09 < min(areas) < 0.12 and 0.28 < max(areas) < 0.31 and np.mean(areas) == pytest.approx(0.2, abs=0.01)
    assert 0.45 < min(ratios) < 0.6 and 1.7 < max(ratios) < 2.2 and 0.4 < np.mean(np.array(ratios) > 1) < 0.6


def test_erasing_fills_with_noise_unless_told_a_colour(rng: np.random.Generator) -> None:
    image = Image.new("RGB", (64, 64), (0, 0, 0))
    noise = array(RandomErasing(1.0, (0.3, 0.4))(image, rng))
    erased = noise[noise.any(axis=2)]
    assert 1100 < len(erased) < 1800 and erased.mean() == pytest.approx(127.5, abs=5) and len(np.unique(erased)) > 250


def test_cutout_blackens_a_square_that_may_reach_beyond_the_border(rng: np.random.Generator) -> None:
    image = Image.new("RGB", (20, 16), "white")
    middles = set()
    for _ in range(2000):
        rows, columns = np.nonzero(array(Cutout(6)(image, rng))[:, :, 0] == 0)
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        assert len(rows) == (bottom - top) * (right - left)
        middles.add((top + 3 if top else bottom - 3, left + 3 if left else right - 3))
        assert bottom - top == 6 or top == 0 or bottom == 16
    assert middles == {(y, x) for y in range(16) for x in range(20)}


@pytest.mark.parametrize("name", sorted(set(CHANGES) - {"auto contrast", "equalize"}))
def test_a_change_of_no_strength_changes_nothing(name: str, image: Image.Image) -> None:
    np.testing.assert_array_equal(array(CHANGES[name](image, 0.0, (0, 0, 0))), array(image))


def test_changes_of_colour_are_their_formulas(image: Image.Image) -> None:
    source = array(image).astype(int)
    gray = np.asarray(image.convert("L")).astype(float)[:, :, None]
    middle = np.floor(gray.mean() + 0.5)
    expected = {
        "solarize": (0.5, np.where(source < 128, source, 255 - source)),
        "posterize": (-1.0, source & 0b11110000),
        "brightness": (-1.0, 0.1 * source),
        "color": (1.0, (gray + 1.9 * (source - gray)).clip(0, 255)),
        "contrast": (-1.0, middle + 0.1 * (source - middle)),
    }
    for name, (strength, values) in expected.items():
        assert np.abs(array(CHANGES[name](image, strength, (0, 0, 0))) - values).max() <= 1.01, name
    stretched = array(CHANGES["auto contrast"](Image.fromarray((source // 4 + 60).astype(np.uint8)), 1.0, (0, 0, 0)))
    assert [stretched.min(), stretched.max()] == [0, 255]


def test_changes_of_place_move_pixels_and_fill_what_comes_into_view() -> None:
    source = np.random.default_rng(0).integers(256, size=(20, 40, 3), dtype=np.uint8)
    image, fill = Image.fromarray(source), (7, 8, 9)
    moved = array(CHANGES["translate x"](image, 0.5, fill))  # by 0.45 · 0.5 · 40 = 9 pixels
    np.testing.assert_array_equal(moved[:, :31], source[:, 9:])
    assert (moved[:, 31:] == fill).all()
    moved = array(CHANGES["translate y"](image, -1.0, fill))
    np.testing.assert_array_equal(moved[9:], source[:11])
    assert (moved[:9] == fill).all()
    line = Image.new("RGB", (41, 21))
    line.paste((255, 255, 255), (20, 0, 21, 21))
    rows, columns = np.nonzero(array(CHANGES["shear x"](line, 1.0, fill))[:, :, 0] > 127)
    assert np.polyfit(rows, columns, 1)[0] == pytest.approx(-0.3, abs=0.02)
    lying = line.transpose(Image.Transpose.ROTATE_90)
    rows, columns = np.nonzero(array(CHANGES["shear y"](lying, 1.0, fill))[:, :, 0] > 127)
    assert np.polyfit(columns, rows, 1)[0] == pytest.approx(-0.3, abs=0.02)


def test_randaugment_draws_every_change_in_both_directions(image: Image.Image, monkeypatch) -> None:
    drawn: list[tuple[str, float]] = []

    def noted(name: str):
        return lambda image, strength, fill: drawn.append((name, strength)) or image

    for name in CHANGES:
        monkeypatch.setitem(CHANGES, name, noted(name))
    for seed in range(200):
        RandAugment(3, 12)(image, np.random.default_rng(seed))
    assert len(drawn) == 600
    assert set(drawn) == {(name, sign * 12 / 30) for name in CHANGES for sign in (1, -1)}


def test_alternating_flips_show_each_picture_both_ways_in_any_two_epochs(image: Image.Image) -> None:
    mirrored = array(image)[:, ::-1]
    flips = np.array(
        [
            [
                np.array_equal(array(AlternatingFlip()(image, SampleGenerator(3, epoch, index))), mirrored)
                for index in range(400)
            ]
            for epoch in range(4)
        ]
    )
    assert (flips[:-1] != flips[1:]).all()
    assert 170 < flips[0].sum() < 230
    other_seed = [AlternatingFlip().move(Window(0, 0, 4, 4), SampleGenerator(4, 0, i)).mirrored for i in range(400)]
    assert 150 < (flips[0] == other_seed).sum() < 250


def test_alternating_flips_have_to_know_the_epoch(image: Image.Image, rng: np.random.Generator) -> None:
    with pytest.raises(UsageError, match="AlternatingFlip has to know the epoch"):
        AlternatingFlip()(image, rng)


def test_the_picture_s_coin_draws_nothing_from_its_generator() -> None:
    one, other = SampleGenerator(1, 2, 3), SampleGenerator(1, 2, 3)
    one.coin_of_picture()
    assert one.random() == other.random()


def test_transforms_within_a_transform_are_taken_apart() -> None:
    flip, pad, crop = HorizontalFlip(), Pad(2), RandomCrop(6)
    nested = Compose([Resize(6), Compose([pad, Compose([crop])]), flip])
    assert nested == Compose([Resize(6), pad, crop, flip])
    assert nested.split() == (Compose([Resize(6), pad]), Compose([]), (crop, flip))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Resize(0),
        lambda: Resize((8, 0)),
        lambda: Resize((8, 8), keep_aspect=True),
        lambda: CenterCrop((1, 2, 3)),
        lambda: RandomCrop(8, padding=-1),
        lambda: RandomResizedCrop(8, scale=(0.0, 1.0)),
        lambda: RandomResizedCrop(8, ratio=(2.0, 1.0)),
        lambda: HorizontalFlip(1.5),
        lambda: RandomRotation(-5),
        lambda: RandomScale((1.2, 0.8)),
        lambda: ColorJitter(brightness=-0.1),
        lambda: ColorJitter(hue=0.6),
        lambda: Pad(-1),
        lambda: Pad(2, edges="wrap"),
        lambda: RandomErasing(1.5),
        lambda: RandomErasing(area=(0.5, 1.5)),
        lambda: RandomErasing(ratio=(2.0, 1.0)),
        lambda: Cutout(0),
        lambda: RandAugment(0),
        lambda: RandAugment(magnitude=31),
    ],
)
def test_settings_out_of_range_are_refused(make) -> None:
    with pytest.raises(UsageError, match="got"):
        make()
