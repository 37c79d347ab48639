"""The optimizers: how parameters follow their gradients. The formulas stand in `minicnn.ops.updates`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.backend import Array, array_module, device_of, to_device, to_numpy
from minicnn.errors import UsageError
from minicnn.layers.variables import Parameter


def _require_range(name: str, value: float, smallest: float, below: float = float("inf")) -> float:
    if not smallest <= value < below:
        limit = f" and below {below:g}" if below < float("inf") else " and finite"
        raise UsageError(f"{name}={value} should be at least {smallest:g}{limit}")
    return float(value)


class Optimizer:
    """Parameters, a learning rate `lr` that a schedule may change between steps, and arrays of memory a parameter.

    `rates` holds factors on lr by parameter's name, for those that learn faster or slower than the rest.
    """

    memory: tuple[str, ...] = ()  # the names of the arrays that it keeps for each parameter, each like its value

    def __init__(self, parameters: Mapping[str, Parameter], lr: float, weight_decay: float) -> None:
        self.parameters = dict(parameters)
        if not self.parameters:
            raise UsageError("the optimizer was given no parameters: the network has none, or is not built yet")
        self.lr = _require_range("lr", lr, 0)
        self.weight_decay = _require_range("weight_decay", weight_decay, 0)
        self.rates: dict[str, float] = {}
        self.steps = 0
        self.state: dict[str, dict[str, Array]] = {
            name: {key: array_module(p.value).zeros_like(p.value) for key in self.memory}
            for name, p in self.parameters.items()
        }

    def step(self) -> None:
        """Change every parameter that has a gradient by one step, in place."""
        self.steps += 1
        for name, parameter in self.parameters.items():
            if parameter.grad is not None:
                self.update(parameter, self.lr * self.rates.get(name, 1.0), **self.state[name])

    def update(self, parameter: Parameter, lr: float, **memory: Array) -> None:
        """Change one parameter in place, by a step of its own learning rate."""
        raise TypeError(f"{type(self).__name__} does not say how it updates a parameter")

    def zero_grad(self) -> None:
        """Forget all gradients, so that the next backward pass begins anew."""
        for parameter in self.parameters.values():
            parameter.grad = None

    def state_arrays(self) -> dict[str, np.ndarray]:
        """Return the memory as host arrays named "parameter/array", ready for a checkpoint."""
        return {f"{name}/{key}": to_numpy(a) for name, arrays in self.state.items() for key, a in arrays.items()}

    def load_state(self, arrays: Mapping[str, np.ndarray], steps: int) -> None:
        """Bring back what `state_arrays` returned and the number of steps taken.

        Raises UsageError, changing nothing, when it is another optimizer's or another network's.
        """
        expected = {name: (a.shape, a.dtype) for name, a in self.state_arrays().items()}
        if {name: (a.shape, a.dtype) for name, a in arrays.items()} != expected:
            raise UsageError(f"this optimizer state is not one of {type(self).__name__} on this network")
        for name, memory in self.state.items():
            for key in memory:
                memory[key] = to_device(arrays[f"{name}/{key}"].copy(), device_of(memory[key]))
        self.steps = steps


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's variant, and weight decay (L2, added to the gradient).

    parameters: name → Parameter. lr: step size. momentum: μ in [0, 1). nesterov: look ahead along the momentum.
    weight_decay: λ. Source: document 004 §4.3; Sutskever et al. 2013 §2.
    Raises UsageError for values out of range, or nesterov without momentum.
    """

    def __init__(
        self, parameters: Mapping[str, Parameter], lr: float = 0.01, momentum: float = 0.0, nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        self.momentum = _require_range("momentum", momentum, 0, below=1)
        if nesterov and not momentum:
            raise UsageError("nesterov=True needs a momentum above 0")
        self.nesterov = nesterov
        self.memory = ("velocity",) if momentum else ()
        super().__init__(parameters, lr, weight_decay)

    def update(self, parameter: Parameter, lr: float, velocity: Array | None = None) -> None:  # type: ignore[override]
        ops.sgd_update(parameter.value, parameter.grad, velocity, lr, self.momentum, self.nesterov, self.weight_decay)


class Adam(Optimizer):
    """Adaptive moments: every weight has its own step size.

    parameters: name → Parameter. lr: step size. betas: (β₁, β₂), how slowly the running means forget. epsilon: keeps
    the quotient finite. weight_decay: λ (L2, added to the gradient). Source: Kingma & Ba 2015, algorithm 1.
    Raises UsageError for values out of range.
    """

    memory = ("mean", "square")

    def __init__(
        self, parameters: Mapping[str, Parameter], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8, weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        self.beta1 = _require_range("beta1", betas[0], 0, below=1)
        self.beta2 = _require_range("beta2", betas[1], 0, below=1)
        self.epsilon = _require_range("epsilon", epsilon, 0)
        super().__init__(parameters, lr, weight_decay)

    def step(self) -> None:
        t = self.steps + 1
        self.mean_share, self.square_share = 1 - self.beta1**t, 1 - self.beta2**t
        super().step()

    def update(self, parameter: Parameter, lr: float, mean: Array, square: Array) -> None:  # type: ignore[override]
        ops.adam_update(
            parameter.value, parameter.grad, mean, square, self.mean_share, self.square_share, lr, self.beta1,
            self.beta2, self.epsilon, self.weight_decay,
        )  # fmt: skip


OPTIMIZERS: dict[str, Any] = {kind.__name__.lower(): kind for kind in Optimizer.__subclasses__()}
__all__ = [kind.__name__ for kind in OPTIMIZERS.values()]  # what `minicnn` exports
