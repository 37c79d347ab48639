"""The page in a browser, by hand: what it shows against the engine's own arrays, as it stands and after changes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicnn import (
    SGD,
    AvgPool2D,
    BatchNorm2D,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    keep_for_backward,
    ops,
    use_kernels,
)
from minicnn.inspection import Trace
from minicnn.inspection.explain import page_data
from tests.inspection.explain import networks
from tests.inspection.explain.laboratory import NORMALIZATION, picture, scaled, told, traced
from tests.inspection.explain.reader import Reader

CLASSES = ("circle", "square", "triangle", "star")
LABEL = 2
LISTED = 10  # terms, the largest, where there are too many for numbers in a grid
TOLERANCE = 1e-9  # both sides compute in float64


def plain() -> list[Layer]:
    return [
        Conv2D(3, 3, stride=2, padding=1), ReLU(), MaxPool2D(2), Conv2D(4, 2), BatchNorm2D(), Flatten(),
        Dense(5), ReLU(), Dense(len(CLASSES)),
    ]  # fmt: skip


def residual() -> list[Layer]:
    return [
        Conv2D(3, 3, padding="same"), BatchNorm2D(), ReLU(), Residual([Conv2D(3, 3, padding=1), ReLU()]), AvgPool2D(3),
        Flatten(), Dense(len(CLASSES)),
    ]  # fmt: skip


def built(layers: list[Layer]) -> Sequential:
    net = Sequential(layers, input_shape=(12, 12, 3), seed=3, dtype="float64")
    rng = np.random.default_rng(4)
    for name, variable in net.variables().items():
        if "running" in name or "bias" in name:  # nothing of interest at their start
            variable.value = rng.uniform(0.1, 0.9, variable.shape)
    return net


IMAGE = np.random.default_rng(5).integers(256, size=(12, 12, 3), dtype=np.uint8)


def engine(training: bool = False) -> Trace:
    """Return what the engine makes of the plain network and the picture."""
    return traced(built(plain()), IMAGE, LABEL, training=training)


def opened(browser: Any, net: Sequential, folder: Path, **window: Any) -> Reader:
    data = page_data(net, IMAGE, NORMALIZATION, CLASSES, model="drawn", label=LABEL)
    return Reader(browser, data, folder, **window)


@pytest.fixture(scope="module")
def window(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = opened(browser, built(plain()), tmp_path_factory.mktemp("plain"))
    yield reader
    reader.close()


@pytest.fixture
def reader(window: Reader) -> Iterator[Reader]:
    """Return a reader who has the page of the plain network in front of him, as it was when it was opened."""
    yield window
    window.turn("forward")
    if window.page.is_enabled("#reset"):
        window.click("#reset")


def assert_explained(reader: Reader, arrays: Trace, name: str, index: tuple[int, ...]) -> None:
    """Fail unless the number is the one looked at, and value, terms and their sum are those of the arrays."""
    assert reader.number() == (name, index)
    explanation = arrays.explain(name, index)
    assert reader.value() == pytest.approx(float(arrays[name].value[index]), rel=TOLERANCE, abs=TOLERANCE)
    assert reader.sum() == pytest.approx(explanation.sum, rel=TOLERANCE, abs=TOLERANCE)
    shown = by_size(reader.terms())
    expected = by_size(explanation.values)
    if len(shown) == LISTED < len(expected):  # too many to be written out
        expected = expected[-LISTED:]
    np.testing.assert_allclose(np.sort(shown), np.sort(expected), rtol=1e-7, atol=TOLERANCE)


def by_size(terms: Any) -> np.ndarray:
    """Return the terms that are not 0, the largest last."""
    found = np.array([term for term in terms if term != 0])
    return found[np.argsort(np.abs(found), kind="stable")]


FORWARD = [  # layer, tensor, channel, row and column of the map: the number there
    ("conv1", "conv1.y", (2, 3), 1, (0, 2, 3, 1)),
    ("conv1", "conv1.y", (0, 0), 0, (0, 0, 0, 0)),
    ("relu1", "relu1.y", (4, 1), 2, (0, 4, 1, 2)),
    ("pool1", "pool1.y", (1, 2), 1, (0, 1, 2, 1)),
    ("conv2", "conv2.y", (1, 0), 3, (0, 1, 0, 3)),
    ("bn1", "bn1.y", (1, 1), 2, (0, 1, 1, 2)),
    ("dense1", "dense1.y", (0, 4), 0, (0, 4)),
    ("dense2", "dense2.y", (0, 1), 0, (0, 1)),
]


@pytest.mark.parametrize(("layer", "tensor", "place", "channel", "index"), FORWARD)
def test_a_clicked_output_shows_its_terms(
    reader: Reader, layer: str, tensor: str, place: tuple[int, int], channel: int, index: tuple[int, ...]
) -> None:
    reader.turn("forward")
    reader.visit(layer)
    if len(index) == 4:
        reader.click_channel(tensor, channel)
    reader.click_map(tensor, *place)
    assert_explained(reader, engine(), tensor, index)


BACKWARD = [
    ("conv1", "conv1.dx", (5, 6), 2, (0, 5, 6, 2)),
    ("conv1", "conv1.dweight", (2, 1), None, None),
    ("conv1", "conv1.dy", (2, 2), 1, (0, 2, 2, 1)),
    ("pool1", "pool1.dx", (3, 2), 0, (0, 3, 2, 0)),
    ("bn1", "bn1.dx", (1, 0), 1, (0, 1, 0, 1)),
    ("dense1", "dense1.dx", (1, 1), 3, None),
    ("dense1", "dense1.dweight", (0, 1), None, None),
]


@pytest.mark.parametrize(("layer", "tensor", "place", "channel", "index"), BACKWARD)
def test_a_clicked_gradient_shows_its_terms(
    reader: Reader, layer: str, tensor: str, place: tuple[int, int], channel: int | None, index: tuple[int, ...] | None
) -> None:
    reader.turn("backward")
    reader.visit(layer)
    if channel is not None and index is not None:
        reader.click_channel(f"{layer}.x" if tensor.endswith("dx") else f"{layer}.y", channel)
    reader.click_map(tensor, *place)
    name, shown = reader.number()
    assert name == tensor
    assert_explained(reader, engine(), tensor, index or shown)


@pytest.mark.parametrize("part", ["dbias", "dweight"])
def test_the_gradients_of_a_batch_norm_in_both_modes(reader: Reader, part: str) -> None:
    reader.turn("backward")
    reader.visit("bn1")
    reader.click(f'#layer [data-one="bn1.{part}"]')
    _, index = reader.number()
    assert_explained(reader, engine(), f"bn1.{part}", index)
    reader.click('#header [data-choice="training"]')
    assert_explained(reader, engine(training=True), f"bn1.{part}", index)
    reader.click_map("bn1.dx", 1, 1)
    name, index = reader.number()
    assert_explained(reader, engine(training=True), name, index)
    assert len(reader.terms()) == 3  # the three paths


@pytest.mark.parametrize("name", ["logits", "probabilities", "dlogits"])
def test_the_loss_class_by_class(reader: Reader, name: str) -> None:
    arrays = engine()
    reader.turn("backward")
    reader.visit("loss")
    for k in range(len(CLASSES)):
        reader.click(f'#layer [data-cell="{name} {k}"]')
        assert reader.value() == pytest.approx(float(arrays[name].value[0, k]), rel=TOLERANCE)
        if name != "logits":
            assert_explained(reader, arrays, name, (0, k))
    assert reader.loss() == pytest.approx(float(arrays["loss"].value), rel=TOLERANCE)


@pytest.mark.parametrize("name", ["conv1.dweight", "conv2.dweight", "dense1.dweight", "conv1.dx"])
def test_the_numerical_derivative_stands_beside_the_gradient(reader: Reader, name: str) -> None:
    reader.turn("backward")
    reader.visit(name.partition(".")[0])
    reader.click_map(name, 1, 1)
    reader.page.wait_for_selector('#number .derivative:not([data-verdict="waiting"])')
    shown, index = reader.number()
    assert shown == name
    if reader.page.get_attribute("#number .derivative", "data-verdict") == "known":
        numerical = float(reader.page.get_attribute("#number [data-numerical]", "data-numerical") or "nan")
        assert numerical == pytest.approx(float(engine()[name].value[index]), rel=1e-5, abs=1e-8)
        assert reader.page.locator("#number .agrees").count() == 1


def test_the_page_says_when_it_is_at_a_kink(browser: Any, tmp_path: Path) -> None:
    net = built([Conv2D(2, 1), ReLU(), Flatten(), Dense(len(CLASSES))])
    net.layers[0].weight.value[:] = 0.0  # every number that reaches the ReLU is exactly 0
    net.layers[0].bias.value[:] = 0.0
    reader = opened(browser, net, tmp_path)
    reader.turn("backward")
    reader.visit("conv1")
    reader.click('#layer [data-one="conv1.dbias"]')
    reader.page.wait_for_selector('#number .derivative[data-verdict="kink"] .kink')
    assert "relu1" in reader.page.inner_text("#number .kink")
    reader.close()


def engine_after(edit: str) -> tuple[Sequential, np.ndarray, int]:
    """Return the plain network, the picture and the label with the same edit as the page's."""
    net, image, label = built(plain()), IMAGE.copy(), LABEL
    if edit == "weight":
        net.layers[0].weight.value[1, 2, 0, 1] = 0.75
    elif edit == "pixel":
        image[4, 5, 0] = 200
    elif edit == "label":
        label = 0
    return net, image, label


