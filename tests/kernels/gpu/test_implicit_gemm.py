"""Implicit GEMM gives the products of the formula, of inputs rounded to TF32, for all shapes that tiles can meet."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import pytest

from minicnn import ops
from minicnn.errors import UsageError
from minicnn.kernels.gpu import algorithms, column_gemm, convolution, implicit_gemm
from minicnn.kernels.gpu.algorithms import choose_algorithm, force_algorithm
from minicnn.kernels.gpu.launch import launch
from minicnn.ops.conv_block import Convolution, Epilogue, Pooling
from tests.device_stand_in import DeviceArray
from tests.kernels.gpu import emulator
from tests.kernels.gpu.conftest import LAYOUTS
from tests.ops.cases import WINDOWS, Window, all_round

TILES = [  # a tile has 128 windows and 32 or 64 filters; a step takes 16 numbers
    Window("a single window of one number", (1, 1, 1, 1), (1, 1)),
    Window("one window", (1, 3, 3, 4), (3, 3)),
    Window("127 windows", (1, 1, 127, 4), (1, 1)),
    Window("128 windows, 16 numbers", (2, 8, 8, 16), (1, 1)),
    Window("129 windows, 17 numbers", (3, 1, 43, 17), (1, 1)),
    Window("15 numbers", (2, 5, 5, 5), (1, 3)),
    Window("32 numbers", (1, 9, 15, 8), (2, 2), padding=((1, 0), (0, 1))),
    Window("more numbers than a tile of dW has rows", (1, 5, 6, 20), (3, 3), padding=all_round(1)),
    Window("7x7 strided, wide", (1, 13, 14, 8), (7, 7), (2, 2), padding=all_round(3)),
    Window("stride across only", (1, 6, 7, 8), (3, 3), (1, 2), padding=all_round(1)),
    Window("stride down only", (1, 7, 6, 8), (3, 3), (3, 1), padding=all_round(1)),
    Window("stride 3", (2, 10, 11, 8), (5, 5), (3, 3), padding=((2, 1), (0, 2))),
    Window("stride beyond the kernel, wide", (2, 9, 10, 12), (1, 2), (3, 4)),
    Window("mostly padding", (1, 2, 3, 4), (5, 5), padding=((4, 3), (2, 4))),
]


@pytest.fixture(autouse=True)
def implicit() -> Iterator[None]:
    with force_algorithm("implicit"):
        yield


def to_tf32(x: np.ndarray) -> np.ndarray:
    """Round to 10 bits of fraction, from the middle away from zero."""
    return ((x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


def assert_near(got, expected: np.ndarray, what: str) -> None:
    assert got.dtype == expected.dtype == np.float32
    assert got.shape == expected.shape
    np.testing.assert_allclose(got.get(), expected, rtol=0, atol=1e-5 * np.abs(expected).max(), err_msg=what)


def operands(window: Window, filters: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return x, weight, bias and the output's gradient."""
    shapes = (window.x_shape, (*window.kernel, window.x_shape[3], filters), (filters,))
    x, weight, bias = (rng.standard_normal(shape).astype("float32") for shape in shapes)
    dy = rng.standard_normal(ops.conv2d.reference(x, weight, bias, window.stride, window.padding).shape)
    return x, weight, bias, dy.astype("float32")


def check(window: Window, filters: int, device, rng: np.random.Generator, layout: str | None = None) -> None:
    """Compare forward and backward with the formula, with arrays on the device in one of LAYOUTS, or as on the host."""
    x, weight, bias, dy = operands(window, filters, rng)
    place = functools.partial(LAYOUTS[layout], device.array) if layout else device.array
    on_device = {id(a): place(a) for a in (x, weight, bias, dy)}
    y = ops.conv2d(*(on_device[id(a)] for a in (x, weight, bias)), window.stride, window.padding)
    gradients = ops.conv2d_backward(*(on_device[id(a)] for a in (dy, x, weight)), window.stride, window.padding)
    x, weight = to_tf32(x), to_tf32(weight)
    assert_near(y, ops.conv2d.reference(x, weight, bias, window.stride, window.padding), "y")
    right_dx, right_dweight, _ = ops.conv2d_backward.reference(to_tf32(dy), x, weight, window.stride, window.padding)
    for got, expected, what in zip(
        gradients, (right_dx, right_dweight, dy.sum(axis=(0, 1, 2))), ("dx", "dweight", "dbias"), strict=True
    ):
        assert_near(got, expected, what)


