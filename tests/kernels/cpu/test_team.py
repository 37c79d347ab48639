"""The team of threads: how many are woken, and that nobody goes on alone."""

from __future__ import annotations

import threading

import pytest

from minicnn.kernels.cpu import team


def test_each_thread_has_a_share_worth_waking_it_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "get_threads", lambda: 4)
    work = [0, 1, 2 * team.SMALLEST_SHARE - 1, 2 * team.SMALLEST_SHARE, 3 * team.SMALLEST_SHARE, 10**12]
    assert [team.team_size(products) for products in work] == [1, 1, 1, 2, 3, 4]


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_waits_for_the_others_who_still_write(failing: int) -> None:
    late, done = threading.Event(), []

    def task(thread: int, threads: int) -> None:
        if thread == failing:
            timer = threading.Timer(0.1, late.set)  # so that an error that does not wait would be seen first
            timer.start()
            raise ValueError(f"thread {thread}")
        late.wait()
        done.append(thread)

    with pytest.raises(ValueError, match=f"thread {failing}"):
        team.work_together(task, 2)
    assert done == [1 - failing]
