"""The tiny set of shapes that the tests of training use too, and what trains on it."""

from tests.training.tiny import make_trainer, shapes, splits

__all__ = ["make_trainer", "shapes", "splits"]
