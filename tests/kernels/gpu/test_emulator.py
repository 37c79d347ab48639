"""The emulator finds out what it is there to find out."""

from __future__ import annotations

import numpy as np
import pytest

from tests.device_stand_in import DeviceArray
from tests.kernels.gpu import emulator

pytestmark = pytest.mark.usefixtures("emulated_gpu")


def run(body: str, arguments: tuple, block: int = 4, parameters: str = "float* y, const float* x, int n") -> None:
    code = f'extern "C" __global__ void kernel({parameters}) {{ int i = threadIdx.x; {body} }}'
    emulator.RawModule(code).get_function("kernel")((1,), (block,), arguments)


def arrays() -> tuple[DeviceArray, DeviceArray, np.int32]:
    return DeviceArray(np.zeros(4, "float32")), DeviceArray(np.arange(4, dtype="float32")), np.int32(4)


def test_a_kernel_runs():
    y, x, n = arrays()
    run("if (i < n) y[i] = 2 * x[i];", (y, x, n), block=8)
    np.testing.assert_array_equal(y.get(), [0, 2, 4, 6])


def test_barriers_let_threads_exchange_values(thread_order):
    y, x, n = arrays()
    run(
        "__shared__ float all[4]; all[i] = x[i]; __syncthreads(); float next = all[(i + 1) % 4]; __syncthreads();"
        "all[i] = next; __syncthreads(); y[i] = all[(i + 1) % 4];",
        (y, x, n),
    )
    np.testing.assert_array_equal(y.get(), [2, 3, 0, 1])


def test_a_race_shows_in_the_order_of_threads(monkeypatch):
    results = []
    for backwards in (False, True):
        monkeypatch.setattr(emulator, "backwards", backwards)
        y, x, n = arrays()
        run("y[0] = x[i];", (y, x, n))
        results.append(y.get()[0])
    assert results[0] != results[1]


@pytest.mark.parametrize(
    "body, message",
    [
        ("((float*)x)[i] = 7;", "declares const"),
        ("if (i < 2) { __syncthreads(); } y[i] = 0;", "wait at a barrier"),
    ],
)
def test_wrong_kernels_are_found_out(body, message):
    with pytest.raises(AssertionError, match=message):
        run(body, arrays())


@pytest.mark.parametrize(
    "body",
    [
        "y[n] = 1;",
        "y[n] -= 0.1f * x[n];",  # a NaN less a NaN has a NaN's bits: no guard would show this
        "__syncthreads(); y[n] -= 0.1f * x[n];",
        "float number = x[n]; if (number == 7) y[i] = number;",
        "y[n * 50000] = 1;",
    ],
    ids=["a write", "a write of what was read", "with coroutines", "a read that has no consequence", "far away"],
)
def test_what_lies_beside_an_array_is_not_touched(body, thread_order):
    y, x, n = arrays()
    place = n if thread_order == "forwards" else np.int32(-1)
    with pytest.raises(AssertionError, match="outside of its arrays"):
        run(f"(void)i; {body}", (y, x, place))
    test_a_kernel_runs()


def test_on_the_other_side_a_write_is_found_out(thread_order):
    y, x, n = arrays()
    place, message = (np.int32(-1), "wrote before") if thread_order == "forwards" else (n, "wrote beyond")
    with pytest.raises(AssertionError, match=message):
        run("y[n] = i;", (y, x, place))


PRODUCT = """
    int g = i / 4, t = i % 4;
    unsigned a[4] = {to_tf32(x[g * 8 + t]), to_tf32(x[(g + 8) * 8 + t]), to_tf32(x[g * 8 + t + 4]),
                     to_tf32(x[(g + 8) * 8 + t + 4])};
    unsigned b[2] = {to_tf32(x[128 + t * 8 + g]), to_tf32(x[128 + (t + 4) * 8 + g])};
    float sums[4] = {};
    multiply_add(sums, a, b);
    for (int q = 0; q < 4; q++) y[(g + q / 2 * 8) * 8 + 2 * t + q % 2] = sums[q];
"""


