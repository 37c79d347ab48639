"""What holds for every layer: shapes, dtypes, accumulation, one backward pass a forward pass, arguments untouched."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import keep_for_backward
from tests.layers.cases import LAYERS, batch, built, layer_classes


def test_every_public_layer_is_tried():
    assert {name.split()[0] for name in LAYERS} == layer_classes()


@pytest.mark.parametrize("name", LAYERS)
def test_shapes_are_the_promised_ones_and_the_dtype_stays(name, mode, dtype, rng):
    layer = built(name, dtype)
    x = batch(name, rng, dtype)
    y = layer.forward(x, training=True)
    assert y.shape == (2, *layer.output_shape)
    assert y.dtype == dtype
    dx = layer.backward(rng.standard_normal(y.shape).astype(dtype))
    assert dx.shape == x.shape
    assert dx.dtype == dtype
    for parameter in layer.parameters().values():
        assert parameter.grad.shape == parameter.value.shape
        assert parameter.grad.dtype == parameter.value.dtype == dtype


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_have_the_shapes_that_were_known_before_they_were_made(name):
    make, input_shape = LAYERS[name]
    shaped = make()
    shaped.fix_shapes(input_shape)
    layer = built(name)
    assert shaped.output_shape == layer.output_shape
    declared = [(key, p.shape) for key, p in shaped.parameters().items()]
    assert declared == [(key, p.value.shape) for key, p in layer.parameters().items()]
    assert all(p.value is None for p in shaped.parameters().values())


@pytest.mark.parametrize("name", LAYERS)
def test_neither_pass_changes_its_argument_or_a_parameter(name, mode, rng):
    layer = built(name)
    x = batch(name, rng)
    x_before, values = x.copy(), {key: p.value.copy() for key, p in layer.parameters().items()}
    y = layer.forward(x, training=True)
    dy = rng.standard_normal(y.shape)
    dy_before = dy.copy()
    layer.backward(dy)
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(dy, dy_before)
    for key, parameter in layer.parameters().items():
        np.testing.assert_array_equal(parameter.value, values[key])


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_add_up_until_they_are_forgotten(name, mode, rng):
    layer, once = built(name), built(name)
    x = batch(name, rng)
    dy = rng.standard_normal((2, *layer.output_shape))
    with keep_for_backward():  # in evaluation, where dropout does nothing: its masks differ from pass to pass
        once.forward(x)
        once.backward(dy)
        for _ in range(3):
            layer.forward(x)
            layer.backward(dy)
    for key, parameter in layer.parameters().items():
        np.testing.assert_allclose(parameter.grad, 3 * once.parameters()[key].grad, rtol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_a_second_backward_pass_is_refused(name, mode, rng):
    layer = built(name)
    y = layer.forward(batch(name, rng), training=True)
    layer.backward(np.ones_like(y))
    with pytest.raises(RuntimeError, match="each forward pass allows one backward pass"):
        layer.backward(np.ones_like(y))


@pytest.mark.parametrize("name", LAYERS)
def test_a_backward_pass_without_a_forward_pass_is_refused(name, mode):
    layer = built(name)
    with pytest.raises(RuntimeError, match="backward needs a forward pass before it"):
        layer.backward(np.ones((2, *layer.output_shape)))


@pytest.mark.parametrize("name", LAYERS)
def test_leaving_out_the_input_s_gradient_leaves_the_others_as_they_are(name, mode, rng):
    with_dx, without_dx = built(name), built(name)
    x = batch(name, rng)
    dy = rng.standard_normal((2, *with_dx.output_shape))
    for layer in (with_dx, without_dx):
        layer.forward(x, training=True)
    assert with_dx.backward(dy) is not None
    assert without_dx.backward(dy, input_gradient=False) is None
    for key, parameter in without_dx.parameters().items():
        np.testing.assert_allclose(parameter.grad, with_dx.parameters()[key].grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_a_sample_s_output_does_not_depend_on_its_batch(name, mode, rng):
    layer = built(name)
    x = batch(name, rng, n=5)
    together = layer.forward(x)
    alone = np.concatenate([layer.forward(x[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12 * np.abs(together).max())


@pytest.mark.parametrize("name", LAYERS)
def test_both_modes_agree(name, dtype, rng):
    from minicnn import use_kernels

    x = batch(name, rng, dtype)
    outcomes = []
    for mode in ("reference", "fast"):
        with use_kernels(mode):
            layer = built(name, dtype)
            y = layer.forward(x, training=True)
            dx = layer.backward(np.random.default_rng(1).standard_normal(y.shape).astype(dtype))
            outcomes.append([y, dx, *(p.grad for p in layer.parameters().values())])
    for got, right in zip(outcomes[1], outcomes[0], strict=True):
        np.testing.assert_allclose(got, right, rtol=0, atol=np.abs(right).max() * {"float32": 2e-5}.get(dtype, 1e-12))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_describes_itself(name):
    layer = built(name)
    assert repr(layer).startswith(type(layer).__name__ + "(")


def test_a_layer_that_was_never_built_is_refused(rng):
    from minicnn.layers import Conv2D, Dense, Dropout, MaxPool2D

    for layer in (Conv2D(2, 3), Dense(3), Dropout(), MaxPool2D(2)):
        with pytest.raises(RuntimeError, match=f"{type(layer).__name__} has no shapes yet"):
            layer.forward(rng.standard_normal((1, 5, 5, 1)))
    conv = Conv2D(2, 3)
    conv.fix_shapes((5, 5, 1))
    with pytest.raises(RuntimeError, match="Conv2D has no weights yet"):
        conv.forward(rng.standard_normal((1, 5, 5, 1)))


def test_convert_changes_the_dtype_and_forgets_gradients(rng):
    layer = built("Sequential 0", "float32")
    before = {key: p.value.copy() for key, p in layer.parameters().items()}
    y = layer.forward(batch("Sequential 0", rng, "float32"), training=True)
    layer.backward(np.ones_like(y))
    layer.convert(dtype="float64")
    for key, parameter in layer.parameters().items():
        assert parameter.value.dtype == "float64"
        assert parameter.grad is None
        np.testing.assert_array_equal(parameter.value, before[key])
    assert layer.forward(batch("Sequential 0", rng)).dtype == "float64"
