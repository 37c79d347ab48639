"""Every convolution algorithm equals the formula, however the work is cut up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from minicnn import ops
from minicnn.errors import UsageError
from minicnn.kernels.cpu import algorithms, conv_block, few_windows, schedule, strips, taps, tiled, winograd
from minicnn.ops.conv_block import Convolution, Epilogue, Pooling
from tests.comparison import assert_close, call_keeping, other_layouts

NO_PADDING = ((0, 0), (0, 0))
POOLS = {
    "no pool": None,
    "pool 2": Pooling((2, 2), (2, 2), NO_PADDING),
    "overlapping pool": Pooling((3, 3), (2, 2), NO_PADDING),
    "padded oblong pool": Pooling((3, 2), (1, 2), ((1, 0), (1, 1))),
}
UNPOOLED = ("taps", "few windows")  # the algorithms that do not pool
WINOGRAD_ACCURACY = 1e-5  # of the largest value

# algorithm, x, kernel, filters, stride, padding
CASES = {
    "3x3 tiles": ("winograd", (3, 13, 14, 9), 3, 17, (1, 1), NO_PADDING),
    "3x3 tiles padded": ("winograd", (2, 12, 9, 8), 3, 16, (1, 1), ((1, 1), (1, 1))),
    "3x3 tiles, more padding below": ("winograd", (1, 11, 10, 5), 3, 6, (1, 1), ((0, 2), (2, 0))),
    "3x3 tiles, tiny pictures": ("winograd", (21, 6, 6, 16), 3, 16, (1, 1), NO_PADDING),
    "5x5 tiles": ("winograd", (2, 13, 11, 9), 5, 7, (1, 1), NO_PADDING),
    "5x5 tiles same": ("winograd", (1, 12, 10, 16), 5, 16, (1, 1), ((2, 2), (2, 2))),
    "first layer": ("tiled", (3, 14, 13, 3), 3, 8, (1, 1), NO_PADDING),
    "first layer strided": ("tiled", (2, 21, 20, 3), 7, 5, (2, 2), ((3, 3), (3, 3))),
    "separate columns": ("tiled", (2, 12, 11, 6), 3, 5, (2, 1), ((1, 0), (0, 1))),
    "small pictures together": ("tiled", (17, 7, 6, 5), 3, 4, (1, 1), NO_PADDING),
    "even kernel": ("tiled", (2, 9, 10, 5), 4, 3, (1, 2), ((1, 2), (2, 1))),
    "1x1": ("tiled", (2, 8, 6, 5), 1, 7, (1, 1), NO_PADDING),
    "1x1 strided": ("tiled", (2, 9, 8, 6), 1, 3, (2, 3), NO_PADDING),
    "kernel larger than the picture": ("tiled", (2, 3, 4, 5), 6, 2, (1, 1), ((2, 2), (2, 1))),
    "few windows": ("few windows", (1, 7, 6, 9), 3, 7, (1, 1), ((1, 1), (1, 1))),
    "few windows, strided": ("few windows", (3, 5, 8, 6), 3, 5, (2, 3), ((0, 2), (1, 0))),
    "few windows, kernel larger than the picture": ("few windows", (2, 3, 4, 5), 6, 2, (1, 1), ((2, 2), (2, 1))),
    "taps": ("taps", (17, 2, 2, 9), 3, 7, (1, 1), ((1, 1), (1, 1))),
    "taps on a single pixel": ("taps", (16, 1, 1, 5), 3, 6, (1, 1), ((1, 1), (1, 1))),
    "taps strided": ("taps", (18, 5, 4, 6), 3, 5, (2, 2), ((1, 1), (1, 1))),
    "taps, oblong stride, more padding below": ("taps", (16, 7, 8, 3), 5, 4, (2, 3), ((0, 3), (2, 1))),
    "taps, stride beyond the kernel": ("taps", (16, 7, 8, 3), 2, 4, (3, 4), ((1, 0), (0, 2))),
}


@pytest.fixture(params=["one thread", "three threads", "a thread a strip"])
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Share the work between so many threads, who then begin in the middle of pictures, in strips of few rows."""
    threads = {"one thread": 1, "three threads": 3, "a thread a strip": 8}[request.param]
    for module in (conv_block, taps):
        monkeypatch.setattr(module, "team_size", lambda products: threads)
    if threads > 1:
        monkeypatch.setattr(tiled, "STRIP_ELEMENTS", 1)
        monkeypatch.setattr(winograd, "BATCH_ELEMENTS", 1)
        monkeypatch.setattr(winograd, "SMALLEST_BATCH", 8)
    schedule._plan.cache_clear()
    yield
    schedule._plan.cache_clear()


