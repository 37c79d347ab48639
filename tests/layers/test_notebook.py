"""What a network shows in a notebook."""

from __future__ import annotations

import numpy as np

from minicnn import BatchNorm2D, Conv2D, Dense, Flatten, ReLU, Residual, Sequential
from tests.notebook_pieces import parsed, pictures, rows, text_of


def test_a_network_is_a_table_of_its_tree() -> None:
    body = Sequential([Conv2D(4, 3, padding=1), BatchNorm2D()])
    net = Sequential([Conv2D(4, 3), Residual(body), ReLU(), Flatten(), Dense(2)], input_shape=(8, 7, 3))
    net.conv1.freeze()
    html = net._repr_html_()
    _, *layers = rows(html)
    assert [row[0] for row in layers] == [path for path, _ in net.walk() if path]
    assert layers[0][:6] == ["conv1", "Conv2D", net.conv1.describe(), "6×5×4", "112", "frozen"]
    assert layers[3][4] == "148"  # residual1.body.conv1
    assert "reads 8×7×3: 510 parameters" in text_of(parsed(html))
    assert [name.split()[-1] for name in pictures(html)] == ["conv1", "residual1.body.conv1"]


def test_filters_of_three_channels_are_in_colour() -> None:
    net = Sequential([Conv2D(2, 2)], input_shape=(4, 4, 3))
    net.conv1.weight.value = np.zeros((2, 2, 3, 2), "float32")
    net.conv1.weight.value[0, 1, 2, 0] = 1  # blue, in the first filter
    (pixels,) = pictures(net._repr_html_()).values()
    assert pixels[0, 1].tolist() == [0, 0, 255, 255] and pixels[1, 1].tolist() == [0, 0, 0, 255]


def test_a_layer_without_shapes_shows_what_is_known() -> None:
    html = Conv2D(3, 3)._repr_html_()
    assert rows(html)[1][:5] == ["layer", "Conv2D", "3, 3×3, stride=1, padding='valid'", "–", "–"]
    assert "without shapes so far" in html
