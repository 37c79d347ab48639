"""Weight averaging: the mean of the last weights, which the noise of single batches has left, often does better.

Each step of training follows a few samples and overshoots for all others. Averaged over many steps this noise cancels,
as if the learning rate had been lowered, while the steps themselves stay long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import UsageError
from minicnn.layers import Layer


class WeightAverage:
    """The exponential moving average of a network's parameters.

        a ← a + (1 − d) / (1 − dᵗ) · (w − a)  after step t = 1, 2, …, which is  a = Σ_i dᵗ⁻ⁱ·w_i / Σ_i dᵗ⁻ⁱ

    The weights of the last 1 / (1 − d) steps make up most of it. The divisor 1 − dᵗ is that of Adam's means: with it
    the first steps are averaged as they are, and the weights that training began with have no part in it.
    net: whose parameters are averaged; running statistics are means already, and stay the network's. decay: d, above 0
    and below 1. Source: Polyak & Juditsky 1992; Kingma & Ba 2015 §7.2, with §3's correction. Raises UsageError for
    another decay.
    """

    def __init__(self, net: Layer, decay: float) -> None:
        if not 0 < decay < 1:
            raise UsageError(f"the decay of a weight average is above 0 and below 1, such as 0.999; got {decay}")
        self.decay = decay
        self.parameters = net.parameters()
        self.values: dict[str, Array] = {name: p.value.copy() for name, p in self.parameters.items()}

    def update(self, step: int, share_done: float = 0.0) -> None:
        """Take in the weights as they are after step number `step`, counted from 1.

        share_done: of all steps of training; it is only Lookahead that asks for it.
        """
        share = (1 - self.decay) / (1 - self.decay**step)
        for name, parameter in self.parameters.items():
            ops.average_update(self.values[name], parameter.value, share)

    @contextmanager
    def in_place_of_the_weights(self) -> Iterator[None]:
        """Let the network hold the averages for the time of a block, and its own weights again after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, parameter in self.parameters.items():
            parameter.value, self.values[name] = self.values[name], parameter.value


class Lookahead(WeightAverage):
    """Slow weights that follow the fast ones, which begin anew from them after every few steps.

        after the first step and every k-th:  a ← α·a + (1 − α)·w,  w ← a,  with α = 0.95ᵏ·t³ at the share t of training

    The fast weights w find the way, the slow ones a keep what several of their steps have in common. Early in training
    α is near 0, and nothing is held back; at its end a is an average over some 20 steps. net: whose parameters are
    averaged. every: k. Source: Zhang et al. 2019, "Lookahead Optimizer: k steps forward, 1 step back", algorithm 1;
    the rise of α is of Jordan 2024, arXiv 2404.00498, §3.4. Raises UsageError for k below 1.
    """

    KEPT = 0.95  # of the slow weights, a step, at the end of training

    def __init__(self, net: Layer, every: int = 5) -> None:
        if every < 1:
            raise UsageError(f"lookahead waits for at least one step; got {every}")
        super().__init__(net, self.KEPT)
        self.every = every

    def update(self, step: int, share_done: float = 0.0) -> None:
        if step % self.every and step > 1:
            return
        share = 1 - self.decay**self.every * share_done**3
        for name, parameter in self.parameters.items():
            if parameter.frozen:
                self.values[name][...] = parameter.value  # to the bit, which the formula would not give
            else:
                ops.average_update(self.values[name], parameter.value, share)
                parameter.value[...] = self.values[name]
