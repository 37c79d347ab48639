"""Layers: parameters and memory around the operations. Read `base` first, then `dense`, `conv2d`, `sequential`."""

from minicnn.layers.activations import ReLU, Sigmoid, Tanh
from minicnn.layers.base import Layer, Parameter
from minicnn.layers.conv2d import Conv2D
from minicnn.layers.dense import Dense
from minicnn.layers.dropout import Dropout
from minicnn.layers.flatten import Flatten
from minicnn.layers.pooling import AvgPool2D, MaxPool2D
from minicnn.layers.sequential import Sequential

__all__ = [
    "AvgPool2D", "Conv2D", "Dense", "Dropout", "Flatten", "Layer", "MaxPool2D", "Parameter", "ReLU", "Sequential",
    "Sigmoid", "Tanh",
]  # fmt: skip
