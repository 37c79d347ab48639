"""Local response normalisation: each number is divided by a power of the energy of its neighbours across channels.

Shapes: x, y, dy, dx (N, H, W, C). With size channels in a window, and zeros outside the picture's C channels:

    s[c] = k + α/size · Σ x[j]²   over j = c − ⌊size/2⌋ … c + ⌊(size − 1)/2⌋        y[c] = x[c] / s[c]^β

Backwards, x[c] moves y[c] itself, and through s each y[j] whose window it lies in:

    dx[c] = dy[c] / s[c]^β  −  2·α·β/size · x[c] · Σ dy[j] ⊙ x[j] / s[j]^(β + 1)
            over j = c − ⌊(size − 1)/2⌋ … c + ⌊size/2⌋

Source: Krizhevsky, Sutskever & Hinton 2012 (AlexNet), §3.3, in PyTorch's form. The paper does not divide α by the
window's size and chooses k = 2, size 5, α = 1e-4, β = 0.75: with PyTorch's α that is size·α = 5e-4, and k = 2.
"""

from __future__ import annotations

from math import inf

from minicnn.backend import Array, array_module
from minicnn.dispatch import accelerated
from minicnn.errors import UsageError
from minicnn.ops.windows import as_whole, is_number, require_one_dtype, require_shape


def require_settings(size: int, alpha: float, beta: float, k: float) -> None:
    """Raise ShapeError unless `size` is a whole number of at least 1, UsageError unless s^β is a number above 0."""
    as_whole(size, "local_response_norm: size")
    if not (is_number(alpha) and 0 <= alpha < inf):
        raise UsageError(f"local_response_norm: alpha={alpha!r} should be at least 0, and finite")
    if not (is_number(beta) and abs(beta) < inf):
        raise UsageError(f"local_response_norm: beta={beta!r} should be a finite number")
    if not (is_number(k) and 0 < k < inf):
        raise UsageError(f"local_response_norm: k={k!r} should be above 0, and finite: zeros are divided by it")


def _check(x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
    require_shape(x.ndim == 4, "local_response_norm", x=x.shape)
    require_settings(size, alpha, beta, k)


@accelerated(_check)
def local_response_norm(x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """Divide each number by a power of its neighbours' energy: y = x / (k + α/size · Σ_window x²)^β.

    x: (N, H, W, C). size: channels in a window; of an even number, one more lies before than behind. alpha: α, beta:
    β, k: as in the formula. Returns y like x. Raises ShapeError when x has not four axes or size is no whole number of
    at least 1, UsageError unless α ≥ 0, β and k > 0 are finite numbers.
    Source: Krizhevsky et al. 2012, §3.3, with PyTorch's α, k and defaults (torch.nn.LocalResponseNorm).
    """
    s = k + alpha / size * _sum_over_channels(x * x, size // 2, (size - 1) // 2)
    return x / s**beta


def _check_backward(
    dy: Array, x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> None:
    require_shape(dy.ndim == 4 and dy.shape == x.shape, "local_response_norm_backward", dy=dy.shape, x=x.shape)
    require_one_dtype("local_response_norm_backward", dy=dy, x=x)
    require_settings(size, alpha, beta, k)


@accelerated(_check_backward)
def local_response_norm_backward(
    dy: Array, x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """Turn the gradient at y into that at x.

    dy, x: (N, H, W, C). size, alpha, beta, k: as given to `local_response_norm`. Returns dx like x.
    Raises ShapeError when dy is not like x, TypeError when dtypes differ, and for settings what that raises.
    """
    s = k + alpha / size * _sum_over_channels(x * x, size // 2, (size - 1) // 2)
    through_s = _sum_over_channels(dy * x / s ** (beta + 1), (size - 1) // 2, size // 2)
    return dy / s**beta - 2 * alpha * beta / size * x * through_s


def _sum_over_channels(values: Array, before: int, after: int) -> Array:
    """Return for each channel c the sum over channels c − before … c + after, of which those outside count as 0."""
    channels = values.shape[3]
    padded = array_module(values).pad(values, ((0, 0), (0, 0), (0, 0), (before, after)))
    return sum(padded[..., offset : offset + channels] for offset in range(before + 1 + after))