@pytest.mark.parametrize("edit", ["weight", "pixel", "label", "step"])
def test_after_a_change_everything_is_as_if_the_engine_had_made_it(reader: Reader, edit: str) -> None:
    reader.turn("forward")
    reader.visit("conv1")
    net, image, label = engine_after(edit)
    if edit == "weight":
        reader.click_channel("conv1.x", 0)
        reader.click_channel("conv1.y", 1)
        reader.click_map("conv1.weight", 1, 2)
        reader.type_value("conv1.weight", 0.75)
    elif edit == "pixel":
        reader.click_channel("conv1.x", 0)
        reader.click_map("conv1.x", 4, 5)
        reader.type_value("pixel red", 200)
    elif edit == "label":
        reader.page.select_option("#label", "0")
    else:
        reader.page.fill("#rate", "0.5")
        reader.page.press("#rate", "Enter")
        reader.click("#step")
        learn(net, image, label, rate=0.5)
    reader.settle()
    arrays = traced(net, image, label)
    assert reader.loss() == pytest.approx(float(arrays["loss"].value), rel=TOLERANCE)
    for name, shown in reader.probabilities().items():
        assert shown == pytest.approx(float(arrays["probabilities"].value[0, CLASSES.index(name)]), rel=TOLERANCE)
    reader.turn("backward")
    reader.click_map("conv1.dweight", 0, 2)
    name, index = reader.number()
    assert_explained(reader, arrays, name, index)
    reader.click("#reset")  # and everything is as it was
    assert reader.loss() == pytest.approx(float(engine()["loss"].value), rel=TOLERANCE)


