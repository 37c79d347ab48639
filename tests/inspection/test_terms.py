"""Every number of every operation's result, as the terms that it is the sum of."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from minicnn import ops
from minicnn.inspection.terms import RESULTS, TERMS, result_names, spell
from tests.ops.calls import CALLS, IN_PLACE

FUSED = {name for name in ops.__all__ if "_block" in name}  # which reference mode takes apart
WITHOUT_TERMS = {("dropout", "keep"), ("crop_and_flip", "y")}  # which are no sums


@pytest.mark.parametrize("name", sorted(set(CALLS) - FUSED - set(IN_PLACE)))
def test_the_terms_add_up(name, rng):
    operation = getattr(ops, name)
    arguments = dict(inspect.signature(operation).bind(*CALLS[name](rng, "float64")).arguments)
    bound = inspect.signature(operation).bind(**arguments)
    bound.apply_defaults()
    returned = operation.reference(**arguments)
    returned = returned if isinstance(returned, tuple) else (returned,)
    names = result_names(name, len(returned))
    assert len(set(names)) == len(returned)
    results = dict(zip(names, map(np.asarray, returned), strict=True))
    for result, array in results.items():
        if (name, result) in WITHOUT_TERMS:
            continue
        for index in list(np.ndindex(array.shape))[:: max(1, array.size // 25)]:
            spelled = spell(operation, bound.arguments, results, result, index)
            assert spelled is not None, f"nobody says the terms of {name}'s {result}: write them in inspection/terms"
            values = np.concatenate([np.zeros(0), *(part.values for part in spelled.parts)])
            np.testing.assert_allclose(values.sum(), array[index], rtol=1e-9, atol=1e-12)
            for part in spelled.parts:
                for place in range(min(2, len(part.values))):
                    assert part.text(place).endswith(f"{part.values[place]:.6g}")


def test_the_tables_name_operations_that_there_are():
    for name, result in TERMS:
        returned = getattr(ops, name).reference(*CALLS[name](np.random.default_rng(0), "float64"))
        made = result_names(name, len(returned) if isinstance(returned, tuple) else 1)
        assert result in (*made, "dcolumns"), name
    assert set(ops.__all__) >= set(RESULTS)
