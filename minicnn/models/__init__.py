"""The documents' networks, each a short list of layers: `models.build(name, input_shape, classes, seed)`."""

from minicnn.models.registry import MODELS, Model, build, find, outline

__all__ = ["MODELS", "Model", "build", "find", "outline"]
