"""The networks by name: every function in this package that is decorated with `@model`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from minicnn.errors import ShapeError, UsageError
from minicnn.layers import Layer, Sequential
from minicnn.layers.base import shape_text
from minicnn.models.own_file import OwnFile, is_file

Recipe = Callable[[int], list[Layer]]
LARGEST_SIZE = 256  # pixels: a network that reads no picture of up to this side is taken to read none at all
OWN_IMAGE_SIZE, OWN_CLASSES = 40, 10  # of a file of one's own where nothing else is said: as `minicnn train` by itself


@dataclass(frozen=True)
class Model:
    """A network's recipe, and the image size (pixels) and number of classes that its source gives it.

    file: where the recipe comes from, if it is the user's own. torch_names: how PyTorch's published weights name its
    layers with weights, in their order here (`features.0`, …); None where there are none.
    """

    name: str
    layers: Recipe
    image_size: int
    classes: int
    file: OwnFile | None = None
    torch_names: Callable[[], list[str]] | None = None


MODELS: dict[str, Model] = {}


def model(
    image_size: int, classes: int, torch_names: Callable[[], list[str]] | None = None
) -> Callable[[Recipe], Recipe]:
    """Make a function of the number of classes, which returns layers, a network of the function's name."""

    def register(recipe: Recipe) -> Recipe:
        name = recipe.__name__
        MODELS[name] = Model(name, recipe, image_size, classes, torch_names=torch_names)
        return recipe

    return register


def known(name: str) -> Model:
    """Return the model that minicnn knows as `name`. Raises UsageError, listing the names, when there is none."""
    if name not in MODELS:
        raise UsageError(f"unknown model {name!r}: choose one of {', '.join(MODELS)}, or a file of your own, FILE.py")
    return MODELS[name]


def find(name: str) -> Model:
    """Return the model called `name`, or the one in the user's own file of that name (see `own_file`), executing it.

    Raises UsageError when there is none, or something is wrong with the file.
    """
    if not is_file(name):
        return known(name)
    file = OwnFile.execute(name)
    return Model(file.function.__name__, file, OWN_IMAGE_SIZE, OWN_CLASSES, file)


def outline(network: str | Model, input_shape: tuple[int, ...] | None = None, classes: int | None = None) -> Sequential:
    """Return a network with its shapes, but without weights: enough to see what it would cost.

    network, input_shape, classes: as for `build`. Raises UsageError for an unknown name or a faulty file, ShapeError
    (with the layer at fault) for an image that is too small.
    """
    model, classes, shape = _settled(network, input_shape, classes)
    net = Sequential(model.layers(classes))
    net.fix_shapes(shape)
    _require_logits(model, net, classes)
    return net


def fitting_sizes(network: str | Model, first: int = 1) -> Iterator[tuple[int, Sequential]]:
    """Yield each side (pixels) of square colour pictures that the network can read, from `first` up to LARGEST_SIZE.

    With each comes the network's outline for it.
    """
    model = find(network) if isinstance(network, str) else network
    for size in range(first, LARGEST_SIZE + 1):
        with suppress(ShapeError):
            yield size, outline(model, (size, size, 3))


def require_image_size(network: Model, size: int) -> None:
    """Raise ShapeError, naming a larger size that would do, unless the network reads pictures of size × size pixels."""
    try:
        outline(network, (size, size, 3))
    except ShapeError as error:
        for larger, _ in fitting_sizes(network, size + 1):
            needed = f"{network.name} needs pictures of at least {larger} pixels: add --image-size {larger}"
            raise ShapeError(f"{needed}. At {size}, {error}") from None
        raise


def build(
    network: str | Model, input_shape: tuple[int, ...] | None = None, classes: int | None = None, seed: int = 0,
    dtype: str = "float32",
) -> Sequential:  # fmt: skip
    """Build a network.

    network: its name, a file of the user's own (FILE.py or FILE.py:FUNCTION), or what `find` returned. input_shape: (H,
    W, C) in pixels; classes: how many outputs; both as in the source if left out. seed: for the weights. dtype:
    "float32" or "float64". Returns a Sequential whose output is (N, classes) logits.
    Raises UsageError for an unknown name or a faulty file, ShapeError (with the layer at fault) for an image that is
    too small, MemoryError for one so large that the weights do not fit into memory.
    """
    model, classes, shape = _settled(network, input_shape, classes)
    try:
        net = Sequential(model.layers(classes), shape, seed=seed, dtype=dtype)
        _require_logits(model, net, classes)
        return net
    except UsageError:
        raise
    except (ValueError, OverflowError) as error:  # NumPy's, where an array would have more elements than it can count
        raise MemoryError(f"{model.name} for pictures of {shape}: {error}") from error


def _settled(
    network: str | Model, input_shape: tuple[int, ...] | None, classes: int | None
) -> tuple[Model, int, tuple[int, ...]]:
    """Return the model, the number of classes and the input's shape, with what was left out as in the source."""
    model = find(network) if isinstance(network, str) else network
    shape = input_shape if input_shape is not None else (model.image_size, model.image_size, 3)
    return model, classes if classes is not None else model.classes, shape


def _require_logits(model: Model, net: Sequential, classes: int) -> None:
    if net.output_shape != (classes,):
        raise UsageError(
            f"{model.name} ends with {shape_text(net.output_shape or ())} for an image, where one number for each of "
            f"{classes} classes is needed, such as Dense(classes) gives"
        )