@pytest.mark.parametrize("window", WINDOWS + TILES, ids=str)
def test_every_geometry(window, device, thread_order, rng):
    check(window, 3 if window in WINDOWS else 36, device, rng)


@pytest.mark.parametrize("filters", [1, 2, 4, 31, 32, 33, 64, 65, 100])
def test_every_number_of_filters(filters, device, rng):
    check(Window("", (1, 6, 7, 8), (2, 3), padding=((1, 0), (1, 1))), filters, device, rng)
    if device.Array is DeviceArray:
        width = 32 if filters <= 32 else 64
        assert {f"convolve_{width}", f"convolve_backward_{width}", "sum_pieces"} <= emulator.launched


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels, filters", [(4, 8), (3, 5)])
def test_arrays_in_any_memory_layout(layout, channels, filters, device, rng):
    check(Window("", (2, 6, 7, channels), (2, 3), padding=((1, 0), (1, 1))), filters, device, rng, layout)


@pytest.mark.parametrize("blocks", [1, 3, 528])
def test_dweight_is_the_sum_of_any_number_of_pieces(blocks, device, monkeypatch, rng):
    monkeypatch.setattr(implicit_gemm, "BLOCKS", blocks)
    check(Window("", (3, 10, 11, 4), (3, 3)), 8, device, rng)


