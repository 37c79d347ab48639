"""The summary's numbers against counts by hand."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from minicnn import (
    AvgPool2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
    layers,
    models,
)
from minicnn.errors import UsageError
from minicnn.inspection import summarize

SMALL = [Conv2D(4, 3, padding=1), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.5), Dense(10)]


def test_counts_by_hand() -> None:
    summary = summarize(Sequential(SMALL, (8, 6, 3)), batch_size=5)
    rows = {row.name: row for row in summary.rows}
    names = ["conv1", "relu1", "pool1", "flatten1", "dropout1", "dense1"]
    conv, relu, pool, flatten, dropout, dense = (rows[name] for name in names)
    assert conv.output_shape == (8, 6, 4)
    assert conv.parameters == 3 * 3 * 3 * 4 + 4
    assert conv.flops == 5 * (8 * 6 * 4) * 2 * 27
    assert conv.activation_bytes == 5 * 8 * 6 * 4 * 4
    assert conv.im2col_bytes == 5 * (8 * 6) * 27 * 4
    assert relu.flops == 5 * 8 * 6 * 4
    assert pool.flops == 5 * (4 * 3 * 4) * 3
    assert (flatten.flops, flatten.activation_bytes, dropout.flops) == (0, 0, 0)
    assert dense.parameters == 48 * 10 + 10
    assert dense.flops == 5 * 10 * 2 * 48
    assert summary.parameters == conv.parameters + dense.parameters
    assert summary.flops == sum(row.flops for row in summary.rows)
    assert summary.im2col_bytes == conv.im2col_bytes


def test_memory_follows_the_dtype() -> None:
    single, double = (summarize(Sequential([Dense(7)], (3,), dtype=dtype)) for dtype in ("float32", "float64"))
    assert (single.activation_bytes, double.activation_bytes) == (28, 56)


def test_parameters_are_those_of_the_network() -> None:
    for name in models.MODELS:
        net = models.build(name, (90, 90, 3), classes=10)
        assert summarize(net).parameters == sum(p.value.size for p in net.parameters().values())


def test_shapes_alone_give_the_same_summary() -> None:
    for name in models.MODELS:
        assert summarize(models.outline(name, (90, 90, 3))) == summarize(models.build(name, (90, 90, 3)))
    with pytest.raises(RuntimeError, match="no shapes yet"):
        summarize(Sequential(SMALL))


def test_cnn3_needs_what_the_documents_network_needs() -> None:
    summary = summarize(models.build("cnn3"))
    assert [row.output_shape for row in summary.rows][:9:3] == [(222, 222, 32), (109, 109, 64), (52, 52, 128)]
    products = 2 * (222**2 * 27 * 32 + 109**2 * 288 * 64 + 52**2 * 576 * 128 + 86528 * 128 + 128 * 1000)
    relus = 222**2 * 32 + 109**2 * 64 + 52**2 * 128 + 128
    pools = 3 * (111**2 * 32 + 54**2 * 64 + 26**2 * 128)
    assert summary.flops == products + relus + pools
    assert round(summary.flops / 1e9, 2) == 0.95


def test_a_network_in_a_network() -> None:
    net = Sequential([Sequential([Dense(4), Tanh()]), Dense(3), Sigmoid()], (5,))
    assert [row.name for row in summarize(net).rows] == [
        "sequential1.dense1",
        "sequential1.tanh1",
        "dense1",
        "sigmoid1",
    ]


def test_a_layer_that_does_not_say_what_it_costs_is_refused() -> None:
    class Silent(layers.Layer):
        def forward(self, x, training=False):
            return x

    with pytest.raises(TypeError, match="Silent does not say what it costs"):
        summarize(Sequential([Silent(), Dense(2)], (3,)))


def test_the_table_shows_every_layer_and_the_totals() -> None:
    console = Console(width=200, file=StringIO())
    summary = summarize(Sequential([*SMALL[:2], AvgPool2D(2), Flatten(), Dense(10)], (8, 6, 3)))
    console.print(summary.rich_table())
    text = console.file.getvalue()
    for row in summary.rows:
        assert row.name in text
    assert f"{summary.parameters:,}" in text
    assert "8×6×4" in text


@pytest.mark.parametrize("name", ["vgg16", "efficientnet_lite0", "cnn3"])
def test_eighty_columns_cut_no_number_off(name: str) -> None:
    console = Console(width=80, file=StringIO())
    summary = summarize(models.outline(name))
    console.print(summary.rich_table())
    text = console.file.getvalue()
    for row in summary.rows:
        assert (f"{row.parameters:,}" if row.parameters else "–") in text
        assert f"{row.activation_bytes / 2**20:.2f}" in text or not row.activation_bytes
        assert f"{row.im2col_bytes / 2**20:.2f}" in text or not row.im2col_bytes
    assert f" {summary.parameters:,} " in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_batch_needs_a_sample() -> None:
    with pytest.raises(UsageError, match="batch_size 0"):
        summarize(Sequential([Dense(3)], (2,)), batch_size=0)
