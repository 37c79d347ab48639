"""Saving and loading: a round trip is exact, and a file that does not fit changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, ReLU, Sequential
from minicnn.errors import UsageError


def network(seed=0, units=3, dtype="float32"):
    return Sequential([Conv2D(4, 3), ReLU(), Flatten(), Dense(units)], (6, 6, 2), seed=seed, dtype=dtype)


def values(net):
    return {name: parameter.value.copy() for name, parameter in net.parameters().items()}


def assert_equal(got, expected):
    assert list(got) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(got[name], value)


def test_a_round_trip_is_exact(tmp_path, dtype, rng):
    net, other = network(seed=1, dtype=dtype), network(seed=2, dtype=dtype)
    net.save(tmp_path / "net.safetensors")
    other.load(str(tmp_path / "net.safetensors"))
    assert_equal(values(other), values(net))
    x = rng.standard_normal((2, 6, 6, 2)).astype(dtype)
    np.testing.assert_array_equal(other.forward(x), net.forward(x))
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_saving_again_replaces_the_file(tmp_path):
    first, second, reader = network(seed=1), network(seed=2), network(seed=3)
    first.save(tmp_path / "net.safetensors")
    second.save(tmp_path / "net.safetensors")
    reader.load(tmp_path / "net.safetensors")
    assert_equal(values(reader), values(second))


def test_other_software_can_read_the_file(tmp_path):
    from safetensors.numpy import load_file

    net = network()
    net.save(tmp_path / "net.safetensors")
    assert_equal(dict(sorted(load_file(tmp_path / "net.safetensors").items())), dict(sorted(values(net).items())))


def test_a_network_keeps_its_own_dtype(tmp_path):
    network(seed=1, dtype="float64").save(tmp_path / "net.safetensors")
    single = network(seed=2)
    single.load(tmp_path / "net.safetensors")
    assert {parameter.value.dtype.name for parameter in single.parameters().values()} == {"float32"}


def damage(path):
    """Yield (what was done, the bytes that stand in the file then)."""
    whole = path.read_bytes()
    yield "cut in the middle", whole[: len(whole) // 2]
    yield "cut in the header", whole[:5]
    yield "empty", b""
    yield "no safetensors", b"PNG and so on" * 100


def test_a_damaged_file_is_refused_and_the_network_stays_as_it_was(tmp_path):
    path = tmp_path / "net.safetensors"
    network(seed=1).save(path)
    net = network(seed=2)
    before = values(net)
    for what, content in list(damage(path)):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="is damaged or no safetensors file") as caught:
            net.load(path)
        assert "\n" not in str(caught.value), what
        assert_equal(values(net), before)


def test_another_network_s_file_is_refused_by_the_parameter_that_differs(tmp_path):
    path = tmp_path / "net.safetensors"
    network(units=5).save(path)
    net = network(seed=2)
    before = values(net)
    with pytest.raises(
        UsageError, match=r"another network's weights: dense1.weight is \(64, 5\) there, \(64, 3\) here"
    ):
        net.load(path)
    assert_equal(values(net), before)
    Sequential([Conv2D(4, 3)], (6, 6, 2)).save(path)
    with pytest.raises(UsageError, match=r"dense1.weight is nothing of that name there"):
        net.load(path)
    network().save(path)
    with pytest.raises(UsageError, match=r"dense1.bias is \(3,\) there, nothing of that name here"):
        Sequential([Conv2D(4, 3)], (6, 6, 2)).load(path)
    assert_equal(values(net), before)


def test_a_missing_file_and_a_missing_folder_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"there is no weight file .*absent.safetensors"):
        network().load(tmp_path / "absent.safetensors")
    with pytest.raises(UsageError, match="cannot write"):
        network().save(tmp_path / "absent" / "net.safetensors")
    with pytest.raises(UsageError, match="is a folder: give the weight file in it"):
        network().load(tmp_path)