def learn(net: Sequential, image: np.ndarray, label: int, rate: float) -> None:
    """Take one step of SGD, with the network as it is in use."""
    loss = SoftmaxCrossEntropy()
    gradients = traced(net, image, label)
    loss.forward(gradients["logits"].value, np.array([label]))
    for name, parameter in net.parameters().items():
        layer, _, part = name.rpartition(".")
        parameter.grad = gradients[f"{layer}.d{part}"].value.copy()
    SGD(net.parameters(), lr=rate).step()


def test_painting_moves_the_probabilities(reader: Reader) -> None:
    before = reader.probabilities()
    reader.click('#input [data-colour="#000000"]')
    box = reader.page.locator("#picture").bounding_box()
    reader.page.mouse.move(box["x"] + 30, box["y"] + 30)
    reader.page.mouse.down()
    reader.page.mouse.move(box["x"] + 120, box["y"] + 120, steps=3)
    reader.page.mouse.up()
    reader.settle()
    assert reader.probabilities() != before
    reader.click("#reset")
    reader.click('#input [data-colour="#000000"]')  # the brush is put down
    assert reader.probabilities() == before


def test_a_stroke_of_the_brush_is_what_the_engine_gets(reader: Reader) -> None:
    colours = reader.page.eval_on_selector_all("#input [data-colour]", "(all) => all.map((e) => e.dataset.colour)")
    bytes_of = {colour: [int(colour[start : start + 2], 16) for start in (1, 3, 5)] for colour in colours}
    colour = next(colour for colour in colours if len(set(bytes_of[colour])) == 3)
    reader.click(f'#input [data-colour="{colour}"]')
    box = reader.page.locator("#picture").bounding_box()
    reader.page.mouse.click(box["x"] + 6.5 / 12 * box["width"], box["y"] + 4.5 / 12 * box["height"])
    reader.settle()
    image = IMAGE.copy()
    image[3:6, 5:8] = bytes_of[colour]  # three pixels wide
    probabilities = traced(built(plain()), image, LABEL)["probabilities"].value[0]
    shown = reader.probabilities()
    np.testing.assert_allclose([shown[name] for name in CLASSES], probabilities, rtol=TOLERANCE)
    reader.click("#reset")
    reader.click(f'#input [data-colour="{colour}"]')


