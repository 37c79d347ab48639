"""A small network that is trained with the learner's function in the place of minicnn's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from minicnn.dispatch import use_kernels
from minicnn.inspection.exercises.exercise import Exercise, Function
from minicnn.inspection.exercises.language import Text
from minicnn.layers import BatchNorm2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Sequential
from minicnn.training.losses import SoftmaxCrossEntropy
from minicnn.training.optimizers import SGD, Adam

BATCH = 25
EPOCHS = 6
SEED = 0
SGD_RATE, ADAM_RATE = 0.03, 5e-3


TRAINS = Text(
    "Now a small network learns `shapes` with it: some seconds, a minute at most",
    "现在让一个小网络用它来学习 `shapes`：几秒钟，至多一分钟",
)


class Training(NamedTuple):
    """What came of it: the share of the pictures set aside that is recognised, and how it was reached."""

    accuracy: float
    validated: int
    classes: int
    steps: int
    planned: int
    seconds: float

    def said(self, exercise: Exercise) -> tuple[Text, ...]:
        """Return it as lines to print."""
        texts = [
            Text(
                "A small network with your {name} in it recognises {accuracy:.0%} of {count} pictures of `shapes` that "
                "it has never seen, after {steps} steps in {seconds:.0f} s; guessing finds {chance:.0%}",
                "一个用上你的 {name} 的小网络，训练 {steps} 步（{seconds:.0f} 秒）后，认出了 `shapes` 中 {count} "
                "张没见过的图片的 "
                "{accuracy:.0%}；瞎猜是 {chance:.0%}",
            ).filled(
                name=exercise.name, accuracy=self.accuracy, count=self.validated, steps=self.steps,
                seconds=self.seconds, chance=1 / self.classes,
            )
        ]  # fmt: skip
        if self.steps < self.planned:
            texts.append(
                Text(
                    "Time was up: {planned} steps were planned. Loops in Python are slow; the same sum as a product of "
                    "whole arrays is learnt with in a moment",
                    "时间到了：本来计划 {planned} 步。Python 循环很慢；把同样的和写成整个数组的乘积，转眼就能学完",
                ).filled(planned=self.planned)
            )
        return tuple(texts)


def train_with(
    exercise: Exercise, function: Function, pictures: np.ndarray, labels: np.ndarray, validation: int, seconds: float
) -> Training:
    """Train a small network in which `function` computes what the exercise asks for; everything else are formulas.

    pictures: (N, H, W, 3), float32 in 0 … 1, in random order. labels: (N,). validation: so many of the last are set
    aside. seconds: after which it ends, whatever has been learnt.
    """
    classes = int(labels.max()) + 1
    learning = len(pictures) - validation
    net = Sequential(
        [
            Conv2D(12, 3, padding=1), BatchNorm2D(), ReLU(), MaxPool2D(2),
            Conv2D(24, 3, padding=1), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.1), Dense(classes),
        ],
        input_shape=pictures.shape[1:], seed=SEED,
    )  # fmt: skip
    adam = exercise.name == "adam_update"
    optimizer = Adam(net.parameters(), lr=ADAM_RATE) if adam else SGD(net.parameters(), lr=SGD_RATE, momentum=0.9)
    highest = optimizer.lr
    loss, rng = SoftmaxCrossEntropy(), np.random.default_rng(SEED)
    orders = [rng.permutation(learning).reshape(-1, BATCH) for _ in range(EPOCHS)]
    batches = np.concatenate(orders)
    start, steps = time.monotonic(), 0
    with use_kernels("reference"):
        with in_place_of(exercise, function):
            for batch in batches:
                if time.monotonic() - start > seconds:
                    break
                optimizer.lr = highest * (1 - steps / len(batches))
                loss.forward(net.forward(pictures[batch], training=True), labels[batch])
                net.backward(loss.backward(), input_gradient=False)
                optimizer.step()
                optimizer.zero_grad()
                steps += 1
        found = net.forward(pictures[learning:]).argmax(axis=1)
    accuracy = float((found == labels[learning:]).mean())
    return Training(accuracy, validation, classes, steps, len(batches), time.monotonic() - start)


@contextmanager
def in_place_of(exercise: Exercise, function: Function) -> Iterator[None]:
    """Let `function` be the exercise's operation wherever minicnn calls it by its name, while the block runs."""
    own, name = exercise.operation, exercise.name
    places = [
        module for key, module in list(sys.modules.items())
        if key.partition(".")[0] == "minicnn" and vars(module).get(name) is own
    ]  # fmt: skip
    for module in places:
        setattr(module, name, function)
    try:
        yield
    finally:
        for module in places:
            setattr(module, name, own)
