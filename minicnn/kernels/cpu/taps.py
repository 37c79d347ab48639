"""Convolution tap by tap (kn2row), for pictures so small that a large part of most windows lies outside of them.

Of a 3×3 window on a picture of 2×2 pixels, padded, four pixels are the picture's; im2col multiplies all nine. Here each
tap, an element (ky, kx) of the kernel, has matrix products of its own, over those places alone where it lies inside,
and over all pictures at once:

    forward    z[i, j] += x[at]·W[ky, kx]                     at = (i·SH + ky − top, j·SW + kx − left)
    backward   dW[ky, kx] += x[at]ᵀ·dz[i, j]      dx[at] += dz[i, j]·W[ky, kx]ᵀ

Small pictures stand at the end of a network, where weights are many: threads share the filters (for dx the channels),
not the pictures, so that each reads its own part of W, and collects its own part of dW.

The zeros around the pictures are never multiplied: unlike the formula's, they do not turn into NaN beside a weight that
is NaN or infinite.

Shapes: weight (KH, KW, C, F). Pixels lead, x (H, W, N, C) and z (ZH, ZW, N, F), so that neighbouring places of all
pictures are one matrix; with strides, the columns of x that a tap meets one after the other stand side by side.
Source: Vasudevan et al. 2017, "Parallel Multi Channel Convolution using General Matrix Multiplication", §3.
"""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.blas import gemm, multiply, one_blas_thread
from minicnn.kernels.cpu.compiling import entry, inner
from minicnn.kernels.cpu.epilogue import finish_strip, gradient_strip
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.scratch import scratch, zeroed_scratch
from minicnn.kernels.cpu.strips import Block, Finish, Received, beginning, copy_row
from minicnn.kernels.cpu.team import share, team_size, work_together
from minicnn.kernels.cpu.ties import windows_in

FEWEST_PICTURES = 16  # as many rows as the smallest product has
MOST_WINDOWS = 16384  # that dW adds up in the arrays' own precision: some 64 products of 256, as in `schedule`
COPY_COST = 8  # multiplications that take as long as copying a number


def supports(block: Block, images: int) -> bool:
    """Return whether so many pictures make efficient products, and short enough sums. A pooled block is not for it."""
    return not block.pooled and FEWEST_PICTURES <= images <= MOST_WINDOWS // (block.z_height * block.z_width)


def places_inside(block: Block, height: int, width: int) -> int:
    """Return at how many places all taps together lie inside a picture: multiplications for a channel and a filter."""
    rows = [_range(ky, block.stride_h, block.top, height, block.z_height) for ky in range(block.kernel_h)]
    columns = [_range(kx, block.stride_w, block.left, width, block.z_width) for kx in range(block.kernel_w)]
    return sum(max(end - first, 0) for first, end in rows) * sum(max(end - first, 0) for first, end in columns)


