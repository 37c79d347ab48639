"""Can the network learn twenty pictures by heart? If not, it will not learn twenty thousand."""

from __future__ import annotations

import numpy as np

from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.subject import Subject
from minicnn.layers import Sequential
from minicnn.training.losses import SoftmaxCrossEntropy
from minicnn.training.optimizers import Adam

PICTURES = 20
STEPS, MOST_STEPS = 200, 600  # the second where the loss has halved by the first
RATES = (1e-3, 1e-2, 1e-4)  # the second where the first was too little, as for small networks; the third, too much
LEARNT, HALF = 0.01, 0.5  # of the loss at the start


def overfitting(subject: Subject) -> Finding:
    """Train a copy on twenty pictures, without dropout, random changes or mixing, until their loss is gone.

    The optimizer is Adam, whatever the subject's own: whether its learning rate does is another question. Source:
    Karpathy 2019, "A recipe for training neural networks", "overfit one batch".
    """
    x, labels = twenty(*subject.sample)
    tried: dict[float, list[float]] = {}
    for rate in RATES:
        tried[rate] = learn_by_heart(subject.copy_without_dropout(), x, labels, rate)
        if tried[rate][-1] <= LEARNT * tried[rate][0]:
            break
    rate = min(tried, key=lambda one: float(np.nan_to_num(tried[one][-1], nan=np.inf)))
    losses = tried[rate]
    numbers = {
        "first_loss": losses[0], "last_loss": losses[-1], "steps": len(losses), "pictures": len(x), "rate": rate
    }  # fmt: skip
    figure = f"the loss on {len(x)} pictures went from {losses[0]:.3g} to {losses[-1]:.2g} in {len(losses)} steps"
    figure += f" at {rate:g}"
    if losses[-1] <= LEARNT * losses[0]:
        return Finding(Verdict.FINE, figure, numbers=numbers)
    advice = "look at the gradient flow, then minicnn gradcheck; else it is too small, or a picture has two labels"
    return Finding(Verdict.LOOK if losses[-1] < HALF * losses[0] else Verdict.BROKEN, figure, advice, numbers)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def learn_by_heart(net: Sequential, x: np.ndarray, labels: np.ndarray, rate: float) -> list[float]:
    """Return the losses (nats) of steps on one batch, until it is learnt, or none is left, or they lead nowhere.

    There are STEPS of them at most, and MOST_STEPS where the loss has halved by then: what is learnt slowly is learnt.
    """
    loss, optimizer = SoftmaxCrossEntropy(), Adam(net.parameters(), lr=rate)
    losses: list[float] = []
    for step in range(MOST_STEPS):
        if step == STEPS and losses[-1] > HALF * losses[0]:
            break
        losses.append(float(loss.forward(net.forward(x, training=True), labels)))
        if not np.isfinite(losses[-1]) or losses[-1] <= LEARNT * losses[0]:
            break
        net.backward(loss.backward(), input_gradient=False)
        optimizer.step()
        optimizer.zero_grad()
    return losses


def twenty(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most PICTURES of some samples, of as many classes as there are, about as many of each."""
    turn = np.zeros(len(labels), dtype=np.int64)  # the how manieth of its class each is
    for label in np.unique(labels):
        turn[labels == label] = np.arange((labels == label).sum())
    chosen = np.sort(np.argsort(turn, kind="stable")[:PICTURES])
    return np.ascontiguousarray(x[chosen]), labels[chosen]
