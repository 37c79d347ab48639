"""The residual connection: its formula, its two gradient paths, and a clear error where shapes do not add up."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, ReLU, Residual, Sequential, gradcheck
from minicnn.errors import ShapeError
from tests.comparison import assert_close


def test_it_adds_the_input_to_what_its_body_makes_of_it(mode, rng):
    net = Sequential([Residual([Dense(4), ReLU()])], (4,), dtype="float64")
    x, dy = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    weight, bias = (net.parameters()[f"residual1.body.dense1.{name}"].value for name in ("weight", "bias"))
    hidden = np.maximum(x @ weight + bias, 0)
    assert_close(net.forward(x, training=True), hidden + x)
    assert_close(net.backward(dy), (dy * (hidden > 0)) @ weight.T + dy)


def test_a_network_of_residuals_with_and_without_shortcut_is_right(mode):
    net = Sequential(
        [
            Conv2D(4, 3, padding=1), ReLU(),
            Residual([Conv2D(4, 3, padding=1), ReLU(), Conv2D(4, 3, padding=1)]), ReLU(),
            Residual([Conv2D(6, 3, stride=2, padding=1), ReLU()], shortcut=[Conv2D(6, 1, stride=2)]),
            Flatten(), Dense(3),
        ],
        (6, 5, 2),
    )  # fmt: skip
    names = list(net.parameters())
    assert "residual1.body.conv2.weight" in names
    assert "residual2.shortcut.conv1.bias" in names
    assert gradcheck(net, (6, 5, 2)).passed


def test_shapes_that_do_not_add_up_are_explained():
    with pytest.raises(ShapeError, match=r"residual1.*4×4×8 of its body to 4×4×3 of its input.*a shortcut"):
        Sequential([Residual([Conv2D(8, 3, padding="same")])], (4, 4, 3))


def test_the_input_s_gradient_may_be_left_out(mode, rng):
    net = Sequential([Residual([Dense(4)])], (4,), dtype="float64")
    net.forward(rng.standard_normal((3, 4)), training=True)
    assert net.backward(np.ones((3, 4)), input_gradient=False) is None
    assert net.parameters()["residual1.body.dense1.weight"].grad is not None


@pytest.mark.parametrize("place", ["body", "shortcut"])
def test_after_a_forward_pass_that_failed_there_is_nothing_to_go_back_through(place, mode, rng):
    class Fails(ReLU):
        broken = False

        def forward(self, x, training=False):
            if self.broken:
                raise ArithmeticError("broken on purpose")
            return super().forward(x, training)

    layer = Residual(Dense(4), Fails()) if place == "shortcut" else Residual(Fails(), Dense(4))
    layer.build((4,), rng, "float64")
    x = rng.standard_normal((2, 4))
    layer.forward(x, training=True)
    Fails.broken = True
    with pytest.raises(ArithmeticError):
        layer.forward(x, training=True)
    with pytest.raises(RuntimeError, match="Residual: backward needs a forward pass before it"):
        layer.backward(np.ones((2, 4)))
    Fails.broken = False
    layer.forward(x, training=True)
    layer.forward(x)  # which keeps nothing, and disturbs nothing
    assert layer.backward(np.ones((2, 4))).shape == (2, 4)