def forward(x: np.ndarray, weight: np.ndarray, finish: Finish, block: Block, threads: int) -> None:
    """Fill `finish.y` from x (N, H, W, C)."""
    images, height, width, channels = x.shape
    pixels = empty((height, width, images, channels), x.dtype)
    z = empty((block.z_height, block.z_width, images, block.filters), x.dtype)
    z.fill(0)
    copying = team_size(COPY_COST * z.size)
    of_picture = scratch(copying, z.size // images, x.dtype)
    work_together(_rearrange, copying, x, pixels, block, False)
    with one_blas_thread():
        work_together(_convolve, threads, pixels, weight, block, z)
    windows = windows_in(block, 0)  # where pooling would look for equal windows: not here
    work_together(_finish, copying, z, of_picture, x.reshape(-1), windows, block, finish)


def backward(
    received: Received, x: np.ndarray, weight: np.ndarray, dx: np.ndarray, block: Block, input_gradient: bool,
    threads: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Fill dx (where asked for) and return dweight, like weight, and dbias (F,)."""
    images, height, width, channels = x.shape
    pixels = empty((height, width, images, channels), x.dtype)
    dz = empty((block.z_height, block.z_width, images, block.filters), x.dtype)
    copying = team_size(COPY_COST * dz.size)
    of_picture = scratch(copying, dz.size // images, x.dtype)
    dbias = zeroed_scratch(copying, block.filters, np.dtype(np.float64))
    dweight = empty(weight.shape, x.dtype)
    dpixels = empty(pixels.shape if input_gradient else (1, 1, 1, 1), x.dtype)
    dpixels.fill(0)
    work_together(_rearrange, copying, x, pixels, block, False)
    work_together(_gradients_lead, copying, received, of_picture, block, dz, dbias)
    with one_blas_thread():
        work_together(_gradients, threads, pixels, dz, weight, block, input_gradient, dweight, dpixels)
    if input_gradient:
        work_together(_rearrange, copying, dx, dpixels, block, True)
    return dweight, dbias[:, : block.filters].sum(axis=0).astype(x.dtype)


def _range(tap: int, stride: int, before: int, length: int, outputs: int) -> tuple[int, int]:
    """Return the first output whose window's element `tap` lies inside a picture so long, and the one after the last.

    before: the picture's padding. The second is at or below the first, where there is none.
    """
    return max(0, -((tap - before) // stride)), min(outputs, (length - 1 + before - tap) // stride + 1)


_range_inside = inner(_range)


@inner
def _column(column, stride, width):
    """Return where a picture's column stands: those that are a multiple of the stride apart, side by side."""
    phase = column % stride
    return phase * (width // stride) + min(phase, width % stride) + column // stride


@entry
def _rearrange(thread, threads, pictures, pixels, block, back):
    """Copy a share of the pictures (N, H, W, C) into pixels (H, W, N, C), or `back`."""
    first, end = share(pictures.shape[0], thread, threads)
    for row in range(pictures.shape[1]):
        for column in range(pictures.shape[2]):
            of_all = pixels[row, _column(column, block.stride_w, pictures.shape[2])]
            for n in range(first, end):
                if back:
                    copy_row(of_all[n], pictures[n, row, column])
                else:
                    copy_row(pictures[n, row, column], of_all[n])


@entry
def _gradients_lead(thread, threads, received, of_picture, block, dz, dbias):
    """Fill a share of the pictures of dz (ZH, ZW, N, F) from dy, and add it up into dbias."""
    strip = beginning(of_picture[thread], 1, block.z_height, block.z_width, block.filters)[0]
    first, end = share(dz.shape[2], thread, threads)
    for n in range(first, end):
        gradient_strip(received, block, n, 0, block.z_height, strip, dbias[thread, : block.filters])
        for i in range(block.z_height):
            for j in range(block.z_width):
                copy_row(strip[i, j], dz[i, j, n])


@entry
def _finish(thread, threads, z, of_picture, numbers, windows, block, finish):
    """Turn a share of the pictures of z (ZH, ZW, N, F) into y."""
    strip = beginning(of_picture[thread], 1, block.z_height, block.z_width, block.filters)[0]
    first, end = share(z.shape[2], thread, threads)
    for n in range(first, end):
        for i in range(block.z_height):
            for j in range(block.z_width):
                copy_row(z[i, j, n], strip[i, j])
        finish_strip(strip, 0, numbers, windows, block, n, 0, block.y_height, finish)


@inner
def _places(ky, kx, height, width, block):
    """Return the rows and columns of z, first and after the last, at which a tap lies inside the picture."""
    i_from, i_to = _range_inside(ky, block.stride_h, block.top, height, block.z_height)
    j_from, j_to = _range_inside(kx, block.stride_w, block.left, width, block.z_width)
    return (i_from, i_to, j_from, j_to) if j_from < j_to else (0, 0, 0, 0)


@inner
def _under(i, j, ky, kx, block, pixels):
    """Return the pixels that a tap meets from place (i, j) on, flat."""
    row, column = i * block.stride_h + ky - block.top, j * block.stride_w + kx - block.left
    place = row * pixels.shape[1] + _column(column, block.stride_w, pixels.shape[1])
    return pixels.reshape(-1)[place * pixels.shape[2] * block.channels :]


@inner
def _at(i, j, z):
    """Return z from place (i, j) on, flat."""
    return z.reshape(-1)[(i * z.shape[1] + j) * z.shape[2] * z.shape[3] :]


@entry
def _convolve(thread, threads, pixels, weight, block, z):
    """Add all taps' products to a share of the filters of z."""
    c, f, images = block.channels, block.filters, pixels.shape[2]
    first, end = share(f, thread, threads)
    for ky in range(block.kernel_h):
        for kx in range(block.kernel_w):
            w = weight[ky, kx].reshape(-1)[first:]
            i_from, i_to, j_from, j_to = _places(ky, kx, pixels.shape[0], pixels.shape[1], block)
            for i in range(i_from, i_to):
                a, to = _under(i, j_from, ky, kx, block, pixels), _at(i, j_from, z)[first:]
                multiply((j_to - j_from) * images, end - first, c, a, c, w, f, True, to, f)


@entry
def _gradients(thread, threads, pixels, dz, weight, block, input_gradient, dweight, dpixels):
    """Set a share of the filters of dW and, where asked for, add to a share of the channels of dx."""
    c, f, images = block.channels, block.filters, pixels.shape[2]
    first, end = share(f, thread, threads)
    first_channel, end_channel = share(c, thread, threads)
    for ky in range(block.kernel_h):
        for kx in range(block.kernel_w):
            w, dw = weight[ky, kx].reshape(-1)[first_channel * f :], dweight[ky, kx].reshape(-1)[first:]
            i_from, i_to, j_from, j_to = _places(ky, kx, pixels.shape[0], pixels.shape[1], block)
            if i_from >= i_to:
                dweight[ky, kx, :, first:end] = 0
            rows = (j_to - j_from) * images
            for i in range(i_from, i_to):
                a, b = _under(i, j_from, ky, kx, block, pixels), _at(i, j_from, dz)
                gemm(True, False, c, end - first, rows, a, c, b[first:], f, i > i_from, dw, f)
                if input_gradient:
                    to = _under(i, j_from, ky, kx, block, dpixels)[first_channel:]
                    gemm(False, True, rows, end_channel - first_channel, f, b, f, w, f, True, to, c)
