"""What `set_threads` takes for a number of threads, and what it says of anything else."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import get_threads, set_threads, threads
from minicnn.errors import UsageError


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_threads", None)


@pytest.mark.parametrize("one", [np.int64(1), np.uint8(1)])
def test_any_whole_number_is_a_count(one: int) -> None:
    set_threads(one)
    assert get_threads() == 1
    assert type(get_threads()) is int


@pytest.mark.parametrize("wrong", [1.0, "1", None, True, np.float32(1)], ids=repr)
def test_what_is_no_whole_number_is_refused_as_such(wrong: object) -> None:
    with pytest.raises(UsageError, match=f"give a whole number, not a {type(wrong).__name__}"):
        set_threads(wrong)  # type: ignore[arg-type]
