"""What trains on the tiny set of shapes."""

from tests.training.tiny import loaders, make_trainer, shapes, splits

__all__ = ["loaders", "make_trainer", "shapes", "splits"]