def test_fields_keep_to_what_there_can_be(reader: Reader) -> None:
    for typed in ("-1", ""):
        reader.page.fill("#rate", typed)
        reader.page.press("#rate", "Enter")
        reader.settle()
        assert float(reader.page.input_value("#rate")) == reader.page.evaluate("explain.state.rate") > 0
    reader.visit("conv1")
    reader.click_map("conv1.x", 4, 5)
    field = '#number .slider:has([data-handle="pixel red"]) input[type="number"]'
    for typed, byte in ((300, 255), (999, 255), (-5, 0)):
        reader.type_value("pixel red", typed)
        assert float(reader.page.input_value(field)) == byte
        assert reader.page.evaluate("explain.state.network.get('images', [0, 4, 5, 0])") == byte


def test_a_network_that_exploded_breaks_no_view(reader: Reader) -> None:
    reader.page.fill("#rate", "1e200")
    reader.page.press("#rate", "Enter")
    for _ in range(3):
        reader.click("#step")
    assert np.isnan(reader.loss())
    for layer in reader.layers():
        reader.visit(layer)
    assert not reader.complaints


def test_the_channel_looked_at_is_that_of_the_number(reader: Reader) -> None:
    reader.visit("relu2")
    reader.click_map("relu2.y", 0, 3)
    assert "channel 3" in reader.page.inner_text("#layer .switches")
    reader.click('#layer [data-switch="silence"]')
    assert reader.value() == 0
    reader.visit("flatten1")
    reader.click_channel("flatten1.y", 2)
    assert reader.page.get_attribute('#layer [data-channels="flatten1.x"]', "aria-valuenow") == "2"


def test_a_residual_block_is_drawn_as_branches_and_explained(browser: Any, tmp_path: Path) -> None:
    net = built(residual())
    reader = opened(browser, net, tmp_path)
    arrays = traced(net, IMAGE, LABEL)
    assert reader.page.locator("#network .residual .branch").count() == 2
    reader.visit("residual1")
    name, index = reader.number()
    assert_explained(reader, arrays, name, index)
    reader.turn("backward")
    for layer, part in (("residual1", "dx"), ("residual1.body.conv1", "dweight"), ("pool1", "dx")):
        tensor = f"{layer}.{part}"
        reader.visit(layer)
        reader.click_map(tensor, 1, 1)
        name, index = reader.number()
        assert name == tensor
        assert_explained(reader, arrays, name, index)
    reader.close()


def test_an_activation_can_be_switched_off(reader: Reader) -> None:
    reader.turn("forward")
    reader.visit("relu1")
    reader.click('#layer [data-switch="off"]')
    net = built([*(layer for layer in plain()[:-2] if not isinstance(layer, ReLU)), ReLU(), Dense(len(CLASSES))])
    for name, variable in net.variables().items():
        variable.value = built(plain()).variables()[name].value
    assert reader.loss() == pytest.approx(float(traced(net, IMAGE, LABEL)["loss"].value), rel=TOLERANCE)
    reader.click("#reset")


def test_im2col_lights_up_both_ways(reader: Reader) -> None:
    columns = ops.im2col(scaled(IMAGE), (3, 3), (2, 2), ((1, 1), (1, 1)))
    reader.turn("forward")
    reader.visit("conv1")
    reader.click_map("conv1.y", 2, 3)
    reader.click('#layer [data-choice="columns"]')
    row = 2 * 6 + 3
    shown = reader.page.eval_on_selector_all("#layer [data-column]", "(all) => all.map((e) => Number(e.dataset.value))")
    np.testing.assert_allclose(shown, columns[row], rtol=TOLERANCE)
    reader.click_map("conv1.x", 5, 5)  # lies in four windows: stride 2, kernel 3, padding 1
    lit = reader.page.locator('#layer [data-matrix="conv1.columns"] rect.chosen').count()
    assert lit == 4
    reader.click('#layer [data-choice="maps"]')


