"""What the drawings show, and that names and sizes of any kind can be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minicnn import Dense, Flatten, ReLU, Sequential
from minicnn.data import read_image
from minicnn.errors import UsageError
from minicnn.inspection import drawings
from minicnn.inspection.adversarial import Attack
from minicnn.inspection.drawings import Evidence, Judged, enlarged
from minicnn.inspection.look import Network, look_at_filters, look_at_mistakes, look_at_picture
from minicnn.training.normalization import Normalization

NAME = "形状 of $many$ with a rather long name \udce5"


@pytest.fixture
def picture(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(read_image(path)).astype(int)


@pytest.mark.parametrize("shape", [(3, 3, 3, 5), (7, 7, 3, 70), (1, 1, 1, 1), (5, 3, 4, 9)])
def test_filters(rng: np.random.Generator, tmp_path: Path, shape: tuple[int, ...]) -> None:
    drawings.draw_filters("conv1", rng.normal(size=shape), tmp_path / "filters.png")
    assert pixels_of(tmp_path / "filters.png").shape[0] > 100


def test_a_red_filter_is_red(tmp_path: Path) -> None:
    weights = np.zeros((2, 2, 3, 1))
    weights[:, :, 0] = 3  # all red, whatever its size
    drawings.draw_filters("conv1", weights, tmp_path / "filters.png")
    pixels = pixels_of(tmp_path / "filters.png")
    assert (np.abs(pixels - [255, 128, 128]).max(-1) <= 2).sum() > 1000


def test_heat_is_laid_where_it_is(tmp_path: Path) -> None:
    gray = np.full((40, 40, 3), 128, dtype=np.uint8)
    heat = np.zeros((4, 4))
    heat[0, 3] = 1  # above, to the right
    drawings.draw_heatmap(gray, heat, NAME, tmp_path / "heatmap.png")
    pixels = pixels_of(tmp_path / "heatmap.png")
    height, width, _ = pixels.shape
    colored = pixels.max(-1) - pixels.min(-1) > 60
    rows, columns = np.nonzero(colored)
    assert len(rows) > 100 and columns.min() > 0.75 * width and rows.mean() < 0.45 * height


def test_enlarged_keeps_values_and_places() -> None:
    heat = np.array([[0.0, 1.0], [2.0, 3.0]])
    large = enlarged(heat, (40, 60))
    assert large.shape == (40, 60)
    np.testing.assert_allclose([large[0, 0], large[0, -1], large[-1, 0], large[-1, -1]], [0, 1, 2, 3])
    assert (np.diff(large, axis=0) >= 0).all() and (np.diff(large, axis=1) >= 0).all()


def test_all_else_can_be_drawn_whatever_the_names(
    rng: np.random.Generator, picture: np.ndarray, tmp_path: Path
) -> None:
    maps = {f"conv{n}": rng.normal(size=(9 - n % 8, 9, 1 + n % 3)) for n in range(26)}  # more layers than rows
    evidence = Evidence(NAME, 0.5, rng.random((20, 30)), rng.random((3, 4)), rng.random((20, 30)))
    black = Evidence(NAME, 0.0, np.zeros((20, 30)), np.zeros((3, 4)), np.zeros((20, 30)))
    attack = Attack(picture[::-1].copy(), 32, np.array([0.2, 0.8]), fooled=False)
    drawings.draw_feature_maps(picture, maps, tmp_path / "maps.png")
    drawings.draw_evidence(picture, [evidence, black], tmp_path / "evidence.png")
    drawings.draw_attack(picture, (NAME, 0.9), attack, (NAME, 0.8), tmp_path / "attack.png")
    drawings.draw_mistakes([Judged(picture, NAME, NAME, 0.7)] * 7, NAME, tmp_path / "mistakes.png")
    drawings.draw_pairs([(NAME, [picture] * 2), (NAME, [picture])], NAME, tmp_path / "pairs.png")
    assert (
        all(len(np.unique(pixels_of(path))) > 50 for path in tmp_path.iterdir()) and len(list(tmp_path.iterdir())) == 5
    )


def test_a_network_without_maps_says_what_is_not_drawn(picture: np.ndarray, tmp_path: Path) -> None:
    net = Sequential([Flatten(), Dense(8), ReLU(), Dense(3)], input_shape=(20, 30, 3), seed=0)
    network = Network(net, Normalization(), ["a", "b", NAME])
    (filters,) = look_at_filters(network, tmp_path)
    heatmaps, attack = look_at_picture(network, picture, tmp_path)
    assert "no convolution" in filters.seen and "whose output is a picture" in heatmaps.seen
    assert [path.name for path in tmp_path.iterdir()] == [attack.file]


def test_weights_that_have_diverged(picture: np.ndarray, tmp_path: Path) -> None:
    net = Sequential([Flatten(), Dense(3)], input_shape=(20, 30, 3), seed=0)
    net.dense1.weight.value[0, 0] = np.nan
    with pytest.raises(UsageError, match="diverged"):
        look_at_picture(Network(net, Normalization(), ["a", "b", "c"]), picture, tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_mistakes_no_pictures_of_them(tmp_path: Path) -> None:
    (said,) = look_at_mistakes(["a", "b"], np.eye(2), np.arange(2), ["x", "y"], lambda place: np.zeros(0), tmp_path)
    assert "all 2 images are recognised" in said.seen and not list(tmp_path.iterdir())
