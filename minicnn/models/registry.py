"""The networks by name: every function in this package that is decorated with `@model`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from minicnn.errors import UsageError
from minicnn.layers import Layer, Sequential

Recipe = Callable[[int], list[Layer]]


@dataclass(frozen=True)
class Model:
    """A network's recipe, and the image size (pixels) and number of classes that its source gives it."""

    layers: Recipe
    image_size: int
    classes: int


MODELS: dict[str, Model] = {}


def model(image_size: int, classes: int) -> Callable[[Recipe], Recipe]:
    """Make a function of the number of classes, which returns layers, a network of the function's name."""

    def register(recipe: Recipe) -> Recipe:
        MODELS[recipe.__name__] = Model(recipe, image_size, classes)
        return recipe

    return register


def find(name: str) -> Model:
    """Return the model called `name`. Raises UsageError, listing the names, when there is none."""
    if name not in MODELS:
        raise UsageError(f"unknown model {name!r}: choose one of {', '.join(MODELS)}")
    return MODELS[name]


def outline(name: str, input_shape: tuple[int, ...] | None = None, classes: int | None = None) -> Sequential:
    """Return the network called `name` with its shapes, but without weights: enough to see what it would cost.

    input_shape, classes: as for `build`. Raises UsageError for an unknown name, ShapeError (with the layer at fault)
    for an image that is too small.
    """
    layers, shape = _recipe(name, input_shape, classes)
    net = Sequential(layers)
    net.fix_shapes(shape)
    return net


def build(
    name: str, input_shape: tuple[int, ...] | None = None, classes: int | None = None, seed: int = 0,
    dtype: str = "float32",
) -> Sequential:  # fmt: skip
    """Build the network called `name`.

    input_shape: (H, W, C) in pixels; classes: how many outputs; both as in the source if left out. seed: for the
    weights. dtype: "float32" or "float64". Returns a Sequential whose output is (N, classes) logits.
    Raises UsageError for an unknown name, ShapeError (with the layer at fault) for an image that is too small,
    MemoryError for one so large that the weights do not fit into memory.
    """
    layers, shape = _recipe(name, input_shape, classes)
    try:
        return Sequential(layers, shape, seed=seed, dtype=dtype)
    except UsageError:
        raise
    except (ValueError, OverflowError) as error:  # NumPy's, where an array would have more elements than it can count
        raise MemoryError(f"{name} for pictures of {shape}: {error}") from error


def _recipe(name: str, input_shape: tuple[int, ...] | None, classes: int | None) -> tuple[list[Layer], tuple[int, ...]]:
    """Return the layers, still without shapes, and the input's shape, with what was left out as in the source."""
    model = find(name)
    layers = model.layers(classes if classes is not None else model.classes)
    return layers, input_shape if input_shape is not None else (model.image_size, model.image_size, 3)
