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
        ("y[n + i] = 1;", "wrote beyond"),
        ("y[-1 - i] = 1;", "wrote before"),
        ("((float*)x)[i] = 7;", "declares const"),
        ("if (i < 2) { __syncthreads(); } y[i] = 0;", "wait at a barrier"),
    ],
)
def test_wrong_kernels_are_found_out(body, message):
    with pytest.raises(AssertionError, match=message):
        run(body, arrays())


def test_what_lies_beyond_an_array_is_no_number():
    y, x, n = arrays()
    run("y[i] = x[i + 1];", (y, x, n))
    assert np.isnan(y.get()[3])


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
