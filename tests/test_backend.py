"""Which module works on an array, where it lives, and how it moves. What a missing GPU says is in tests/gpu."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn.backend import array_module, device_of, is_array, special_functions, to_device, to_numpy
from minicnn.devices import resolve_device
from minicnn.errors import DeviceError, ShapeError, UsageError
from tests.device_stand_in import DeviceArray, namespace


def test_every_array_has_its_module():
    assert array_module(np.ones(2)) is np
    assert array_module(np.float32(1)) is np
    assert array_module(DeviceArray(np.ones(2))) is namespace


def test_every_array_has_its_special_functions():
    x = np.array([0.0, 1.0])
    right = [1.0, 0.15729920705028513]  # Abramowitz & Stegun 1964, table 7.1
    np.testing.assert_allclose(special_functions(x).erfc(x), right, rtol=1e-15)
    np.testing.assert_allclose(special_functions(DeviceArray(x)).erfc(DeviceArray(x)).get(), right, rtol=1e-15)


@pytest.mark.parametrize("x", [[1.0], 1.0, "x", None], ids=repr)
def test_what_is_no_array_is_refused_with_what_to_do(x):
    with pytest.raises(TypeError, match=rf"got {type(x).__name__}; convert it with numpy.asarray first"):
        array_module(x)
    assert not is_array(x)


def test_scalars_are_no_arrays_that_a_device_is_chosen_by():
    assert is_array(np.ones(()))
    assert not is_array(np.float64(1.0))


def test_device_of():
    assert device_of(np.ones(1)) == "cpu"
    assert device_of(DeviceArray(np.ones(1))) == "gpu"


def test_to_numpy_copies_from_a_device_and_nothing_else():
    x = np.arange(3.0)
    assert to_numpy(x) is x
    back = to_numpy(DeviceArray(x))
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, x)
    np.testing.assert_array_equal(to_device(DeviceArray(x), "cpu"), x)
    assert to_device(x, "cpu") is x


def test_resolve_device():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "gpu")
    with pytest.raises(DeviceError, match="unknown device 'cuda': choose cpu, gpu or auto"):
        resolve_device("cuda")


def test_all_errors_are_the_user_s_and_value_errors():
    assert issubclass(ShapeError, UsageError)
    assert issubclass(DeviceError, UsageError)
    assert issubclass(UsageError, ValueError)
