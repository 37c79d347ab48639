"""The stand-in itself: it refuses what a GPU array refuses, and where CuPy can be imported, they are compared."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from minicnn.backend import array_module, device_of, is_array, to_numpy
from tests.device_stand_in import CUPY_NAMES, DeviceArray
from tests.device_stand_in.array import _ATTRIBUTES


@pytest.fixture
def device() -> DeviceArray:
    return DeviceArray(np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    "convert", [np.asarray, np.array, np.exp, np.concatenate, lambda x: np.ones(3) + x, lambda x: np.add(np.ones(3), x)]
)
def test_it_never_becomes_a_numpy_array_unasked(convert, device):
    with pytest.raises(TypeError):
        convert(device)


@pytest.mark.parametrize(
    "mix",
    [
        lambda d, h: d + h,
        lambda d, h: h * d,
        lambda d, h: d @ h.T,
        lambda d, h: h.T @ d,
        lambda d, h: d > h,
        lambda d, h: d.__iadd__(h),
        lambda d, h: d[h > 1],
        lambda d, h: d.__setitem__(slice(None), h),
        lambda d, h: array_module(d).where(d > 1, d, h),
        lambda d, h: array_module(d).maximum(d, h),
    ],
)
def test_it_never_mixes_with_numpy_arrays(mix, device):
    with pytest.raises(TypeError):
        mix(device, device.get())


def test_reductions_are_arrays_of_no_dimensions(device):
    for result in (device.sum(), device.max(), device.mean(), device[0, 0], array_module(device).sum(device)):
        assert isinstance(result, DeviceArray)
        assert result.shape == ()


def test_numpy_scalars_promote_and_python_numbers_do_not():
    single = DeviceArray(np.ones(2, "float32"))
    assert (single * 2.0).dtype == "float32"
    assert (single * np.float64(2.0)).dtype == "float64"


def test_indices_out_of_bounds_wrap_without_a_word(device):
    indices = DeviceArray(np.array([0, 5]))
    np.testing.assert_array_equal(device[indices].get(), device.get()[[0, 1]])


def test_an_assignment_that_names_a_place_twice_is_an_error(device):
    with pytest.raises(AssertionError, match="undefined on a GPU"):
        device[DeviceArray(np.array([1, 1]))] = 0.0


def test_views_share_memory_and_get_copies(device):
    device[:, 1:] = 7.0
    device.reshape(6)[0] = -1.0
    host = device.get()
    np.testing.assert_array_equal(host, [[-1, 7, 7], [3, 7, 7]])
    host[0, 0] = 5
    assert float(device[0, 0]) == -1


def test_what_cupy_copies_only_when_it_has_to_is_not_copied(device):
    xp = array_module(device)
    for function in (xp.ascontiguousarray, xp.asarray):
        assert function(device) is device
    assert not xp.ascontiguousarray(device.T)._host.flags.f_contiguous
    xp.transpose(device)[0] = 8.0
    np.testing.assert_array_equal(device.get()[:, 0], [8, 8])
    for copy in (xp.array(device), xp.copy(device), device.copy(), +device):
        copy[0, 0] = 3.0
    assert float(device[0, 0]) == 8


def test_names_that_cupy_lacks_do_not_exist(device):
    with pytest.raises(AttributeError, match="CuPy has no"):
        _ = array_module(device).nan_to_zero
    with pytest.raises(AttributeError, match="has no attribute"):
        _ = device.ctypes


def test_the_backend_takes_it_for_a_device_array(device):
    assert is_array(device)
    assert device_of(device) == "gpu"
    np.testing.assert_array_equal(to_numpy(device), device.get())


def test_the_lists_of_names_are_cupy_s_own():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy warns where there is no GPU
        cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    assert set(dir(cupy)) >= CUPY_NAMES, "the list of names in cupy_names.txt is older than this CuPy"
    assert set(dir(cupy.ndarray)) >= _ATTRIBUTES
