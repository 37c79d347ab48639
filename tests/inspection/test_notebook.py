"""What a summary, a trace, a number and a gradient report show in a notebook, beside what they hold."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, ReLU, Sequential, gradcheck, models, trace
from minicnn.inspection import Trace, summarize
from tests.notebook_pieces import parsed, pictures, rows, text_of


@pytest.fixture(scope="module")
def traced() -> Trace:
    net = Sequential([Conv2D(4, 3), ReLU(), Flatten(), Dense(3)], input_shape=(6, 5, 3), seed=0)
    return trace(net, np.random.default_rng(0).random((2, 6, 5, 3), dtype="float32"), np.array([0, 2]))


def test_a_summary_has_its_rows_and_totals() -> None:
    summary = summarize(models.outline("cnn3"))
    heads, *layers, total = rows(summary._repr_html_())
    assert len(layers) == len(summary.rows) and heads[3] == "parameters"
    assert layers[0][:4] == ["conv1", "Conv2D(32, 3×3, stride=1, padding='valid')", "222×222×32", "896"]
    assert total[3] == f"{summary.parameters:,}" and total[4] == f"{summary.flops / 1e6:,.2f} M"


def test_a_trace_has_every_array_and_its_picture(traced: Trace) -> None:
    html = traced._repr_html_()
    _, *arrays = rows(html)
    assert [row[0] for row in arrays] == traced.names()
    shown = pictures(html)
    photo = shown["conv1.x as a picture"]
    assert np.abs(photo / 255 - traced["conv1.x"].value[0]).max() < 0.003  # as it is
    filters = shown["conv1.weight as a picture"]
    assert filters.shape == (3, 4 * 3 + 3, 4)
    y = traced["relu1.y"].value[0].transpose(2, 0, 1)
    tiles = [shown["relu1.y as a picture"][:, left : left + 3, :3] for left in (0, 4, 8, 12)]
    white = (np.stack(tiles) == 255).all(axis=-1)
    assert 0 < white.sum() < white.size and (white == (y == 0)).all()  # what ReLU cut off
    assert "relu1.x as a picture" not in shown  # conv1.y once more


def test_one_array_and_one_number_of_a_trace(traced: Trace) -> None:
    assert "conv1.dweight: 3×3×3×4" in text_of(parsed(traced["conv1.dweight"]._repr_html_()))
    explanation = traced.explain("conv1.y", (1, 2, 1, 3))
    _, *terms, total = rows(explanation._repr_html_())
    assert len(terms) == 28  # 27 products and the bias
    assert total == ["sum", f"{explanation.sum:.9g}"]
    values = [abs(float(value)) for _, value in terms if value != "–"]
    assert values == sorted(values, reverse=True)
    assert traced.explain("loss")._repr_html_()


def test_many_terms_are_added_up_in_the_last_but_one_row(traced: Trace) -> None:
    explanation = traced.explain("dense1.y", (0, 0))
    _, *terms, rest, total = rows(explanation._repr_html_())
    assert len(terms) == 32 and rest[0] == f"{len(explanation.values) - 32} smaller ones"
    told = sum(float(value) for _, value in terms) + float(rest[1])
    assert told == pytest.approx(float(total[1]), abs=1e-5)


class WrongReLU(ReLU):
    def gradient(self, dy, kept):
        return 2 * super().gradient(dy, kept)


def test_a_gradient_report_shows_the_verdict_and_what_is_wrong() -> None:
    net = Sequential([Dense(4), WrongReLU(), Dense(3)], input_shape=(5,), seed=0)
    report = gradcheck(net, (5,))
    html = report._repr_html_()
    assert "FAILED at" in text_of(parsed(html))
    assert all(problem in text_of(parsed(html)) for problem in report.problems)
    marked = [cell.text for cell in parsed(html).iter("span") if "firebrick" in cell.attrib.get("style", "")]
    assert marked
    good = gradcheck(Dense(3), (4,))
    _, *arrays = rows(good._repr_html_())
    assert "passed" in text_of(parsed(good._repr_html_()))
    assert [row[1:3] for row in arrays if row[1] != "array"] == [list(check.cells()[:2]) for check in good.checks]