def test_the_kernel_slides(reader: Reader) -> None:
    reader.turn("forward")
    reader.visit("conv1")
    reader.click("#layer .slide button:nth-child(2)")
    assert reader.number()[1][:3] == (0, 0, 0)
    assert reader.page.locator("#layer .cover").count() == 1
    reader.click("#slide")
    deadline = time.monotonic() + 10
    while reader.number()[1][1] == 0:  # until it is in the second row
        assert time.monotonic() < deadline
        reader.page.wait_for_timeout(100)
    reader.visit("relu1")


def test_the_whole_way_by_keyboard(browser: Any, tmp_path: Path) -> None:
    reader = opened(browser, built(plain()), tmp_path)
    keyboard, page = reader.page.keyboard, reader.page

    def tab_to(condition: str) -> None:
        for _ in range(80):
            keyboard.press("Tab")
            if page.evaluate(f"(() => {{ const e = document.activeElement; return Boolean({condition}); }})()"):
                return
        pytest.fail(f"Tab does not reach {condition}")

    tab_to("e.dataset.choice === 'backward'")
    keyboard.press("Enter")
    tab_to("e.id === 'picture'")
    tab_to("e.id === 'label'")
    tab_to("e.dataset.layer === 'conv2'")
    keyboard.press("Enter")
    reader.settle()
    assert reader.number()[0] == "conv2.dx"
    tab_to("e.dataset.tensor === 'conv2.dweight'")
    keyboard.press("Enter")
    reader.settle()
    name, (ky, kx, c, f) = reader.number()
    assert name == "conv2.dweight"
    keyboard.press("ArrowLeft" if kx else "ArrowRight")
    reader.settle()
    assert reader.number() == (name, (ky, 1 - kx, c, f))
    assert page.evaluate("document.activeElement.dataset.tensor") == "conv2.dweight"  # the focus has stayed
    tab_to("e.className === 'bars' || e.matches('#number *')")
    reader.close()


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_a_number_of_every_map_is_the_sum_of_its_terms(browser: Any, tmp_path: Path, name: str) -> None:
    net = networks.network(networks.NETWORKS[name]())
    image = picture(networks.PICTURE)
    reader = Reader(browser, told(net, image), tmp_path)
    reader.click('#header [data-choice="training"]')  # dropout and batch norm at work
    summed = 0
    for direction, parts in (("forward", ("y",)), ("backward", ("dx", "dweight"))):
        reader.turn(direction)
        for layer in reader.layers():
            reader.visit(layer)
            for plane in reader.page.locator(
                ", ".join(f'#layer [data-tensor="{layer}.{part}"]' for part in parts)
            ).all():
                plane.focus()
                reader.page.keyboard.press("ArrowRight")
                reader.settle()
                assert reader.number()[0] == plane.get_attribute("data-tensor")
                if reader.page.locator("#number [data-sum]").count():
                    assert reader.sum() == pytest.approx(reader.value(), rel=TOLERANCE, abs=TOLERANCE)
                    summed += 1
            if reader.page.locator('#layer [data-choice="columns"]').count():
                reader.click('#layer [data-choice="columns"]')
                reader.click('#layer [data-choice="maps"]')
    assert summed > len(net.layers)
    reader.close()


WINDOWS = [
    pytest.param(width, scheme, locale, id=f"{width} {scheme} {locale}")
    for width, scheme, locale in (
        (1280, "light", "en-US"),
        (1280, "dark", "zh-CN"),
        (400, "dark", "en-US"),
        (400, "light", "zh-CN"),
    )
]


@pytest.mark.parametrize(("width", "scheme", "locale"), WINDOWS)
def test_nothing_is_cut_or_lies_beyond_the_edge(
    browser: Any, tmp_path: Path, width: int, scheme: str, locale: str
) -> None:
    window = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "locale": locale}
    reader = opened(browser, built(residual()), tmp_path, **window)
    assert not reader.cut_texts()
    reader.turn("backward")  # which shows all that forward does, and more
    for layer in reader.layers():
        reader.visit(layer)
        assert not reader.cut_texts(), layer
        assert "undefined" not in reader.page.inner_text("body")
    reader.close()


