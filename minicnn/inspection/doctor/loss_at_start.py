"""Does the network begin by knowing nothing, and being sure of nothing?"""

from __future__ import annotations

import copy
from math import isfinite, log

import numpy as np

from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.subject import Subject

NEAR, FAR = 2.0, 6.0  # nats: how far above ln K the first loss may be, and beyond what something is wrong
BELOW = 0.1  # of ln K: how far below it


@np.errstate(over="ignore", invalid="ignore")
def loss_at_start(subject: Subject) -> Finding:
    """Compare the loss before the first step with ln K, that of K classes with equal probabilities.

    A larger one means that the network is sure of what it cannot know; its first steps are spent on unlearning that.
    Source: Karpathy 2019, "A recipe for training neural networks".
    """
    net, loss = subject.copy_of_net(), copy.deepcopy(subject.trainer.loss)
    size = max(1, min(32, len(subject.sample[1])))
    parts = [
        (float(loss.forward(net.forward(x, training=True), labels)), len(labels))
        for x, labels in subject.sample_batches(size)
    ]
    first = sum(value * count for value, count in parts) / sum(count for _, count in parts)
    chance = log(subject.classes)
    numbers = {"loss": first, "ln_classes": chance}
    figure = f"{first:.3g} nats; ln({subject.classes}) = {chance:.3g} is that of equal probabilities"
    if not isfinite(first) or first > chance + FAR:
        advice = "scale the inputs, or begin with smaller weights, in the last layer above all"
        return Finding(Verdict.BROKEN, figure, advice, numbers)
    if first > chance + NEAR:
        return Finding(Verdict.LOOK, figure, "it begins too sure: smaller weights in the last layer", numbers)
    if first < (1 - BELOW) * chance:
        return Finding(Verdict.LOOK, figure, "it knows something already: weights that were trained?", numbers)
    return Finding(Verdict.FINE, figure, numbers=numbers)
