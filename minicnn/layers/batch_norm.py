"""The batch normalisation layer."""

from __future__ import annotations

from math import inf

from minicnn import ops
from minicnn.backend import Array
from minicnn.errors import UsageError
from minicnn.layers.base import Layer, Shape
from minicnn.layers.variables import Parameter, State
from minicnn.ops.windows import is_number


class BatchNorm2D(Layer):
    """Normalise each channel by its mean and variance over the batch, then scale and shift it.

    momentum: how far the running statistics move towards each training batch's own, from 0 to 1. epsilon: ε, added to
    the variance. The weight (C,) begins at one, the bias (C,) at zero. In training the batch's own statistics are used,
    with the variance divided by M = N·H·W; running_mean and running_var (C,), saved with the network, follow them, with
    the variance divided by M − 1: an estimate for all pictures. Otherwise, and where the layer is frozen, the running
    ones are used, and each picture is on its own. Input and output (N, H, W, C); in training N·H·W ≥ 2.
    Source: Ioffe & Szegedy 2015, "Batch Normalization", algorithms 1 and 2.
    """

    kind = "bn"
    x: Array | None = None
    mean: Array | None = None  # of the batch that backward is about, or where `given` the running one, as it was
    variance: Array | None = None
    given: bool | None = None  # whether those are numbers that were given, and do not follow from x

    def __init__(self, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        if not (is_number(momentum) and 0 <= momentum <= 1):
            raise UsageError(f"BatchNorm2D momentum={momentum!r} should be from 0 to 1: a new batch's share")
        if not (is_number(epsilon) and 0 < epsilon < inf):
            raise UsageError(
                f"BatchNorm2D epsilon={epsilon!r} should be above 0, and finite: it keeps a variance of 0 from dividing"
            )
        self.momentum = momentum
        self.epsilon = epsilon

    def resolve(self, input_shape: Shape) -> Shape:
        self.require_picture(input_shape)
        channels = (input_shape[2],)
        self.weight = Parameter.declared(channels, "ones")
        self.bias = Parameter.declared(channels, "zeros")
        self.running_mean = State.declared(channels, "zeros")
        self.running_var = State.declared(channels, "ones")
        return input_shape

    def forward(self, x: Array, training: bool = False) -> Array:
        """x: (N, H, W, C). Returns y like x. Raises ShapeError in training when each channel has one number only."""
        self.require_built()
        weight, bias = self.weight.value, self.bias.value
        by_its_own = training and not self.frozen
        if by_its_own:
            y, mean, variance = ops.batch_norm(x, weight, bias, self.epsilon)
            self.follow(mean, variance, pixels=x.shape[0] * x.shape[1] * x.shape[2])
        else:
            mean, variance = self.running_mean.value, self.running_var.value
            y = ops.batch_norm_inference(x, weight, bias, mean, variance, self.epsilon)
        self.keep(training, x=x, mean=mean, variance=variance, given=not by_its_own)
        return y

    def follow(self, mean: Array, variance: Array, pixels: int) -> None:
        """Move the running statistics towards a batch's mean and biased variance (C,) over so many pixels."""
        unbiased = variance * (pixels / (pixels - 1))
        self.running_mean.value = (1 - self.momentum) * self.running_mean.value + self.momentum * mean
        self.running_var.value = (1 - self.momentum) * self.running_var.value + self.momentum * unbiased

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dy: (N, H, W, C). Returns dx like it, or None."""
        given, mean, variance = self.take("given"), self.take("mean"), self.take("variance")
        slope = ops.batch_norm_inference_backward if given else ops.batch_norm_backward
        dx, dweight, dbias = slope(dy, self.take("x"), self.weight.value, mean, variance, self.epsilon)
        self.weight.accumulate(dweight, own=True)
        self.bias.accumulate(dbias, own=True)
        return dx if input_gradient else None

    def describe(self) -> str:
        return f"momentum={self.momentum:g}, epsilon={self.epsilon:g}"

    def operations(self) -> int:
        """Return 4 for every number in use, where the statistics are known: − mean, ÷ deviation, · weight, + bias."""
        return 4 * self.output_numbers()

    @classmethod
    def examples(cls) -> list[tuple[Layer, Shape]]:
        return [(cls(), (4, 5, 3)), (cls(momentum=0.5, epsilon=0.1), (3, 2, 2))]