def test_no_bias_is_spoken_of_where_there_is_none(browser: Any, tmp_path: Path) -> None:
    layers = [Conv2D(2, 3, bias=False), Residual(Conv2D(2, 1), Conv2D(2, 1)), Flatten(), Dense(len(CLASSES))]
    reader = opened(browser, built(layers), tmp_path, locale="zh-CN")
    assert reader.number()[0] == "conv1.y"
    assert "偏置" not in reader.page.inner_text("#number")
    reader.visit("residual1")
    assert "with a shortcut" not in reader.page.inner_text("#layer")
    reader.visit("dense1")
    assert "偏置" in reader.page.inner_text("#number")
    reader.close()


def test_every_text_is_there_in_both_languages(reader: Reader) -> None:
    spoken = reader.page.evaluate("window.explain.languages()")
    assert spoken["en"] == spoken["zh"]
    assert len(spoken["en"]) > 200
    reader.click('#header [data-choice="zh"]')
    assert "网络" in reader.page.inner_text("#network h2")
    reader.click('#header [data-choice="en"]')
    assert "network" in reader.page.inner_text("#network h2")


def test_saliency_and_grad_cam_are_those_of_the_engine(reader: Reader) -> None:
    shown = reader.page.evaluate("""() => {
        const { state, saliency, gradCam } = window.explain;
        const maps = [saliency(state.network, state.pass, 1), gradCam(state.network, state.pass, 1, "relu1")];
        return maps.map(({ data }) => [...data]);
    }""")
    net = built(plain())
    y = traced(net, IMAGE, LABEL)["relu1.y"].value[0]
    with use_kernels("reference"), keep_for_backward():
        net.forward(scaled(IMAGE))
        slopes, dy = {}, np.eye(len(CLASSES))[None, 1]
        for layer in reversed(net.layers):
            slopes[layer.name] = dy = layer.backward(dy)
    np.testing.assert_allclose(shown[0], np.abs(slopes["conv1"][0]).max(axis=2).ravel(), rtol=TOLERANCE, atol=1e-15)
    expected = np.maximum((slopes["pool1"][0].mean(axis=(0, 1)) * y).sum(axis=2), 0)
    np.testing.assert_allclose(shown[1], expected.ravel(), rtol=TOLERANCE, atol=1e-15)
    for overlay in ("saliency", "gradcam", "none"):
        reader.click(f'#input [data-choice="{overlay}"]')
        assert reader.page.locator("#picture .over").count() == (overlay != "none")


def test_a_network_too_large_for_the_page_is_shown_as_it_was_computed(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minicnn.inspection.explain.description.MOST_PARAMETERS", 10)
    net = built(residual())
    reader = opened(browser, net, tmp_path)
    arrays = traced(net, IMAGE, LABEL)
    assert "too large" in reader.page.inner_text("#notice")
    assert not reader.page.locator("#step, .brushes, .handle").count()  # nothing can be changed
    compared = 0
    for direction in ("forward", "backward"):
        reader.turn(direction)
        for layer in reader.layers():
            reader.visit(layer)
            assert "undefined" not in reader.page.inner_text("body") and not reader.cut_texts()
            if reader.page.locator("#number [data-sum]").count():
                name, index = reader.number()
                assert reader.sum() == pytest.approx(float(arrays[name].value[index]), rel=1e-5, abs=1e-7)
                compared += 1
    assert compared > 10
    reader.close()


def test_no_training_mode_where_one_picture_has_no_variance(browser: Any, tmp_path: Path) -> None:
    layers = [Conv2D(3, 12), BatchNorm2D(), ReLU(), Flatten(), Dense(len(CLASSES))]  # one pixel a channel
    reader = opened(browser, built(layers), tmp_path)
    assert not reader.page.locator('#header [data-choice="training"]').count()
    reader.visit("bn1")
    reader.close()


def test_the_products_shown_are_those_of_the_channel_looked_at(reader: Reader) -> None:
    reader.turn("forward")
    reader.visit("conv2")
    reader.click_channel("conv2.y", 3)
    for channel in (0, 2):
        reader.click_channel("conv2.x", channel)
        reader.click_map("conv2.y", 1, 1)
        sum_shown = reader.page.get_attribute("#number .bars", "aria-valuetext") or ""
        assert sum_shown.startswith(f"{channel}: ")
