"""The tree that layers make: what a layer holds is found in its attributes, and in lists, tuples and dicts there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from minicnn.errors import UsageError

if TYPE_CHECKING:
    from minicnn.layers.base import Layer


def found_in(layer: Layer, kind: type[Any] | tuple[type[Any], ...]) -> dict[str, Any]:
    """Return what a layer holds of a kind, in attributes, lists, tuples and dicts, by name, in order.

    Raises UsageError when two would have one name.
    """
    found: dict[str, Any] = {}
    for name, value in vars(layer).items():
        if not name.startswith("_"):
            collect(name, value, kind, found)
    return found


def collect(name: str, value: object, kind: type[Any] | tuple[type[Any], ...], found: dict[str, Any]) -> None:
    """Add to `found` what is of the kind in an attribute's value, or in lists, tuples and dicts in it, by name."""
    if isinstance(value, kind):
        if name in found:
            raise UsageError(f"two parts of a layer have the name {name}: keys of a dict should have no dots in them")
        found[name] = value
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            collect(f"{name}.{index}", item, kind, found)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            collect(f"{name}.{key}", item, kind, found)


def walk(path: str, layer: Layer, inside: tuple[Layer, ...] = ()) -> Iterator[tuple[str, Layer]]:
    """Yield the layer, as `path`, and all inside it, by dotted name, in order."""
    yield path, layer
    if any(layer is outer for outer in inside):  # `Layer.walk` has just refused it; without it, this would not end
        return
    for name, child in layer.children().items():
        yield from walk(f"{path}.{name}" if path else name, child, (*inside, layer))