@pytest.mark.parametrize("x_shape, filters", [((2, 9, 10, 4), 8), ((2, 9, 10, 20), 100), ((1, 3, 3, 4), 8)])
def test_dweight_is_split_into_as_many_pieces_as_there_are_blocks_for(x_shape, filters, emulated_gpu, monkeypatch, rng):
    layouts = {}

    def recording(file, kernel, layout, arguments, real):
        layouts[kernel] = layout, arguments
        launch(file, kernel, layout, arguments, real)

    monkeypatch.setattr(implicit_gemm, "BLOCKS", 7)
    monkeypatch.setattr(implicit_gemm, "launch", recording)
    window = Window("", x_shape, (3, 3))
    check(window, filters, emulated_gpu, rng)
    ((tiles, pieces), _), arguments = next(found for kernel, found in layouts.items() if "backward" in kernel)
    steps = -(-x_shape[0] * (x_shape[1] - 2) * (x_shape[2] - 2) // 16)
    assert min(steps, max(1, 7 // tiles)) / 2 <= pieces <= max(1, 7 // tiles)
    assert arguments[2].shape == (pieces, 9 * x_shape[3], filters)


def test_every_run_gives_the_same_bits(device, rng):
    window = Window("", (2, 10, 11, 8), (3, 3), (2, 2), all_round(1))
    x, weight, _, dy = (device.array(a) for a in operands(window, 40, rng))
    first, second = (ops.conv2d_backward(dy, x, weight, window.stride, window.padding) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.get(), other.get())


@pytest.mark.parametrize("images", [1, 2])
def test_a_block_a_few_images_at_a_time(images, device, monkeypatch, rng):
    monkeypatch.setattr(convolution, "chunk_size", lambda *sizes: images)
    window = Window("", (3, 9, 8, 4), (3, 3), padding=all_round(1))
    x, weight, bias, _ = operands(window, 8, rng)
    for relu in (True, False):
        for pool in (None, Pooling((2, 2), (2, 2)), Pooling((3, 3), (2, 2), (1, 1))):
            settings = Convolution(window.stride, window.padding), Epilogue(relu, pool)
            y, argmax = ops.conv_block.reference(to_tf32(x), to_tf32(weight), bias, *settings)
            dy = rng.integers(-9, 10, y.shape).astype("float32")  # TF32, also where overlapping windows add them up
            got_y, got_argmax = ops.conv_block(*(device.array(a) for a in (x, weight, bias)), *settings)
            assert_near(got_y, y, "y")
            arrays = (device.array(a) for a in (dy, x, weight, y))
            gradients = ops.conv_block_backward(*arrays, got_argmax, *settings)
            expected = ops.conv_block_backward.reference(dy, to_tf32(x), to_tf32(weight), y, argmax, *settings)
            if argmax is not None:
                np.testing.assert_array_equal(got_argmax.get(), argmax)
            for got, right, what in zip(gradients[:2], expected[:2], ("dx", "dweight"), strict=True):
                assert_near(got, right, what)


def test_an_array_that_begins_anywhere_in_memory(device, rng):
    """Four numbers at once are copied from multiples of 16 bytes only."""
    window = Window("", (2, 6, 7, 4), (3, 3))
    arrays = [device.array(np.concatenate([a.ravel()[:1], a.ravel()])) for a in operands(window, 8, rng)]
    shapes = (window.x_shape, (3, 3, 4, 8), (8,), (2, 4, 5, 8))
    x, weight, bias, dy = (a[1:].reshape(shape) for a, shape in zip(arrays, shapes, strict=True))
    y = ops.conv2d(x, weight, bias, window.stride, window.padding)
    dx, dweight, _ = ops.conv2d_backward(dy, x, weight, window.stride, window.padding)
    rounded = [to_tf32(a.get()) for a in (dy, x, weight)]
    assert_near(y, ops.conv2d.reference(*rounded[1:], bias.get(), window.stride, window.padding), "y")
    expected = ops.conv2d_backward.reference(*rounded, window.stride, window.padding)
    assert_near(dx, expected[0], "dx")
    assert_near(dweight, expected[1], "dweight")


def test_nan_and_infinity_spread(device, rng):
    x, weight, bias, _ = operands(Window("", (1, 5, 5, 4), (3, 3)), 4, rng)
    x[0, 0, 0, 0], x[0, 4, 4, 0] = np.nan, np.inf
    on_device = [device.array(a) for a in (x, weight, bias)]
    for relu in (False, True):
        settings = Convolution(), Epilogue(relu)
        with np.errstate(invalid="ignore"):
            expected, _ = ops.conv_block.reference(x, weight, bias, *settings)
        y = ops.conv_block(*on_device, *settings)[0].get()
        np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
        np.testing.assert_array_equal(y[np.isinf(expected)], expected[np.isinf(expected)])


def test_float64_is_refused(device, rng):
    x, weight, bias = (device.array(rng.standard_normal(shape)) for shape in ((1, 4, 4, 2), (3, 3, 2, 4), (4,)))
    with pytest.raises(UsageError, match="float32"):
        ops.conv2d(x, weight, bias)


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(UsageError, match="columns, implicit"), force_algorithm("fft"):
        pass


@pytest.mark.parametrize(
    "x_shape, weight_shape, backward, chosen",
    [
        ((2, 9, 9, 32), (3, 3, 32, 64), False, implicit_gemm),
        ((2, 9, 9, 32), (3, 3, 32, 64), True, implicit_gemm),
        ((2, 9, 9, 3), (3, 3, 3, 32), False, implicit_gemm),
        ((2, 9, 9, 3), (3, 3, 3, 32), True, column_gemm),  # 27 rows of a tile of 128
        ((2, 9, 9, 64), (1, 1, 64, 64), False, column_gemm),  # no windows to gather
        ((2, 9, 9, 64), (3, 3, 64, 256), False, column_gemm),  # bound by the products
    ],
)
def test_the_choice(x_shape, weight_shape, backward, chosen, emulated_gpu, monkeypatch):
    monkeypatch.setattr(algorithms, "_forced", None)
    x, weight = (emulated_gpu.array(np.zeros(shape, "float32")) for shape in (x_shape, weight_shape))

    xp = x.__array_namespace__()

    def choice(x=x):
        return choose_algorithm(x, weight, (1, 1), (0, 0), backward)

    assert choice() is column_gemm
    xp._core._routines_linalg.get_compute_type = {"float32": xp._core._routines_linalg.COMPUTE_TYPE_TF32}.__getitem__
    assert choice() is chosen
    assert choice(x.astype("float64")) is column_gemm
    xp.cuda.Device().compute_capability = "75"
    assert choice() is column_gemm
    with force_algorithm("implicit"):
        assert choice() is implicit_gemm
