"""A network as a whole: fusing changes nothing, a seed gives the same weights, and it equals its layers by hand."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import (
    AvgPool2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Sequential,
    Sigmoid,
    gradcheck,
    keep_for_backward,
    ops,
    use_kernels,
)
from minicnn.errors import ShapeError, UsageError
from minicnn.layers.passes import Absent
from tests.comparison import assert_close

NETWORKS = {
    "conv relu pool": lambda: [Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(3)],
    "conv pool, conv relu": lambda: [Conv2D(4, 3), MaxPool2D(2), Conv2D(5, 2, padding="same"), ReLU(), Flatten()],
    "overlapping pools": lambda: [Conv2D(4, 3, stride=2, padding=1), ReLU(), MaxPool2D(3, stride=2), Conv2D(2, 2)],
    "nothing to fuse": lambda: [Conv2D(3, 2), Sigmoid(), AvgPool2D(2), Conv2D(2, 1), Sigmoid(), MaxPool2D(2)],
    "relu before conv": lambda: [ReLU(), Conv2D(4, 3), ReLU(), ReLU(), MaxPool2D(2)],
    "5x5 same": lambda: [Conv2D(4, 5, padding="same"), ReLU(), MaxPool2D(2)],
}


@pytest.mark.parametrize("input_gradient", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_fused_network_equals_one_run_layer_by_layer(name, input_gradient, dtype, rng):
    fused, plain = (Sequential(NETWORKS[name](), (11, 12, 3), seed=4, dtype=dtype, fuse=f) for f in (True, False))
    x = rng.standard_normal((3, 11, 12, 3)).astype(dtype)
    dy = rng.standard_normal((3, *plain.output_shape)).astype(dtype)
    with use_kernels("fast"):
        for pass_number in range(2):  # the second adds to the gradients of the first
            assert_close(fused.forward(x, True), plain.forward(x, True), dtype, f"output {pass_number}")
            dx, expected = (net.backward(dy, input_gradient=input_gradient) for net in (fused, plain))
            if input_gradient:
                assert_close(dx, expected, dtype, "dx")
            else:
                assert dx is None
                assert expected is None
    for key, parameter in fused.parameters().items():
        assert_close(parameter.grad, plain.parameters()[key].grad, dtype, key)


def test_layers_show_what_a_training_pass_kept_in_every_mode(rng):
    x = rng.standard_normal((1, 8, 8, 3)).astype("float32")
    kept = {}
    for mode, fuse in (("fast", True), ("fast", False), ("reference", True)):
        net = Sequential([Conv2D(4, 3), ReLU(), MaxPool2D(2), Conv2D(2, 2), ReLU(), Flatten()], (8, 8, 3), fuse=fuse)
        with use_kernels(mode):
            net.forward(x, training=True)
        assert net.conv1.x is x
        assert net.pool1.argmax.shape == (1, 3, 3, 4)
        kept[mode, fuse] = (net.conv2.x, net.pool1.argmax, net.relu2.y)
        fused = (mode, fuse) == ("fast", True)
        assert isinstance(net.relu1.y, Absent) == fused
        if fused:
            assert "never writes this output" in repr(net.relu1.y)
            with pytest.raises(RuntimeError, match="there is no such array: convolution, ReLU and max-pool ran as one"):
                np.asarray(net.relu1.y)
        net.backward(np.ones((1, 8), "float32"))
        assert net.conv1.x is net.pool1.argmax is net.relu2.y is None, "the numbers go with backward"
    for got in kept.values():
        for array, expected in zip(got, kept["reference", True], strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-5, atol=1e-6)


def test_an_inference_pass_keeps_nothing(mode, rng):
    net = Sequential([Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.5), Dense(3), Sigmoid()], (8, 8, 3))
    net.forward(rng.standard_normal((1, 8, 8, 3)).astype("float32"))
    for name, layer in net.walk():
        arrays = [key for key, value in vars(layer).items() if isinstance(value, np.ndarray | Absent)]
        assert arrays == [], name
    with pytest.raises(RuntimeError, match="backward needs a forward pass before it, with training=True"):
        net.backward(np.ones((1, 3), "float32"))


def test_a_gradient_in_evaluation_is_possible(mode, rng):
    net = Sequential(
        [Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.5), Dense(3)], (8, 8, 3), dtype="float64"
    )
    x, dy = rng.standard_normal((1, 8, 8, 3)), rng.standard_normal((1, 3))
    with keep_for_backward():
        y = net.forward(x)
    assert_close(net.forward(x), y)  # a pass that keeps nothing disturbs nothing
    dx = net.backward(dy)
    step = 1e-6 * rng.standard_normal(x.shape)
    difference = ((net.forward(x + step) - net.forward(x - step)) * dy).sum() / 2
    np.testing.assert_allclose((dx * step).sum(), difference, rtol=1e-5)


@pytest.mark.parametrize("last", [ReLU, Sigmoid, Flatten])
def test_what_is_handed_out_cannot_corrupt_what_is_kept(last, mode, rng):
    net = Sequential([Conv2D(4, 3), ReLU(), last()], (6, 6, 3), dtype="float64")
    y = net.forward(rng.standard_normal((2, 6, 6, 3)), training=True)
    with pytest.raises(ValueError, match="read-only"):
        y -= 10
    alone = last()
    alone.build((6, 6, 3), rng, "float64")
    if last is not Flatten:  # which keeps no array
        with pytest.raises(ValueError, match="read-only"):
            alone.forward(rng.standard_normal((2, 6, 6, 3)), training=True)[0] = 1


def test_after_a_forward_pass_that_failed_there_is_nothing_to_go_back_through(mode, rng):
    class Fails(ReLU):
        broken = False

        def forward(self, x, training=False):
            if self.broken:
                raise ArithmeticError("broken on purpose")
            return super().forward(x, training)

    net = Sequential([Dense(3), Fails(), Dense(2)], (4,), dtype="float64")
    x = rng.standard_normal((2, 4))
    net.forward(x, training=True)
    Fails.broken = True
    with pytest.raises(ArithmeticError):
        net.forward(x, training=True)
    with pytest.raises(RuntimeError, match="backward needs a forward pass before it"):
        net.backward(np.ones((2, 2)))


def test_backward_follows_the_forward_pass_that_was_run_whatever_the_mode_is_by_then(rng):
    net = Sequential([Conv2D(4, 3), ReLU(), MaxPool2D(2)], (8, 8, 3), dtype="float64")
    x = rng.standard_normal((1, 8, 8, 3))
    with use_kernels("fast"):
        y = net.forward(x, training=True)
    with use_kernels("reference"):
        dx = net.backward(np.ones_like(y))
        net.forward(x, training=True)
    with use_kernels("fast"):
        assert_close(net.backward(np.ones_like(y)), dx)


def test_a_network_equals_its_operations_written_out(mode, rng):
    net = Sequential([Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(3)], (8, 7, 2), dtype="float64")
    value = {name: p.value for name, p in net.parameters().items()}
    x, dy = rng.standard_normal((2, 8, 7, 2)), rng.standard_normal((2, 3))

    z = ops.conv2d(x, value["conv1.weight"], value["conv1.bias"])
    a = ops.relu(z)
    pooled, argmax = ops.max_pool2d(a, (2, 2), (2, 2), (0, 0))
    flat = pooled.reshape(2, -1)
    assert_close(net.forward(x, training=True), ops.dense(flat, value["dense1.weight"], value["dense1.bias"]))

    dflat, dweight_dense, dbias_dense = ops.dense_backward(dy, flat, value["dense1.weight"])
    da = ops.max_pool2d_backward(dflat.reshape(pooled.shape), argmax, a.shape, (2, 2), (2, 2), (0, 0))
    dx, dweight, dbias = ops.conv2d_backward(ops.relu_backward(da, a), x, value["conv1.weight"], (1, 1), (0, 0))
    assert_close(net.backward(dy), dx)
    for name, expected in {
        "conv1.weight": dweight, "conv1.bias": dbias, "dense1.weight": dweight_dense, "dense1.bias": dbias_dense,
    }.items():  # fmt: skip
        assert_close(net.parameters()[name].grad, expected, what=name)


def test_flatten_reads_row_by_row_with_channels_last(mode, rng):
    net = Sequential([Flatten()], (2, 3, 4), dtype="float64")
    x = rng.standard_normal((2, 2, 3, 4))
    assert net.forward(x)[1, 1 * 12 + 2 * 4 + 3] == x[1, 1, 2, 3]
    np.testing.assert_array_equal(net.backward(net.forward(x, training=True)), x)


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    one, same, other = (Sequential([Conv2D(4, 3), Flatten(), Dense(3)], (6, 6, 3), seed=s) for s in (1, 1, 2))
    for name, parameter in one.parameters().items():
        np.testing.assert_array_equal(parameter.value, same.parameters()[name].value)
    assert not np.array_equal(one.parameters()["conv1.weight"].value, other.parameters()["conv1.weight"].value)


def test_both_dtypes_begin_with_the_same_weights():
    single, double = (Sequential([Dense(3)], (4,), seed=1, dtype=d) for d in ("float32", "float64"))
    np.testing.assert_array_equal(
        single.parameters()["dense1.weight"].value,
        double.parameters()["dense1.weight"].value.astype("float32"),
    )


def test_a_network_inside_a_network(mode, rng):
    def flat():
        return Sequential([Conv2D(3, 3), ReLU(), Flatten(), Dense(4), ReLU(), Dense(2)], (6, 6, 2), seed=3)

    nested = Sequential(
        [Sequential([Conv2D(3, 3), ReLU()]), Flatten(), Sequential([Dense(4), ReLU(), Dense(2)])], (6, 6, 2), seed=3
    )
    expected = flat()
    assert [p.value.shape for p in nested.parameters().values()] == [
        p.value.shape for p in expected.parameters().values()
    ]
    assert next(iter(nested.parameters())) == "sequential1.conv1.weight"
    x = rng.standard_normal((2, 6, 6, 2)).astype("float32")
    np.testing.assert_allclose(nested.forward(x, True), expected.forward(x, True), rtol=1e-5, atol=1e-6)
    dx = nested.backward(np.ones((2, 2), "float32"))
    np.testing.assert_allclose(dx, expected.backward(np.ones((2, 2), "float32")), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_batches_of_any_size(n, mode, rng):
    net = Sequential([Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.5), Dense(3)], (8, 8, 3))
    y = net.forward(rng.standard_normal((n, 8, 8, 3)).astype("float32"), training=True)
    assert y.shape == (n, 3)
    assert net.backward(y).shape == (n, 8, 8, 3)


def test_networks_inside_networks_convert_and_are_checked():
    inner = Sequential([Sequential([Dense(4)]), Sigmoid()])
    net = Sequential([inner, Dense(2)], input_shape=(5,))
    assert gradcheck(net, (5,)).passed
    net.convert("float64")
    assert net.forward(np.ones((1, 5))).dtype == "float64"


def test_a_layer_is_exchanged_by_its_name_and_only_so(rng):
    net = Sequential([Conv2D(2, 3), ReLU(), Flatten(), Dense(3)], input_shape=(6, 6, 1))
    x = rng.standard_normal((1, 6, 6, 1)).astype("float32")
    net.forward(x)
    with pytest.raises(TypeError):
        net.layers[3] = Dense(5)
    net.dense1 = Dense(5)
    net.build((6, 6, 1), rng)
    assert net.layers[3] is net.dense1
    assert net.forward(x).shape == (1, 5), "the plan is made anew"
    net.relu1 = Sigmoid()
    net.build((6, 6, 1), rng)
    assert net.relu1.name == "relu1"
    assert "conv1 + relu1" not in str(net.plan())


@pytest.mark.parametrize("wrong", ["relu", ReLU, None])
def test_what_is_no_layer_is_named(wrong):
    with pytest.raises(UsageError, match="place 2 of a Sequential"):
        Sequential([Conv2D(2, 3), wrong])


@pytest.mark.parametrize("shape", [4, (4, 4), (0,), (4.0,), "44"])
def test_an_input_shape_that_is_none_is_refused(shape):
    with pytest.raises(ShapeError, match="input_shape"):
        Sequential([Dense(2)], input_shape=shape)


def test_numpys_whole_numbers_will_do():
    net = Sequential([Conv2D(np.int64(3), np.int64(3)), Flatten(), Dense(np.int32(2))], (np.int64(5), 5, 1))
    assert net.output_shape == (2,)


@pytest.mark.parametrize("settings", [{"padding": (1, 2, 3)}, {"padding": 1.5}, {"padding": None}, {"stride": 0}])
def test_a_convolution_with_settings_that_are_none_is_refused(settings):
    with pytest.raises(ShapeError):
        Sequential([Conv2D(2, 3, **settings)], (6, 6, 1))


def test_a_pair_of_filters_is_refused():
    with pytest.raises(ShapeError, match="filters"):
        Conv2D((3, 4), 3)


def test_looking_at_the_plan_before_the_weights_are_there_changes_nothing(rng):
    net = Sequential([Conv2D(3, 3), ReLU(), Flatten(), Dense(3)])
    net.plan(training=True)
    net.build((6, 6, 2), rng)
    y = net.forward(rng.standard_normal((1, 6, 6, 2)).astype("float32"), training=True)
    net.backward(np.ones_like(y), input_gradient=False)
    assert net.conv1.weight.grad is not None


def test_settings_that_change_change_the_plan(rng):
    with use_kernels("fast"):
        net = Sequential([Conv2D(3, 3, padding=1), ReLU()], (6, 6, 2))
        assert "conv1 + relu1" in str(net.plan())
        net.conv1.dilation, net.conv1.padding_setting = (2, 2), 2
        net.build((6, 6, 2), rng)
        assert "conv1 + relu1" not in str(net.plan()), "conv_block knows no dilation"
        net.conv1.dilation, net.conv1.padding_setting = (1, 1), 1
        net.fuse = False
        assert "fuse=False" in str(net.plan())


def test_a_layer_can_neither_be_taken_out_nor_put_beside():
    net = Sequential([Conv2D(3, 3), ReLU()], (6, 6, 2))
    with pytest.raises(UsageError, match="conv1 cannot be taken out of a Sequential"):
        del net.conv1
    with pytest.raises(UsageError, match="can only be replaced by another layer, got None"):
        net.conv1 = None
    with pytest.raises(UsageError, match="head is no layer of this Sequential"):
        net.head = Dense(2)


def test_names_never_collide():
    class Conv1(ReLU):
        kind = "conv1"

    net = Sequential([Conv1(), *(Conv2D(2, 1) for _ in range(11))], (3, 3, 2))
    assert len(net.layers) == len(net.children()) == 12


@pytest.mark.parametrize("name", ["_c", "fuse", "a.b", "forward", 1])
def test_names_that_cannot_be_used_are_refused(name):
    with pytest.raises(UsageError, match="cannot be a layer's name"):
        Sequential({name: ReLU()})


@pytest.mark.parametrize("layers", [ReLU(), None, 3])
def test_what_is_no_list_of_layers_is_refused(layers):
    with pytest.raises(UsageError, match="needs a list of layers"):
        Sequential(layers)


def test_a_gradient_unlike_the_output_is_refused_and_the_right_one_still_taken(mode, rng):
    net = Sequential([Dense(3), ReLU()], (4,))
    y = net.forward(rng.standard_normal((2, 4)).astype("float32"), training=True)
    with pytest.raises(TypeError, match=r"should be like that; it is .* float64"):
        net.backward(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"it is \(1,\)"):
        net.backward(np.ones(1, "float32"))
    assert net.backward(np.ones_like(y)).shape == (2, 4)


def test_what_a_layer_of_a_network_hands_out_directly_cannot_be_changed_either(rng):
    net = Sequential([ReLU(), Flatten()], (3, 3, 1), dtype="float64")
    y = net.relu1.forward(rng.standard_normal((1, 3, 3, 1)), training=True)
    with pytest.raises(ValueError, match="read-only"):
        y -= 1
