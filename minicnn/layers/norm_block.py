"""Batch norm and what stands behind it as one operation in training: [+ what a shortcut brings] + ReLU."""

from __future__ import annotations

from minicnn import ops
from minicnn.backend import Array
from minicnn.layers.activations import ReLU, ReLU6
from minicnn.layers.base import Layer
from minicnn.layers.batch_norm import BatchNorm2D
from minicnn.layers.passes import Absent
from minicnn.layers.plan import FusedStep, Part, Plan, make_plan, run_backward, run_forward
from minicnn.layers.residual import Residual
from minicnn.layers.sequential import Sequential

_UNWRITTEN = (
    "batch norm and ReLU ran as one, which never writes this output; "
    'use_kernels("reference") or Sequential(…, fuse=False) runs each layer by itself'
)


class NormBlock(FusedStep):
    """A batch norm and its ReLU, or ReLU6, as one `ops.norm_block`: two passes over memory instead of three.

    What backward needs stands on the layers: the batch norm's x and statistics, and ReLU's y.
    """

    pattern = (Part(BatchNorm2D), Part((ReLU, ReLU6)))
    passes = ("training",)
    why = "one norm_block: normalised and cut off in one pass over memory"

    def __init__(self, norm: BatchNorm2D, relu: ReLU | ReLU6) -> None:
        super().__init__(norm, relu)
        self.norm, self.relu = norm, relu

    @classmethod
    def suits(cls, *parts: Layer | None) -> bool:
        """Return whether the batch norm takes the batch's own statistics."""
        return not parts[0].frozen  # type: ignore[union-attr]

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y like x."""
        return _normalize(self.norm, self.relu, x, None)

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: like x. Returns dx like x; it comes with the other gradients at no cost."""
        return _normalize_backward(self.norm, self.relu, dy, residual=False)[0]


class ResidualBlock(FusedStep):
    """A residual connection whose body ends in a batch norm, and the ReLU behind it.

    The body's last step is one `ops.norm_block`, which normalises, adds what the shortcut brings, and cuts off.
    """

    pattern = (Part(Residual), Part(ReLU))
    passes = ("training",)
    why = "the body's batch norm, the addition and ReLU are one norm_block"

    def __init__(self, residual: Residual, relu: ReLU) -> None:
        super().__init__(residual, relu)
        self.residual, self.relu = residual, relu
        *before, self.norm = residual.body.layers  # type: ignore[attr-defined]
        self.body = make_plan(before, "training")

    @classmethod
    def suits(cls, *parts: Layer | None) -> bool:
        """Return whether the body is a Sequential that ends in a batch norm which learns, with something before it."""
        body = parts[0].body  # type: ignore[union-attr]
        if type(body) is not Sequential or not body.fuse or len(body.layers) < 2:
            return False
        return type(body.layers[-1]) is BatchNorm2D and not body.layers[-1].frozen

    def inner_plans(self) -> dict[str, Plan]:
        """Return the plan of the body, but for its last batch norm, and that of the shortcut."""
        return {"body": self.body, **shortcut_plans(self.residual, "training")}

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y, of the body's output shape."""
        shortcut = self.residual.shortcut
        z = run_forward(self.body, x, training)
        return _normalize(self.norm, self.relu, z, x if shortcut is None else shortcut.forward(x, training))

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: like y. Returns dx like x, or None."""
        shortcut = self.residual.shortcut
        dz, dshortcut = _normalize_backward(self.norm, self.relu, dy, residual=True)
        if shortcut is not None:
            dshortcut = shortcut.backward(dshortcut, input_gradient)
        dx = run_backward(self.body, dz, input_gradient)
        return ops.residual_backward(dx, dshortcut) if dx is not None and input_gradient else None


def shortcut_plans(residual: Residual, kind: str) -> dict[str, Plan]:
    """Return the plan of a residual connection's shortcut, if it has a network there."""
    shortcut = residual.shortcut
    return {"shortcut": shortcut.make_plan(kind)} if isinstance(shortcut, Sequential) else {}


def _normalize(norm: BatchNorm2D, relu: ReLU | ReLU6, x: Array, residual: Array | None) -> Array:
    y, mean, variance = ops.norm_block(
        x, norm.weight.value, norm.bias.value, norm.epsilon, residual, True, type(relu) is ReLU6
    )
    norm.follow(mean, variance, pixels=x.shape[0] * x.shape[1] * x.shape[2])
    norm.keep(True, x=x, mean=mean, variance=variance, given=False, y=Absent(_UNWRITTEN))
    relu.keep(True, y=y)
    return y


def _normalize_backward(norm: BatchNorm2D, relu: ReLU | ReLU6, dy: Array, residual: bool) -> tuple[Array, Array | None]:
    x, mean, variance, y = norm.take("x"), norm.take("mean"), norm.take("variance"), relu.take("y")
    dx, dweight, dbias, dresidual = ops.norm_block_backward(
        dy, x, y, norm.weight.value, mean, variance, norm.epsilon, True, residual, type(relu) is ReLU6
    )
    norm.weight.accumulate(dweight, own=True)
    norm.bias.accumulate(dbias, own=True)
    return dx, dresidual
