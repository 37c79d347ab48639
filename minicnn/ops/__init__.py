"""The mathematics of a CNN, one file an operation, forward and backward side by side: the textbook.

Reading order: windows, columns (im2col), convolution, activations, pooling, dense, softmax; then dropout, the
normalisations (batch_norm, layer_norm, local_response_norm), residual, conv_block and norm_block (runs of layers as
one operation), updates (the optimizers' steps) and images; quantization and quantized_convolution, for int8 networks.

Every function with `@accelerated` in these files is an operation of `minicnn.ops`; there is no list of them.
"""

from minicnn.ops.activations import *
from minicnn.ops.batch_norm import *
from minicnn.ops.columns import *
from minicnn.ops.conv_block import *
from minicnn.ops.convolution import *
from minicnn.ops.dense import *
from minicnn.ops.dropout import *
from minicnn.ops.images import *
from minicnn.ops.layer_norm import *
from minicnn.ops.local_response_norm import *
from minicnn.ops.norm_block import *
from minicnn.ops.pooling import *
from minicnn.ops.quantization import *
from minicnn.ops.quantized_convolution import *
from minicnn.ops.residual import *
from minicnn.ops.softmax import *
from minicnn.ops.updates import *

__all__ = sorted(name for name, value in globals().items() if hasattr(value, "formula") and value.__name__ == name)


def __dir__() -> list[str]:
    """Return the operations' names alone, for tab completion: not what their files import for themselves."""
    return __all__
