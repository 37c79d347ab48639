"""What made a number, in JavaScript: its terms against those that a trace spells out, and where they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minicnn.errors import UsageError
from minicnn.inspection import Trace
from tests.inspection.explain.laboratory import Laboratory, picture, told, traced
from tests.inspection.explain.networks import NETWORKS, PICTURE, network, plain, residual


@pytest.fixture(scope="module")
def laboratory(browser: Any) -> Laboratory:
    return Laboratory(
        browser, network=["buildNetwork"], terms__terms=["terms"],
        terms__producer=["gradientName", "isGiven", "producer"],
        terms__im2col=["im2colRow", "rowsOfPixel"], terms__routing=["poolWindow", "windowsOnPixel"],
        terms__softmax=["softmaxSteps"], terms__normalization=["normStatistics"],
    )  # fmt: skip


def some_numbers(arrays: dict[str, np.ndarray]) -> list[tuple[str, list[int]]]:
    """Return two indices of every array: the last, and one whose number is not 0, if there is one."""
    rng = np.random.default_rng(1)
    chosen = []
    for name, array in arrays.items():
        places = np.flatnonzero(array) if array.any() else np.arange(array.size)
        for place in {array.size - 1, rng.choice(places)}:
            chosen.append((name, [int(axis) for axis in np.unravel_index(place, array.shape)]))
    return chosen


def engines_terms(t: Trace, name: str, index: list[int]) -> np.ndarray | None:
    """Return the terms that the trace spells out, or None where it does not."""
    try:
        return t.explain(name, index).values
    except UsageError:
        return None


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_number_is_the_sum_of_the_terms_that_a_trace_has(laboratory, name, training):
    net, image = network(NETWORKS[name]()), picture(PICTURE)
    laboratory.build(told(net, image, label_smoothing=0.1))
    laboratory("network.setTraining(given);", training)
    arrays, t = laboratory.arrays(), traced(net, image, label_smoothing=0.1, training=training)
    numbers = some_numbers(arrays)
    found = laboratory("return given.map(([name, index]) => terms(pass, name, index) ?? null);", numbers)
    compared, given = 0, set()
    for (array, index), spelled in zip(numbers, found, strict=True):
        if spelled is None:
            given.add(array.rpartition(".")[2])
            continue
        where = f"{array}{index} = {spelled['operation']}.{spelled['result']}"
        value = arrays[array][tuple(index)]
        scale = max(np.abs(arrays[array]).max(), 1e-300)
        assert abs(spelled["value"] - value) == 0, where
        assert abs(spelled["sum"] - value) <= 1e-10 * scale, where
        values = np.array([term["value"] for term in spelled["terms"]])
        for term in spelled["terms"]:
            product = np.prod([factor["value"] for factor in term["factors"]])
            assert term["value"] == pytest.approx(product, rel=1e-12), where
            for factor in term["factors"] + term.get("arguments", []):
                if "name" in factor and factor["symbol"] == factor["name"].rpartition(".")[2]:
                    assert factor["value"] == arrays[factor["name"]][tuple(factor["index"])], where
        # A trace has the columns of the first group alone, and does not see that Flatten moves numbers.
        otherwise = spelled["operation"].startswith("flatten") or (name == "plain" and array == "conv2.columns")
        expected = engines_terms(t, array, index) if array in t and not otherwise else None
        if expected is not None and np.abs(expected).max(initial=0) > 0:
            compared += 1
            np.testing.assert_allclose(np.sort(values[values != 0]), np.sort(expected[expected != 0]), rtol=1e-9,
                                       atol=1e-12 * scale, err_msg=where)  # fmt: skip
    assert compared > 50
    assert given <= {"images", "labels", "weight", "bias", "mean", "variance", "keep"}


def test_a_number_that_is_handed_on_is_spelled_out_where_it_was_made(laboratory):
    laboratory.build(told(network(plain()), picture(PICTURE)))
    laboratory.arrays()
    made_under = {
        "conv1.x": "x", "conv2.x": "pool1.y", "relu1.dy": "pool1.dx", "dense1.x": "flatten1.y",
        "dropout1.y": "flatten1.y", "flatten1.x": "leakyrelu1.y", "logits": "dense1.y", "dense1.dy": "dlogits",
        "dx": "conv1.dx", "conv1.weight": None, "conv1.z": "conv1.y",
    }  # fmt: skip
    found = laboratory("return given.map((name) => producer(pass, name));", [*made_under])
    assert dict(zip(made_under, found, strict=True)) == made_under
    assert laboratory("return ['images', 'conv1.bias', 'x'].map((name) => isGiven(pass, name));") == [True, True, False]
    assert laboratory("return terms(pass, 'conv2.x', [0, 1, 1, 2]).operation;") == "max_pool2d"
    assert laboratory("return given.map((name) => gradientName(pass, name));", [
        "x", "conv1.x", "conv1.weight", "conv2.x", "dense1.bias", "logits", "images", "conv1.dx",
    ]) == ["dx", "dx", "conv1.dweight", "pool1.dy", "dense1.dbias", "dense1.dy", None, None]  # fmt: skip


def test_of_a_branch_the_gradient_is_that_along_all_paths(laboratory):
    """lrn1.y goes into both branches of residual1: its own dy, the sum, is its gradient."""
    laboratory.build(told(network(residual()), picture(PICTURE)))
    laboratory.arrays()
    assert laboratory("return gradientName(pass, 'residual1.body.conv1.x');") == "lrn1.dy"
    assert laboratory("return producer(pass, 'lrn1.dy');") == "residual1.dx"


def test_batch_norms_three_paths(laboratory):
    laboratory.build(told(network(residual()), picture(PICTURE)))
    laboratory("network.setTraining(true);")
    arrays = laboratory.arrays()
    spelled = laboratory("return terms(pass, 'bn1.dx', [0, 4, 5, 2]);")
    paths = {term["path"]: term["value"] for term in spelled["terms"]}
    dy, x_hat = arrays["bn1.dy"][..., 2], arrays["bn1.x_hat"][..., 2]
    scale = arrays["bn1.weight"][2] / np.sqrt(arrays["bn1.variance"][2] + 1e-5)
    assert paths == {
        "x": pytest.approx(scale * dy[0, 4, 5]),
        "mean": pytest.approx(-scale * dy.mean()),
        "variance": pytest.approx(-scale * x_hat[0, 4, 5] * (dy * x_hat).mean()),
    }
    statistics = laboratory("const s = normStatistics(pass, 'bn1'); return { ...s, mean: [...s.mean] };")
    assert (statistics["given"], statistics["count"]) == (False, 72)
    np.testing.assert_allclose(statistics["mean"], arrays["bn1.x"].mean(axis=(0, 1, 2)))


@pytest.mark.parametrize("layer", ["residual1.body.conv1", "residual2.body"])
def test_rows_of_im2col_and_the_pixels_that_they_copy(laboratory, layer):
    laboratory.build(told(network(residual()), picture(PICTURE)))
    arrays = laboratory.arrays()
    columns, x = arrays[f"{layer}.columns"], arrays[f"{layer}.x"]
    rows = range(0, len(columns), 3)
    found_rows = laboratory("return given[1].map((row) => im2colRow(pass, given[0], row));", [layer, [*rows]])
    for row, found in zip(rows, found_rows, strict=True):
        assert [cell["value"] for cell in found["cells"]] == columns[row].tolist()
        for cell in found["cells"]:
            assert not cell["inside"] or x[0, cell["y"], cell["x"], cell["c"]] == columns[row, cell["column"]]
    pixels = [[0, y, z, 1] for y in range(0, x.shape[1], 2) for z in range(0, x.shape[2], 3)]
    places = laboratory("return given[1].map((pixel) => rowsOfPixel(pass, given[0], pixel));", [layer, pixels])
    for pixel, found in zip(pixels, places, strict=True):
        if x[tuple(pixel)] == 0:
            continue
        copies = np.argwhere(columns == x[tuple(pixel)])  # no other pixel has this very number
        assert sorted([cell["row"], cell["column"]] for cell in found) == copies.tolist()


def test_the_ways_through_a_max_pool(laboratory):
    laboratory.build(told(network(plain()), picture(PICTURE)))
    arrays = laboratory.arrays()
    x, y = arrays["pool1.x"], arrays["pool1.y"]
    window = laboratory("return poolWindow(pass, 'pool1', [0, 1, 2, 3]).cells;")
    assert [cell["value"] for cell in window] == x[0, 2:4, 4:6, 3].ravel().tolist()
    (winner,) = (cell for cell in window if cell["wins"])
    assert winner["value"] == y[0, 1, 2, 3] == x[0, winner["y"], winner["x"], 3]
    (back,) = laboratory("return windowsOnPixel(pass, 'pool1', given);", [0, winner["y"], winner["x"], 3])
    assert back["wins"]
    assert back["dy"] == arrays["pool1.dy"][0, 1, 2, 3] == arrays["pool1.dx"][0, winner["y"], winner["x"], 3]


def test_softmax_step_by_step(laboratory):
    laboratory.build(told(network(plain()), picture(PICTURE), label_smoothing=0.1))
    arrays = laboratory.arrays()
    steps = laboratory("return softmaxSteps(pass);")
    classes = {key: np.array([step[key] for step in steps["classes"]]) for key in steps["classes"][0]}
    z = arrays["logits"][0]
    np.testing.assert_allclose(classes["exponential"] / steps["sum"], np.exp(z) / np.exp(z).sum(), rtol=1e-12)
    np.testing.assert_allclose(classes["q"], [0.02, 0.92, 0.02, 0.02, 0.02], rtol=1e-12)
    np.testing.assert_allclose(classes["dlogit"], arrays["dlogits"][0], rtol=1e-12)
    assert classes["lossTerm"].sum() == pytest.approx(arrays["loss"], rel=1e-12)


def test_a_number_that_is_not_there_is_refused(laboratory):
    laboratory.build(told(network(plain()), picture(PICTURE)))
    laboratory.arrays()
    for name, index, message in [("conv1.y", [0, 0, 0, 4], "no number"), ("conv7.y", [0], "no conv7.y")]:
        with pytest.raises(Exception, match=message):
            laboratory("terms(pass, given[0], given[1]);", [name, index])
