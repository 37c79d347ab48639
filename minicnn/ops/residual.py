"""The sum in a residual connection, where two paths that begin at the same x meet again.

    y = body(x) + shortcut(x)        dx = dx_body + dx_shortcut

Forwards each path adds its part; backwards dy goes into both paths as it is, and what comes out of them at x is added,
since x moves y along both. Shapes: all arrays of a call are alike.
Source: He et al. 2016, "Deep Residual Learning for Image Recognition", §3.2.
"""

from __future__ import annotations

from minicnn.backend import Array
from minicnn.dispatch import accelerated
from minicnn.ops.windows import require_one_dtype, require_shape


def _check(body: Array, shortcut: Array) -> None:
    require_shape(body.shape == shortcut.shape, "residual", body=body.shape, shortcut=shortcut.shape)
    require_one_dtype("residual", body=body, shortcut=shortcut)


@accelerated(_check)
def residual(body: Array, shortcut: Array) -> Array:
    """Add what the two paths return: y = body + shortcut.

    body, shortcut: any one shape. Returns y like them. Raises ShapeError when the shapes differ, TypeError when dtypes
    do.
    """
    return body + shortcut


def _check_backward(dx_body: Array, dx_shortcut: Array) -> None:
    require_shape(
        dx_body.shape == dx_shortcut.shape, "residual_backward", dx_body=dx_body.shape, dx_shortcut=dx_shortcut.shape
    )
    require_one_dtype("residual_backward", dx_body=dx_body, dx_shortcut=dx_shortcut)


@accelerated(_check_backward)
def residual_backward(dx_body: Array, dx_shortcut: Array) -> Array:
    """Add the gradients that came back along the two paths: dx = dx_body + dx_shortcut.

    dx_body, dx_shortcut: any one shape. Returns dx like them. Raises as `residual`.
    """
    return dx_body + dx_shortcut
