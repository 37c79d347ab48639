"""Weights and networks from and to elsewhere: PyTorch's checkpoints, safetensors files, ONNX.

Read `weights` first, which tells the files apart; then `pickles`, which walks a pickle without executing it, and `pth`.
`torch_weights` gives what they hold the names and axes of one of our networks; `onnx` writes one for other engines.
"""

from minicnn.exchange.onnx import to_onnx
from minicnn.exchange.pth import read_pth
from minicnn.exchange.weights import read_weights

__all__ = ["read_pth", "read_weights", "to_onnx"]
