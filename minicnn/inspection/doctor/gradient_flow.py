"""Does the gradient of the loss reach everything that shall learn, and in a size that can teach it?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from minicnn.backend import to_numpy
from minicnn.inspection.doctor.finding import Finding, Verdict, listed
from minicnn.inspection.doctor.subject import Subject
from minicnn.training.losses import SoftmaxCrossEntropy
from minicnn.training.optimizers import Adam

STEPS, RATE = 5, 1e-3  # a layer of zeros lets nothing through before it has learnt a little, and that is no fault
WEAK, LOST = 1e-4, 1e-6  # of the gradient that arrives at the layer that gets most


@np.errstate(over="ignore", invalid="ignore")
def gradient_flow(subject: Subject) -> Finding:
    """Take a few small steps and compare the gradients of the last, in the root mean square of each weight's numbers.

    Where it shrinks from layer to layer, the first ones learn nothing (Hochreiter 1991; Glorot & Bengio 2010, §4.2).
    """
    net, loss = subject.copy_without_dropout(), SoftmaxCrossEntropy()
    optimizer = Adam(net.parameters(), lr=RATE)
    for x, labels in islice(_endless(subject), STEPS):
        optimizer.step()  # nothing yet in the first turn
        optimizer.zero_grad()
        loss.forward(net.forward(x, training=True), labels)
        net.backward(loss.backward(), input_gradient=False)
    learning = {name: p for name, p in net.parameters().items() if not p.frozen}
    gradients = {name: to_numpy(p.grad) for name, p in learning.items() if p.grad is not None}
    wild = [name for name, g in gradients.items() if not np.isfinite(g).all()]
    if wild:
        figure = f"infinite or no numbers in {listed(wild)}"
        return Finding(Verdict.BROKEN, figure, "look at weights and inputs, then gradcheck", {"wild": len(wild)})
    unreached = [name for name in learning if name not in gradients or not gradients[name].any()]
    strengths = {
        name: float(np.sqrt(np.mean(np.square(g, dtype=np.float64))))
        for name, g in gradients.items()
        if g.ndim > 1 and g.any()
    }
    numbers = {"unreached": len(unreached), **strengths}
    if unreached:
        figure = f"none at all reaches {listed(unreached)} (of {len(learning)})"
        advice = "look at the backward passes behind it (minicnn gradcheck), and for ReLUs that are dead"
        return Finding(Verdict.BROKEN, figure, advice, numbers)
    if not strengths:
        return Finding(Verdict.FINE, f"it reaches all {len(learning)} parameters that learn", numbers=numbers)
    strongest, weakest = max(strengths, key=strengths.__getitem__), min(strengths, key=strengths.__getitem__)
    share = strengths[weakest] / strengths[strongest]
    figure = f"it reaches all {len(learning)} parameters; {weakest} gets {share:.2g} of what {strongest} does"
    if share < WEAK:
        advice = "it vanishes on the way: ReLU for sigmoid, He weights, batch norm, or shortcuts (Residual)"
        return Finding(Verdict.BROKEN if share < LOST else Verdict.LOOK, figure, advice, numbers)
    return Finding(Verdict.FINE, figure, numbers=numbers)


def _endless(subject: Subject) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    while True:
        yield from subject.sample_batches(32)
