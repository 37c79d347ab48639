"""What the page is told: what does not fit is refused, and what is too large to be computed there is said."""

from __future__ import annotations

import pytest

from minicnn import Conv2D, Dense, Flatten, Layer, ReLU, Sequential
from minicnn.errors import UsageError
from minicnn.inspection.explain import page_data
from minicnn.inspection.explain.description import obstacle_to_computing
from tests.inspection.explain.laboratory import NORMALIZATION, picture, traced

PICTURE = (9, 8, 3)


def network(layers: list[Layer] | None = None) -> Sequential:
    return Sequential(layers or [Conv2D(4, 3), ReLU(), Flatten(), Dense(5)], PICTURE, dtype="float64")


def test_what_does_not_fit_is_refused():
    net, classes = network(), list("abcde")
    with pytest.raises(UsageError, match=r"9×8×3.*4×4×3"):
        page_data(net, picture((4, 4, 3)), NORMALIZATION, classes)
    with pytest.raises(UsageError, match="5 outputs, and classes names 4"):
        page_data(net, picture(PICTURE), NORMALIZATION, classes[:4])
    with pytest.raises(UsageError, match="label 5"):
        page_data(net, picture(PICTURE), NORMALIZATION, classes, label=5)
    with pytest.raises(UsageError, match="makes 7×6×4"):
        page_data(network([Conv2D(4, 3)]), picture(PICTURE), NORMALIZATION, classes)


def test_without_a_label_the_loss_is_about_the_likeliest_class():
    net, image = network(), picture(PICTURE)
    data = page_data(net, image, NORMALIZATION, list("abcde"))
    assert data["label"] == traced(net, image)["probabilities"].value.argmax()


def test_what_a_page_does_not_compute_is_told():
    class Own(ReLU):
        pass

    assert obstacle_to_computing(network()) is None
    assert obstacle_to_computing(network([Own(), Flatten(), Dense(5)])) == {
        "key": "layer",
        "layer": "relu1",
        "kind": "Own",
    }
    wide = Sequential([Flatten(), Dense(12_000), Dense(5)], PICTURE)
    assert obstacle_to_computing(wide)["key"] == "parameters"  # type: ignore[index]
