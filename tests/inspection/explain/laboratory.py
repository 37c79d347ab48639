"""The page's JavaScript without a page: what it computes is asked for from Python, and compared with the engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn import Sequential, SoftmaxCrossEntropy, ops, trace
from minicnn.inspection import Trace
from minicnn.inspection.explain import bundle, page_data
from minicnn.training.normalization import Normalization

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}  # of an array's largest number
NORMALIZATION = Normalization(mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))

# Arrays leave the browser as lists of numbers.
PLAIN = "const plain = (t) => (t ? { shape: t.shape, data: [...t.data] } : null);"


class Laboratory:
    """A browser's empty page with all functions of a module, and the network that was last given to it."""

    def __init__(self, browser: Any, **modules: Sequence[str]) -> None:
        """modules: names that are used of files in js/, with __ for / and without .js."""
        self.errors: list[str] = []
        self.page = browser.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.set_content("<!doctype html><title>laboratory</title>")
        files = (f"{name.replace('__', '/')}.js" for name in modules)
        names = ", ".join(name for used in modules.values() for name in used)
        given = f"Object.assign(window, {{ {names}, loaded: true }});"
        self.page.add_script_tag(content=f"{bundle(*files)}\n{given}", type="module")
        self.page.wait_for_function("window.loaded")

    def __call__(self, script: str, argument: Any = None) -> Any:
        """Run the body of a function of `given`, which may use `network`, and return what it returns."""
        result = self.page.evaluate(f"(given) => {{ const {{ network }} = window; {PLAIN} {script} }}", argument)
        assert not self.errors, self.errors
        return result

    def build(self, data: dict[str, Any]) -> None:
        """Build the network that a page would be told of."""
        self.page.evaluate("(text) => { window.network = buildNetwork(JSON.parse(text)); }", json.dumps(data))

    def arrays(self) -> dict[str, np.ndarray]:
        """Run the network forward and backward, and return every array of the pass by name."""
        found = self(
            "const pass = network.run(); window.pass = pass;"
            "return pass.names().map((name) => [name, plain(pass.get(name))]);"
        )
        return {name: as_array(given) for name, given in found}


def as_array(given: dict[str, Any]) -> np.ndarray:
    """Return an array that left the browser."""
    return np.array(given["data"], dtype="float64").reshape(given["shape"])


def picture(shape: tuple[int, ...], seed: int = 7) -> np.ndarray:
    """Return random bytes."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def told(net: Sequential, image: np.ndarray, label: int = 1, label_smoothing: float = 0.0) -> dict[str, Any]:
    """Return what a page is told of a network and a picture."""
    assert net.output_shape is not None
    classes = [f"class {k}" for k in range(net.output_shape[0])]
    return page_data(net, image, NORMALIZATION, classes, label=label, label_smoothing=label_smoothing)


def scaled(image: np.ndarray, dtype: str = "float64") -> np.ndarray:
    """Return the batch of one picture, as the network reads it; formed in float64, as on the page."""
    mean, std = np.array(NORMALIZATION.mean), np.array(NORMALIZATION.std)
    return ((image[None].astype("float64") / 255 - mean) / std).astype(dtype)


def traced(
    net: Sequential, image: np.ndarray, label: int = 1, label_smoothing: float = 0.0, training: bool = False
) -> Trace:
    """Return the engine's own arrays for them."""
    x, loss = scaled(image, net.dtype), SoftmaxCrossEntropy(label_smoothing)
    return trace(net, x, np.array([label]), training=training, loss=loss)


def assert_alike(there: dict[str, np.ndarray], t: Trace, dtype: str) -> None:
    """Fail unless the browser has every array of the trace, with its numbers.

    But for the gradient of a bias that is not there; what operations inside of an operation make, such as col2im;
    and the matrices of a convolution in groups, of which a trace shows the first group's, and the page all.
    """
    compared = 0
    for array in t:
        layer, _, key = array.name.rpartition(".")
        without_bias = key == "dbias" and f"{layer}.bias" not in t
        in_groups = "columns" in key and t[f"{layer}.weight"].shape[2] < t[f"{layer}.x"].shape[3]
        inside = any(part in ops.__all__ for part in array.name.split("."))
        if without_bias or in_groups or inside:
            continue
        assert array.name in there, f"the page has no {array.name}"
        got, expected = there[array.name], array.value.astype("float64")
        assert got.shape == expected.shape, array.name
        limit = TOLERANCE[dtype] * float(np.abs(expected).max())
        np.testing.assert_allclose(got, expected, rtol=0, atol=limit, err_msg=array.name)
        compared += 1
    assert compared > 40
