"""The mathematics of a CNN, one file an operation, forward and backward side by side: the textbook.

Reading order: windows, columns (im2col), convolution, activations, pooling, dense, softmax; then dropout, conv_block
(a run of layers as one operation), updates (the optimizers' steps) and images.
"""

from minicnn.ops.activations import relu, relu_backward, sigmoid, sigmoid_backward, tanh, tanh_backward
from minicnn.ops.columns import col2im, im2col
from minicnn.ops.conv_block import conv_block, conv_block_backward
from minicnn.ops.convolution import conv2d, conv2d_backward
from minicnn.ops.dense import dense, dense_backward
from minicnn.ops.dropout import dropout, dropout_backward
from minicnn.ops.images import crop_and_flip, normalize_pixels
from minicnn.ops.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from minicnn.ops.softmax import softmax, softmax_cross_entropy, softmax_cross_entropy_backward
from minicnn.ops.updates import adam_update, sgd_update

__all__ = [
    "adam_update", "avg_pool2d", "avg_pool2d_backward", "col2im", "conv2d", "conv2d_backward", "conv_block",
    "conv_block_backward", "crop_and_flip", "dense", "dense_backward", "dropout", "dropout_backward", "im2col",
    "max_pool2d", "max_pool2d_backward", "normalize_pixels", "relu", "relu_backward", "sgd_update", "sigmoid",
    "sigmoid_backward", "softmax", "softmax_cross_entropy", "softmax_cross_entropy_backward", "tanh", "tanh_backward",
]  # fmt: skip
