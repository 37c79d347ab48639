"""The learning-rate schedules: their values, PyTorch's where it has the same, and warm-up."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn.errors import UsageError
from minicnn.training.schedules import SCHEDULES, cosine, linear, make_schedule, one_cycle, step


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.1])
def test_factors_stay_between_0_and_1(name, warmup):
    schedule = make_schedule(name, warmup)
    factors = [schedule(t) for t in np.linspace(0, 1, 101)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert max(factors) == pytest.approx(1, abs=0.01)


def test_constant_stays():
    assert {make_schedule("constant")(t) for t in (0.0, 0.3, 1.0)} == {1.0}


@pytest.mark.parametrize(
    "t, factor", [(0.0, 1), (0.24, 1), (0.25, 0.1), (0.49, 0.1), (0.5, 0.01), (0.75, 0.001), (1.0, 0.001)]
)
def test_step_drops_three_times(t, factor):
    assert step(t) == pytest.approx(factor)


def test_step_with_other_drops():
    assert [step(t, drops=1, factor=0.5) for t in (0.0, 0.49, 0.5, 1.0)] == [1, 1, 0.5, 0.5]


def rates_of(torch, make, steps):
    """Return the learning rate that a PyTorch scheduler gives to each of the steps, for a base rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_is_pytorch_s():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    expected = rates_of(torch, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=20), 20)
    np.testing.assert_allclose([cosine(i / 20) for i in range(20)], expected, atol=1e-12)


def test_linear_is_pytorch_s():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    expected = rates_of(torch, lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=20), 20)
    np.testing.assert_allclose([linear(i / 20) for i in range(20)], expected, atol=1e-12)


def test_one_cycle_is_pytorch_s():
    """PyTorch spreads its cycle over steps − 1 intervals and puts the top at 0.3 · steps − 1."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    steps = 101
    expected = rates_of(
        torch,
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o,
            max_lr=1.0,
            total_steps=steps,
            pct_start=31 / 101,
            div_factor=25,
            final_div_factor=400,
            cycle_momentum=False,
        ),
        steps,
    )
    np.testing.assert_allclose([one_cycle(i / 100) for i in range(steps)], expected, atol=1e-9)


def test_warm_up_rises_in_a_straight_line_and_then_the_schedule_begins():
    schedule = make_schedule("cosine", warmup=0.2)
    assert [schedule(t) for t in (0.0, 0.05, 0.1, 0.2)] == pytest.approx([0, 0.25, 0.5, 1])
    assert schedule(0.6) == pytest.approx(cosine(0.5))
    assert schedule(1.0) == pytest.approx(0)


def test_warm_up_meets_every_schedule_without_a_jump():
    for name in SCHEDULES:
        schedule = make_schedule(name, warmup=0.3)
        assert schedule(0.3 - 1e-9) == pytest.approx(schedule(0.3), abs=1e-6)


@pytest.mark.parametrize("warmup", [-0.1, 1.0, 2])
def test_a_warm_up_out_of_range_is_refused(warmup):
    with pytest.raises(UsageError, match="warmup"):
        make_schedule("cosine", warmup)


def test_an_unknown_schedule_lists_the_known_ones():
    with pytest.raises(
        UsageError, match="unknown schedule 'poly': choose one of constant, step, linear, cosine, one_cycle"
    ):
        make_schedule("poly")
