"""Gradient checks run thousands of small forward passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_blas_thread() -> Iterator[None]:
    """Let each matrix product run in one thread: on matrices this small, threads cost more than they bring."""
    with threadpool_limits(1, user_api="blas"):
        yield