def test_a_warp_multiplies_matrices_of_tf32(thread_order, rng):
    y, x = np.zeros((16, 8), "float32"), rng.standard_normal(192).astype("float32")
    bits = x.view(np.uint32).astype(np.int64)
    rounded = ((bits + 0x1000) // 0x2000 * 0x2000).astype(np.uint32).view("float32")
    device_y = DeviceArray(y)
    run(PRODUCT, (device_y, DeviceArray(x), np.int32(0)), block=32)
    expected = rounded[:128].reshape(16, 8) @ rounded[128:].reshape(8, 8)
    np.testing.assert_allclose(device_y.get(), expected, rtol=1e-5, atol=1e-6)


def test_a_product_needs_the_whole_warp():
    y, x = DeviceArray(np.zeros(128, "float32")), DeviceArray(np.zeros(192, "float32"))
    with pytest.raises(AssertionError, match="wait at a barrier"):
        run("if (i != 5) {" + PRODUCT + "}", (y, x, np.int32(0)), block=32)


COPIES = "alignas(16) __shared__ float all[32]; begin_copy(all + 4 * i, x + 4 * i, i < 3); end_group();"


def copied() -> tuple[DeviceArray, DeviceArray, np.int32]:
    return DeviceArray(np.zeros(4, "float32")), DeviceArray(np.arange(16, dtype="float32")), np.int32(4)


def test_a_copy_arrives_when_it_is_waited_for():
    y, x, n = copied()
    run(COPIES + "wait_for_groups<0>(); __syncthreads(); y[i] = all[4 * ((i + 1) % 4) + 1];", (y, x, n))
    np.testing.assert_array_equal(y.get(), [5, 9, 0, 1])


@pytest.mark.parametrize(
    "body",
    [
        "__syncthreads(); y[i] = all[4 * i];",
        "wait_for_groups<1>(); __syncthreads(); y[i] = all[4 * i];",
        "begin_copy(all + 16 + 4 * i, x, true); wait_for_groups<0>(); __syncthreads(); y[i] = all[16 + 4 * i];",
    ],
    ids=["no wait", "a wait for older groups", "a group that is still open"],
)
def test_a_copy_that_is_not_waited_for_is_no_number(body):
    y, x, n = copied()
    run(COPIES + body, (y, x, n))
    assert np.isnan(y.get()).all()


def test_another_threads_copy_needs_a_barrier(monkeypatch):
    right = []
    for backwards in (False, True):
        monkeypatch.setattr(emulator, "backwards", backwards)
        y, x, n = copied()
        run(COPIES + "wait_for_groups<0>(); y[i] = all[4 * ((i + 1) % 4) + 1]; __syncthreads();", (y, x, n))
        right.append(np.array_equal(y.get(), [5, 9, 0, 1]))
    assert not all(right)


@pytest.mark.parametrize("places", ["all, x + 1", "all + 1, x"])
def test_a_copy_that_is_not_aligned_is_found_out(places):
    body = f"alignas(16) __shared__ float all[8]; if (i == 0) begin_copy({places}, true); __syncthreads();"
    with pytest.raises(AssertionError, match="multiples of 16 bytes"):
        run(body, copied())


def test_on_the_other_side_there_is_no_number(thread_order):
    y, x, _ = arrays()
    step = -1 if thread_order == "forwards" else 1
    run("y[i] = x[i + n];", (y, x, np.int32(step)))
    assert np.isnan(y.get()).tolist() == [step < 0, False, False, step > 0]


@pytest.mark.parametrize(
    "change",
    [
        lambda y, x, n: (y, x),
        lambda y, x, n: (y, x, 4),
        lambda y, x, n: (y, x, np.int64(4)),
        lambda y, x, n: (y, DeviceArray(np.zeros(4)), n),
        lambda y, x, n: (y, np.zeros(4, "float32"), n),
        lambda y, x, n: (y, DeviceArray(np.zeros(8, "float32"))[::2], n),
    ],
    ids=["too few", "an int of unknown size", "an int too wide", "another dtype", "a host array", "not contiguous"],
)
def test_wrong_arguments_are_found_out(change):
    with pytest.raises(AssertionError):
        run("y[i] = x[i];", change(*arrays()))
