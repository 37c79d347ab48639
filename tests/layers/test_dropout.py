"""The dropout layer: nothing in evaluation, a fresh and reproducible mask in training, the same one backwards."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import Dropout, Sequential, keep_for_backward
from minicnn.layers.base import generators_state, restore_generators


def network(rate=0.5, seed=0):
    return Sequential([Dropout(rate)], (1000,), seed=seed, dtype="float64")


def test_evaluation_lets_everything_through(mode, rng):
    x = rng.standard_normal((3, 1000))
    net = network()
    with keep_for_backward():
        np.testing.assert_array_equal(net.forward(x), x)
    np.testing.assert_array_equal(net.backward(x), x)


def test_a_rate_of_zero_lets_everything_through_in_training_too(mode, rng):
    x = rng.standard_normal((3, 1000))
    net = network(rate=0.0)
    np.testing.assert_array_equal(net.forward(x, training=True), x)
    np.testing.assert_array_equal(net.backward(x), x)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_training_drops_the_rate_and_keeps_the_mean(rate, mode):
    y = network(rate).forward(np.ones((200, 1000)), training=True)
    assert set(np.unique(y)) == {0.0, 1 / (1 - rate)}
    deviation = (rate / (1 - rate) / y.size) ** 0.5
    assert abs(y.mean() - 1) < 4 * deviation


def test_backward_uses_the_mask_of_the_forward_pass(mode):
    net = network()
    y = net.forward(np.ones((3, 1000)), training=True)
    np.testing.assert_array_equal(net.backward(np.ones((3, 1000))), y)


def test_every_forward_pass_and_every_seed_has_its_own_mask(mode):
    x = np.ones((1, 1000))
    net, other = network(), network(seed=1)
    first, second = net.forward(x, training=True), net.forward(x, training=True)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other.forward(x, training=True))


def test_the_same_seed_gives_the_same_masks_and_both_modes_agree_on_them(mode):
    from minicnn import use_kernels

    x = np.ones((2, 1000))
    net, same = network(), network()
    for _ in range(3):
        with use_kernels("reference"):
            expected = same.forward(x, training=True)
        np.testing.assert_array_equal(net.forward(x, training=True), expected)


def test_two_dropout_layers_of_a_network_are_independent():
    net = Sequential([Dropout(0.5), Dropout(0.5)], (1000,))
    seeds = [int(rng.integers(2**63)) for rng in net.random_generators().values()]
    assert list(net.random_generators()) == ["dropout1.rng", "dropout2.rng"]
    assert len(set(seeds)) == 2


def test_a_saved_state_brings_the_masks_back(mode):
    import json

    x = np.ones((1, 1000))
    net = network()
    net.forward(x, training=True)
    state = json.loads(json.dumps(generators_state(net)))  # as a checkpoint keeps it
    expected = net.forward(x, training=True)
    fresh = network(seed=7)
    restore_generators(fresh, state)
    np.testing.assert_array_equal(fresh.forward(x, training=True), expected)
