"""minicnn: a convolutional network engine written out by hand, to read, to step through, to check, and to train.

Start with `minicnn.ops` (the formulas), then `minicnn.layers`, `minicnn.models` and `minicnn.training`; the command's
own files are in `minicnn.runs`.
"""

from minicnn import layers, models, ops
from minicnn.dispatch import use_kernels
from minicnn.inspection import gradcheck, trace
from minicnn.layers import *
from minicnn.memory import release_memory
from minicnn.threads import get_threads, set_threads
from minicnn.training import optimizers, schedules
from minicnn.training.losses import SoftmaxCrossEntropy
from minicnn.training.optimizers import *
from minicnn.training.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "SoftmaxCrossEntropy", "Trainer", "get_threads", "gradcheck", "models", "ops", "optimizers",
    "release_memory", "schedules", "set_threads", "trace", "use_kernels", *layers.__all__, *optimizers.__all__,
]  # fmt: skip
