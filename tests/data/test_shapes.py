"""The drawn data set: the same for a seed, all classes different, all or nothing on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minicnn.data import SHAPES_CLASSES, make_shapes, named_dataset, open_dataset, read_image
from minicnn.data import datasets as datasets_module
from minicnn.data import shapes as shapes_module
from minicnn.errors import UsageError


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.jpg"))}


def test_layout_counts_and_size(tmp_path: Path) -> None:
    folder = make_shapes(tmp_path / "shapes", images_per_class=10, size=32)
    splits = open_dataset(folder)
    assert splits.classes == SHAPES_CLASSES
    assert len(SHAPES_CLASSES) == 10
    assert np.bincount(splits.train.labels).tolist() == [8] * 10
    assert np.bincount(splits.validation.labels).tolist() == [2] * 10
    assert {read_image(path).size for path in splits.train.paths} == {(32, 32)}


def test_identical_for_a_seed_and_fewer_are_a_part_of_more(tmp_path: Path) -> None:
    small = content(make_shapes(tmp_path / "small", images_per_class=5, size=24, seed=3))
    large = content(make_shapes(tmp_path / "large", images_per_class=7, size=24, seed=3))
    other = content(make_shapes(tmp_path / "other", images_per_class=5, size=24, seed=4))
    assert len(small) == 50
    assert small.items() <= large.items()
    assert other.keys() == small.keys()
    assert all(other[name] != small[name] for name in small)


def test_every_picture_differs(tmp_path: Path) -> None:
    pictures = list(content(make_shapes(tmp_path / "shapes", images_per_class=5, size=24)).values())
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("name", SHAPES_CLASSES)
def test_outlines_lie_within_the_picture(name: str) -> None:
    for polygon, _ in shapes_module.OUTLINES[name]():
        assert np.linalg.norm(polygon, axis=1).max() < 1.36  # the hole of a crescent reaches out, no filled part does
    filled = np.vstack([polygon for polygon, fills in shapes_module.OUTLINES[name]() if fills])
    assert 0.85 < np.linalg.norm(filled, axis=1).max() < 1.1


def test_outlines_cover_different_areas_in_different_ways() -> None:
    masks = [
        shapes_module._mask(outline(), 64, np.random.default_rng(0)) for outline in shapes_module.OUTLINES.values()
    ]
    for first in range(10):
        for second in range(first):
            overlap = np.minimum(masks[first], masks[second]).sum() / np.maximum(masks[first], masks[second]).sum()
            assert overlap < 0.85, (SHAPES_CLASSES[first], SHAPES_CLASSES[second])


def test_folders_in_use_and_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "keep.txt").write_text("mine")
    with pytest.raises(UsageError, match="used exists and is not an empty folder"):
        make_shapes(tmp_path / "used")
    with pytest.raises(UsageError, match=r"keep\.txt exists and is not an empty folder"):
        make_shapes(tmp_path / "used" / "keep.txt")
    with pytest.raises(UsageError, match="at least 5 images a class of 16 to 4096 pixels; got 4"):
        make_shapes(tmp_path / "new", images_per_class=4)
    assert [path.name for path in tmp_path.rglob("*")] == ["used", "keep.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert len(content(make_shapes(tmp_path / "empty", images_per_class=5, size=16))) == 50


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shapes_module, "draw_shape", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_shapes(tmp_path / "shapes")
    assert list(tmp_path.iterdir()) == []


def test_shapes_are_made_on_first_use_and_kept(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make_few(folder: Path) -> None:
        made.append(folder)
        make_shapes(folder, images_per_class=5, size=16)

    monkeypatch.setattr(datasets_module, "make_shapes", make_few)
    assert not named_dataset("shapes").present
    for _ in range(2):
        assert len(open_dataset("shapes").train) == 40
    assert made == [named_dataset("shapes").folder]
    assert made[0].parent == own_cache / "minicnn"
    assert named_dataset("shapes").present