def arrays(case: str, rng: np.random.Generator, dtype: str) -> tuple[np.ndarray, ...]:
    _, x_shape, kernel, filters, *_ = CASES[case]
    shapes = (x_shape, (kernel, kernel, x_shape[3], filters), (filters,))
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)


def doubled(*values: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(value.astype("float64") for value in values)


def ladder() -> list[tuple[str, str, str]]:
    """Return every case in every precision that its algorithm has, with every pool that fits."""
    return [
        (case, dtype, pool)
        for case, (algorithm, *_) in CASES.items()
        for dtype in (["float32"] if algorithm == "winograd" else ["float32", "float64"])
        for pool in (["no pool"] if "kernel larger" in case or algorithm in UNPOOLED else POOLS)
    ]


@pytest.mark.parametrize(("case", "dtype", "pool"), ladder())
def test_an_algorithm_equals_the_formula(case, dtype, pool, cut, rng):
    algorithm, *_, stride, padding = CASES[case]
    x, weight, bias = arrays(case, rng, dtype)
    for relu in (True, False):
        settings = Convolution(stride, padding), Epilogue(relu, POOLS[pool])
        y64, argmax64 = ops.conv_block.reference(*doubled(x, weight, bias), *settings)
        with algorithms.force_algorithm(algorithm):
            y, argmax = call_keeping(conv_block.conv_block, x, weight, bias, *settings)
            assert_close(y, y64, dtype, "y")
            if argmax64 is not None:
                assert argmax.dtype == argmax64.dtype
                np.testing.assert_array_equal(argmax, argmax64)
            y = y64.astype(dtype)
            dy = rng.standard_normal(y.shape).astype(dtype)
            expected = ops.conv_block_backward.reference(*doubled(dy, x, weight), y64, argmax64, *settings)
            got = call_keeping(conv_block.conv_block_backward, dy, x, weight, y, argmax64, *settings)
            without_dx = conv_block.conv_block_backward(dy, x, weight, y, argmax64, *settings, False)
        for name, value, right in zip(("dx", "dweight", "dbias"), got, expected, strict=True):
            assert_close(value, right, dtype, name)
        assert without_dx[0] is None
        np.testing.assert_array_equal(without_dx[1], got[1])
        np.testing.assert_array_equal(without_dx[2], got[2])


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("pixels", ["normal", "photograph"])
def test_winograd_is_accurate_with_many_channels(kernel, pixels, rng):
    x = (rng.standard_normal if pixels == "normal" else rng.random)((2, 16, 16, 128)).astype("float32")
    weight = (rng.standard_normal((kernel, kernel, 128, 64)) / kernel).astype("float32")
    bias = rng.standard_normal(64).astype("float32")
    with algorithms.force_algorithm("winograd"):
        y = ops.conv2d(x, weight, bias)
        dy = rng.standard_normal(y.shape).astype("float32")
        gradients = ops.conv2d_backward(dy, x, weight, (1, 1), (0, 0))
    expected = ops.conv2d.reference(*doubled(x, weight, bias))
    right = ops.conv2d_backward.reference(*doubled(dy, x, weight), (1, 1), (0, 0))
    for got, value in zip((y, *gradients), (expected, *right), strict=True):
        assert np.abs(got - value).max() <= WINOGRAD_ACCURACY * np.abs(value).max()


@pytest.mark.parametrize("kernel", [3, 5])
def test_winograd_with_relu_is_accurate_with_very_many_channels(kernel, rng):
    x = rng.standard_normal((2, 22, 22, 512)).astype("float32")
    weight = rng.standard_normal((kernel, kernel, 512, 32)).astype("float32")
    settings = Convolution(), Epilogue(relu=True)
    with algorithms.force_algorithm("winograd"):
        y, _ = conv_block.conv_block(x, weight, np.zeros(32, "float32"), *settings)
    expected, _ = ops.conv_block.reference(*doubled(x, weight, np.zeros(32)), *settings)
    assert np.abs(y - expected).max() <= WINOGRAD_ACCURACY * expected.max()


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("pool", [name for name in POOLS if name != "no pool"])
@pytest.mark.parametrize("pattern", ["one colour", "patches", "noise", "disc", "checkerboard", "stripes"])
@pytest.mark.parametrize(
    "case",
    [
        "3x3 tiles padded", "3x3 tiles, tiny pictures", "5x5 tiles", "first layer", "first layer strided",
        "separate columns", "small pictures together", "1x1",
    ],
)  # fmt: skip
def test_ties_go_to_the_same_element_as_in_the_formula(case, pattern, pool, relu, cut, rng):
    """Where a picture repeats itself, equal windows have equal outputs, and the first of them is the maximum.

    All numbers are multiples of 1/1024, so that the formula's float64 sums are exact and break no tie.
    """
    algorithm, x_shape, *_, stride, padding = CASES[case]
    _, weight, bias = (np.round(array * 1024) / np.float32(1024) for array in arrays(case, rng, "float32"))
    i, j = np.mgrid[: x_shape[1], : x_shape[2]]
    colour = {
        "one colour": 0 * i, "patches": i // 7 * 100 + j // 7, "noise": i * 100 + j, "checkerboard": (i + j) % 2,
        "disc": (i - 4) ** 2 + (j - 4) ** 2 < 20, "stripes": (i + 2 * j) % 5,
    }[pattern].astype(int)  # fmt: skip
    colours = np.round(rng.standard_normal((x_shape[0], colour.max() + 1, x_shape[3])) * 1024) / 1024
    x = colours.astype("float32")[:, colour]
    settings = Convolution(stride, padding), Epilogue(relu, POOLS[pool])
    _, expected = ops.conv_block.reference(*doubled(x, weight, bias), *settings)
    with algorithms.force_algorithm(algorithm):
        _, argmax = conv_block.conv_block(np.ascontiguousarray(x), weight, bias, *settings)
    np.testing.assert_array_equal(argmax, expected)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("added", [True, False])
@pytest.mark.parametrize("case", ["3x3 tiles padded", "separate columns", "taps", "few windows"])
def test_what_stands_behind_a_convolution_is_done_on_the_way(case, scaled, added, cut, rng):
    algorithm, *_, stride, padding = CASES[case]
    x, weight, bias = arrays(case, rng, "float32")
    for epilogue in (Epilogue(relu=True), Epilogue(relu6=True), Epilogue()):
        plain, _ = ops.conv_block.reference(*doubled(x, weight, bias), Convolution(stride, padding), epilogue)
        scale = rng.standard_normal(len(bias)).astype("float32") if scaled else None
        residual = rng.standard_normal(plain.shape).astype("float32") if added else None
        arguments = x, weight, bias, Convolution(stride, padding), epilogue, scale, residual
        doubles = [a.astype("float64") if isinstance(a, np.ndarray) else a for a in arguments]
        expected, _ = ops.conv_block.reference(*doubles)
        with algorithms.force_algorithm(algorithm):
            y, _ = call_keeping(conv_block.conv_block, *arguments)
        assert_close(y, expected, "float32", "y")


@pytest.mark.parametrize("case", ["3x3 tiles", "first layer", "separate columns", "taps", "few windows"])
def test_the_same_threads_give_the_same_bits(case, rng, monkeypatch):
    for module in (conv_block, taps):
        monkeypatch.setattr(module, "team_size", lambda products: 2)
    algorithm, *_, stride, padding = CASES[case]
    x, weight, bias = arrays(case, rng, "float32")
    settings = Convolution(stride, padding), Epilogue(True, None if algorithm in UNPOOLED else POOLS["pool 2"])
    with algorithms.force_algorithm(algorithm):
        y, argmax = conv_block.conv_block(x, weight, bias, *settings)
        first = conv_block.conv_block_backward(y, x, weight, y, argmax, *settings)
        for _ in range(5):
            np.testing.assert_array_equal(conv_block.conv_block(x, weight, bias, *settings)[0], y)
            again = conv_block.conv_block_backward(y, x, weight, y, argmax, *settings)
            for one, other in zip(first, again, strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("algorithm", ["tiled", "winograd"])
@pytest.mark.parametrize("channels", [3, 8], ids=["shared columns", "separate columns"])
@pytest.mark.parametrize("how", ["no pool", "pool 2", "overlapping pool"])
def test_sums_over_many_pixels_keep_their_digits(how, channels, algorithm, rng, monkeypatch):
    """By one thread, whose sums in float32 would be wrong by up to 2e-3 (dbias)."""
    monkeypatch.setattr(conv_block, "team_size", lambda multiplications: 1)
    x, weight = rng.random((8, 222, 222, channels), "float32"), np.zeros((3, 3, channels, 4), "float32")
    settings, (windows, step, _) = (Convolution(), Epilogue(pool=POOLS[how])), POOLS[how] or ((1, 1), (1, 1), None)
    outputs = (220 - windows[0]) // step[0] + 1
    dy = np.full((8, outputs, outputs, 4), 0.1, "float32")
    argmax = None if POOLS[how] is None else np.zeros(dy.shape, "uint8")  # the first pixel of every window
    with algorithms.force_algorithm(algorithm):
        _, dweight, dbias = conv_block.conv_block_backward(dy, x, weight, dy, argmax, *settings, input_gradient=False)
    reach = (outputs - 1) * step[0] + 1
    seen = [[x[:, i : i + reach : step[0], j : j + reach : step[0]] for j in range(3)] for i in range(3)]
    right = np.array([[pixels.sum((0, 1, 2), "float64") for pixels in row] for row in seen]) * np.float64(
        dy[0, 0, 0, 0]
    )
    np.testing.assert_allclose(dweight, np.repeat(right[..., None], 4, axis=3), rtol=1e-6)
    np.testing.assert_allclose(dbias, np.full(4, dy.astype("float64").sum() / 4), rtol=2e-7)


@pytest.mark.parametrize("algorithm", ["tiled", "winograd"])
@pytest.mark.parametrize("channels", [3, 8], ids=["shared columns", "separate columns"])
def test_small_numbers_are_not_lost_beside_a_large_one(channels, algorithm, monkeypatch):
    """In float32, 10⁷ + 0.4 is 10⁷: a sum that goes on in float32 would lose all that follows the large number."""
    monkeypatch.setattr(conv_block, "team_size", lambda multiplications: 1)
    x, weight = np.ones((8, 222, 222, channels), "float32"), np.zeros((3, 3, channels, 4), "float32")
    dy = np.full((8, 220, 220, 4), 5e-4, "float32")
    dy[0, 0, 0] = 1e7
    right = dy.sum(axis=(0, 1, 2), dtype="float64")
    settings = Convolution(), Epilogue()
    with algorithms.force_algorithm(algorithm):
        _, dweight, dbias = conv_block.conv_block_backward(dy, x, weight, dy, None, *settings, input_gradient=False)
    np.testing.assert_allclose(dbias, right, rtol=2e-7)
    np.testing.assert_allclose(dweight, np.broadcast_to(right, weight.shape), rtol=1e-5)  # without care 2e-5


@pytest.mark.parametrize("case", ["3x3 tiles", "separate columns", "taps strided", "few windows, strided"])
def test_any_memory_layout_is_taken(case, rng):
    algorithm, *_, stride, padding = CASES[case]
    x, weight, bias = arrays(case, rng, "float32")
    with algorithms.force_algorithm(algorithm):
        expected = ops.conv2d(x, weight, bias, stride, padding)
        for name, other in other_layouts(x).items():
            np.testing.assert_array_equal(ops.conv2d(other, weight, bias, stride, padding), expected, err_msg=name)


@pytest.mark.parametrize("case", ["3x3 tiles", "first layer", "separate columns", "taps strided", "few windows"])
def test_nan_is_not_lost(case, rng):
    algorithm, *_, stride, padding = CASES[case]
    x, weight, bias = arrays(case, rng, "float32")
    x[0, 3, 2, 1] = np.nan
    with algorithms.force_algorithm(algorithm):
        for pool in [None] if algorithm in UNPOOLED else POOLS.values():
            settings = Convolution(stride, padding), Epilogue(True, pool)
            y, _ = conv_block.conv_block(x, weight, bias, *settings)
            right, _ = ops.conv_block.reference(x, weight, bias, *settings)
            assert np.isnan(y[np.isnan(right)]).all()


def test_the_choice_follows_the_shape():
    def choice(
        x_shape, weight_shape, stride=(1, 1), dtype="float32", threads=1, padding=NO_PADDING, pool=None, backward=False
    ):
        convolution = Convolution(stride, padding)
        block = strips.block_geometry(x_shape, weight_shape, convolution, Epilogue(relu=True, pool=pool))
        return algorithms.choose_algorithm(block, x_shape, np.dtype(dtype), threads, backward)

    assert choice((1, 32, 32, 32), (3, 3, 32, 64)) is winograd
    assert choice((1, 32, 32, 32), (5, 5, 32, 64)) is winograd
    assert choice((1, 32, 32, 32), (3, 3, 32, 64), dtype="float64") is tiled
    assert choice((1, 32, 32, 32), (3, 3, 32, 64), stride=(2, 2)) is tiled
    assert choice((1, 32, 32, 3), (3, 3, 3, 64)) is tiled
    assert choice((1, 32, 32, 32), (4, 4, 32, 64)) is tiled
    assert choice((1, 6, 6, 32), (3, 3, 32, 64)) is tiled
    assert choice((64, 6, 6, 32), (3, 3, 32, 64)) is winograd
    assert choice((64, 6, 6, 32), (3, 3, 32, 64), threads=16) is tiled  # four tiles for each
    assert choice((512, 4, 4, 512), (3, 3, 512, 512)) is tiled  # 2×2 outputs leave most of a tile empty
    around = ((1, 1), (1, 1))
    assert choice((32, 2, 2, 512), (3, 3, 512, 512), padding=around) is taps  # 16 places of 36 are inside
    assert choice((32, 4, 4, 256), (3, 3, 256, 512), (2, 2), padding=around) is taps  # 25 of 36
    assert choice((32, 7, 7, 512), (3, 3, 512, 512), padding=around) is winograd  # 361 of 441
    assert choice((32, 4, 4, 256), (3, 3, 256, 256), padding=around) is taps  # 100 of 144
    assert choice((128, 4, 4, 256), (3, 3, 256, 256), padding=around) is winograd  # whose filters' transform pays now
    assert choice((16, 2, 2, 64), (3, 3, 64, 64), padding=around) is taps
    assert choice((15, 2, 2, 64), (3, 3, 64, 64), padding=around) is tiled  # a product would have 15 rows
    assert choice((16, 2, 2, 64), (3, 3, 64, 63), padding=around) is tiled  # products too small to be called one by one
    assert choice((32, 2, 2, 512), (3, 3, 512, 63), padding=around, threads=4) is tiled  # 15 filters for a thread
    assert choice((32, 2, 2, 63), (3, 3, 63, 512), padding=around, threads=4) is tiled  # 15 channels for a thread
    assert choice((128, 4, 4, 256), (3, 3, 256, 256), padding=around, dtype="float64") is taps  # no tiles in float64
    assert choice((4096, 2, 2, 64), (3, 3, 64, 64), padding=around) is taps
    assert choice((4097, 2, 2, 64), (3, 3, 64, 64), padding=around) is tiled  # too long a sum in float32
    assert choice((32, 2, 2, 512), (3, 3, 512, 512), padding=around, pool=POOLS["pool 2"]) is tiled
    assert choice((1, 7, 7, 512), (3, 3, 512, 512), padding=around) is few_windows
    assert choice((1, 7, 7, 512), (3, 3, 512, 512), padding=around, backward=True) is tiled
    assert choice((1, 7, 7, 512), (3, 3, 512, 512), padding=around, pool=POOLS["pool 2"]) is tiled
    assert choice((1, 7, 7, 512), (3, 3, 512, 512), padding=around, threads=64) is tiled  # eight filters for each
    assert choice((1, 7, 7, 512), (1, 1, 512, 512)) is tiled
    assert choice((1, 7, 7, 256), (3, 3, 256, 255), padding=around) is tiled
    assert choice((10, 7, 7, 512), (3, 3, 512, 512), padding=around) is few_windows  # 490 windows
    assert choice((11, 7, 7, 512), (3, 3, 512, 512), padding=around) is winograd


def test_an_algorithm_that_cannot_is_not_forced(rng):
    for algorithm, x_shape, pool in [
        ("taps", (15, 4, 4, 3), None),
        ("taps", (16, 4, 4, 3), POOLS["pool 2"]),
        ("few windows", (1, 4, 4, 3), POOLS["pool 2"]),
    ]:
        x, weight = np.ones(x_shape, "float32"), np.ones((3, 3, 3, 2), "float32")
        with algorithms.force_algorithm(algorithm), pytest.raises(UsageError, match="without pooling"):
            conv_block.conv_block(x, weight, None, Convolution(), Epilogue(pool=pool))


def test_taps_that_no_window_has_inside_have_no_gradient(rng, monkeypatch):
    """Of a single pixel in the middle of 3×3 windows, whatever memory held before."""
    monkeypatch.setattr(taps, "empty", lambda shape, dtype: np.full(shape, np.nan, dtype))
    x, weight, dy = (
        rng.standard_normal(shape).astype("float32") for shape in ((20, 1, 1, 5), (3, 3, 5, 4), (20, 1, 1, 4))
    )
    for module in (conv_block, taps):
        monkeypatch.setattr(module, "team_size", lambda products: 24)  # more than there are pictures
    with algorithms.force_algorithm("taps"):
        _, dweight, _ = conv_block.conv_block_backward(
            dy, x, weight, dy, None, Convolution((1, 1), ((1, 1), (1, 1))), Epilogue()
        )
    expected = np.zeros((3, 3, 5, 4))
    expected[1, 1] = x[:, 0, 0].T.astype("float64") @ dy[:, 0, 0]
    assert_close(dweight, expected, "float32", "dweight")


def test_an_unknown_algorithm_is_named():
    with pytest.raises(UsageError, match="unknown algorithm 'fft'"), algorithms.force_algorithm("fft"):
        pass


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of NumPy, where NUMBA_DISABLE_JIT is set
@pytest.mark.parametrize("case", ["3x3 tiles", "first layer", "separate columns", "taps"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_shows_at_a_dead_relu_too(wrong, case, rng):
    algorithm, *_, stride, padding = CASES[case]
    x, weight, bias = arrays(case, rng, "float32")
    bias[0] = -1000  # its ReLU never fires
    for pool in [None] if algorithm in UNPOOLED else POOLS.values():
        settings = Convolution(stride, padding), Epilogue(True, pool)
        y, argmax = ops.conv_block.reference(x, weight, bias, *settings)
        dy = np.ones_like(y)
        dy[0, 0, 0, 0] = wrong
        with algorithms.force_algorithm(algorithm), np.errstate(invalid="ignore"):
            _, _, dbias = conv_block.conv_block_backward(dy, x, weight, y, argmax, *settings)
            _, _, right = ops.conv_block_backward.reference(dy, x, weight, y, argmax, *settings)
        np.testing.assert_array_equal(np.isnan(dbias), np.isnan(right))
        assert np.isnan(right[0])


@pytest.mark.parametrize("outlier", [1e30, np.inf, np.nan])
def test_an_extreme_pixel_leaves_other_tiles_alone(outlier, rng):
    x, weight, bias = arrays("3x3 tiles", rng, "float32")
    settings = Convolution(), Epilogue(True, POOLS["pool 2"])
    expected = ops.conv_block.reference(x, weight, bias, *settings)
    x[0, 0, 0, 0] = outlier
    with algorithms.force_algorithm("winograd"):
        y, argmax = conv_block.conv_block(x, weight, bias, *settings)
    assert_close(y[0, 2:, 2:], expected[0][0, 2:, 2:], "float32")
    np.testing.assert_array_equal(argmax[0, 2:, 2:], expected[1][0, 2:, 2:])
