"""Magnitude pruning: the weights nearest to zero become zero and stay so, while the others go on learning.

A network has more weights than it needs. Those that are small change little when they are left out, and what they did
the others learn to do as well, if they are given some steps for it. Taken out a few at a time, more of them can go.

A convolution with zeros in it takes as long as one without: what pruning gains is room, in a file that leaves the zeros
out.
"""

from __future__ import annotations

from collections.abc import Mapping

from minicnn.backend import Array, array_module
from minicnn.errors import UsageError
from minicnn.layers import Conv2D, Layer
from minicnn.layers.tree import found_in
from minicnn.layers.variables import Parameter

SCOPES = ("global", "layer")
STAGES = 50  # in which the sparsity rises to the last: each sorts all weights, which takes as long as some steps


class Pruning:
    """Which weights of a network are zero, and when they become so.

        s = S · (1 − (1 − t/T)³)      after a share t of all steps, up to T; S from there on

    are pruned: many at first, where there is much to choose from, and fewer and fewer towards S.
    net: whose weights are pruned: those of convolutions and dense layers that learn. Biases, batch norms and depthwise
    convolutions stay whole: they are few, and each counts. sparsity: S, the share of these weights that become zero,
    above 0 and below 1. scope: "global" compares the weights of all layers with one another; with "layer" each layer
    loses the same share. until: T, 0 to prune all at once before the first step, up to 1.
    `masks` holds for each weight array by name where it stays (True) and where it is zero.
    Source: Han et al. 2015, "Learning both Weights and Connections for Efficient Neural Networks"; Zhu & Gupta 2017,
    "To prune, or not to prune", §3, for s. Raises UsageError for values out of range, or nothing to prune.
    """

    def __init__(self, net: Layer, sparsity: float, scope: str = "global", until: float = 0.5) -> None:
        if not 0 < sparsity < 1:
            raise UsageError(f"prune={sparsity:g} should be the share of weights to become zero, above 0 and below 1")
        if scope not in SCOPES:
            raise UsageError(f"unknown scope of pruning {scope!r}: choose {' or '.join(SCOPES)}")
        if not 0 <= until <= 1:
            raise UsageError(f"prune until={until:g} should be a share of all steps, from 0 (at once) to 1")
        self.sparsity, self.scope, self.until = sparsity, scope, until
        self.weights = prunable(net)
        if not self.weights:
            raise UsageError("there is nothing to prune: no convolution or dense layer learns")
        self.masks: dict[str, Array] = {
            name: array_module(weight.value).ones(weight.shape, dtype=bool) for name, weight in self.weights.items()
        }

    @property
    def pruned(self) -> float:
        """The share of the weights that is pruned now, 0 … 1."""
        return self._zeros() / sum(mask.size for mask in self.masks.values())

    def advance(self, done: float) -> None:
        """Prune as many weights as there should be zeros after a share `done` of all steps, 0 … 1.

        What is pruned already stays so, whatever the share.
        """
        share = 1.0 if done >= self.until else 1 - (1 - done / self.until) ** 3
        wanted, last = (self._zeros_by_group(self.sparsity * part) for part in (share, 1.0))
        missing = sum(wanted) - self._zeros()
        if missing <= 0 or (missing < sum(last) / STAGES and share < 1):
            return
        for names, zeros in zip(self._groups(), wanted, strict=True):
            self._prune(names, zeros)
        self.mask({name: weight.value for name, weight in self.weights.items()})

    def mask(self, arrays: Mapping[str, Array | None]) -> None:
        """Set to zero, in place, what is pruned in arrays that belong to the weights by name: values, or gradients."""
        for name, mask in self.masks.items():
            array = arrays.get(name)
            if array is not None:
                array *= mask

    def _groups(self) -> list[list[str]]:
        """Return the names of the weights that are compared with one another."""
        return [list(self.masks)] if self.scope == "global" else [[name] for name in self.masks]

    def _zeros_by_group(self, sparsity: float) -> list[int]:
        return [round(sparsity * sum(self.masks[name].size for name in names)) for names in self._groups()]

    def _prune(self, names: list[str], zeros: int) -> None:
        """Let `zeros` of the weights of these names together be pruned, the smallest."""
        if not zeros:
            return
        masks = [self.masks[name] for name in names]
        xp = array_module(masks[0])
        # What is pruned already comes first, before zeros that are none of pruning's.
        values = [self.weights[name].value for name in names]
        sizes = xp.concatenate([xp.where(m, abs(v), -1).ravel() for m, v in zip(masks, values, strict=True)])
        stays = xp.ones(sizes.shape, dtype=bool)
        stays[xp.argpartition(sizes, zeros - 1)[:zeros]] = False
        start = 0
        for name, mask in zip(names, masks, strict=True):
            self.masks[name] = stays[start : start + mask.size].reshape(mask.shape)
            start += mask.size

    def _zeros(self) -> int:
        return sum(int(mask.size - mask.sum()) for mask in self.masks.values())


def prunable(net: Layer) -> dict[str, Parameter]:
    """Return the weights of `net` that pruning may set to zero, by dotted name, in order."""
    weights = {}
    for path, layer in net.walk():
        depthwise = isinstance(layer, Conv2D) and layer.groups > 1 and layer.weight.shape[2] == 1
        for name, parameter in found_in(layer, Parameter).items():
            if len(parameter.shape) > 1 and not parameter.frozen and not depthwise:
                weights[f"{path}.{name}" if path else name] = parameter
    return weights
