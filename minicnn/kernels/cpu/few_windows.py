"""Convolution of few windows by many weights, as of a single picture deep in a network: threads share the filters.

Cut into strips, each thread would read all weights for its few windows, and BLAS would prepare them anew for every
strip. Here a thread has all windows and its own part of the filters, and takes one element (ky, kx) of the kernel after
the other, so that what it gathers of the input stays in its cache:

    z += x[at]·W[ky, kx]        at = (i·SH + ky − top, j·SW + kx − left), zero where that lies outside of the picture

Shapes: x (N, H, W, C), weight (KH, KW, C, F), z (N, ZH, ZW, F).
Source: Anderson et al. 2017, "Low-memory GEMM-based convolution algorithms for deep neural networks", §3.
"""

from __future__ import annotations

import numpy as np

from minicnn.kernels.cpu.blas import multiply, one_blas_thread
from minicnn.kernels.cpu.compiling import entry, inner
from minicnn.kernels.cpu.epilogue import finish_strip
from minicnn.kernels.cpu.memory import empty
from minicnn.kernels.cpu.scratch import scratch
from minicnn.kernels.cpu.strips import Block, Finish, copy_row
from minicnn.kernels.cpu.team import share, work_together
from minicnn.kernels.cpu.ties import windows_in


def forward(x: np.ndarray, weight: np.ndarray, finish: Finish, block: Block, threads: int) -> None:
    """Fill `finish.y` from x (N, H, W, C). A pooled block is not for it."""
    z = empty((x.shape[0], block.z_height, block.z_width, block.filters), x.dtype)
    gathered = scratch(threads, z.size // block.filters * block.channels, x.dtype)
    with one_blas_thread():
        work_together(_convolve, threads, x, weight, block, gathered, z)
    windows = windows_in(block, 0)  # where pooling would look for equal windows: not here
    _finish(z, x.reshape(-1), windows, block, finish)  # by one thread: z is small, and to wake another takes 0.1 ms


@entry
def _convolve(thread, threads, x, weight, block, gathered, z):
    """Fill a share of the filters of z."""
    c, f, windows = block.channels, block.filters, z.shape[0] * z.shape[1] * z.shape[2]
    first, end = share(f, thread, threads)
    for ky in range(block.kernel_h):
        for kx in range(block.kernel_w):
            _gather(x, ky, kx, block, gathered[thread])
            w, to = weight[ky, kx].reshape(-1)[first:], z.reshape(-1)[first:]
            multiply(windows, end - first, c, gathered[thread], c, w, f, ky + kx > 0, to, f)


@entry
def _finish(z, numbers, windows, block, finish):
    """Turn z into y."""
    for n in range(z.shape[0]):
        finish_strip(z[n], 0, numbers, windows, block, n, 0, block.y_height, finish)


@inner
def _gather(x, ky, kx, block, gathered):
    """Copy the pixel at element (ky, kx) of every window into `gathered`, (N·ZH·ZW, C) and flat."""
    c, to = block.channels, 0
    for n in range(x.shape[0]):
        for i in range(block.z_height):
            row = i * block.stride_h + ky - block.top
            for j in range(block.z_width):
                column = j * block.stride_w + kx - block.left
                if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                    copy_row(x[n, row, column], gathered[to : to + c])
                else:
                    gathered[to : to + c].fill(0)
                to += c
