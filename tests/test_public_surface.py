"""The names that others build on: they exist, they keep their parameters, they say what they do."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import minicnn
from minicnn import ops

OPERATIONS = {
    "conv2d": "x weight bias stride padding",
    "conv2d_backward": "dy x weight stride padding",
    "im2col": "x kernel stride padding",
    "col2im": "columns x_shape kernel stride padding",
    "max_pool2d": "x size stride padding",
    "max_pool2d_backward": "dy argmax x_shape size stride padding",
    "avg_pool2d": "x size stride padding",
    "avg_pool2d_backward": "dy x_shape size stride padding",
    "relu": "x",
    "relu_backward": "dy y",
    "sigmoid": "x",
    "sigmoid_backward": "dy y",
    "tanh": "x",
    "tanh_backward": "dy y",
    "dense": "x weight bias",
    "dense_backward": "dy x weight",
    "softmax": "logits",
    "softmax_cross_entropy": "logits labels label_smoothing",
    "softmax_cross_entropy_backward": "probabilities labels label_smoothing",
}
LAYERS = {
    "Sequential": "layers input_shape seed dtype",
    "Conv2D": "filters kernel_size stride padding",
    "Dense": "units",
    "MaxPool2D": "size stride padding",
    "AvgPool2D": "size stride padding",
    "Dropout": "rate",
    "SoftmaxCrossEntropy": "label_smoothing",
    "SGD": "parameters lr momentum nesterov weight_decay",
    "Adam": "parameters lr",
    "gradcheck": "layer input_shape seed",
    "use_kernels": "mode",
}


def required_of(function, names):
    """Return the parameters beyond `names` that have no default, which nobody who knows `names` alone could give."""
    parameters = list(inspect.signature(function).parameters.values())[len(names) :]
    ordinary = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [p.name for p in ordinary if p.default is p.empty]


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_keep_their_parameters(name):
    names = OPERATIONS[name].split()
    function = getattr(ops, name)
    assert list(inspect.signature(function).parameters)[: len(names)] == names
    assert not required_of(function, names)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_and_tools_keep_their_parameters(name):
    names = LAYERS[name].split()
    found = list(inspect.signature(getattr(minicnn, name)).parameters)[: len(names)]
    if name == "gradcheck":
        names[0] = found[0]  # a layer or a network: its place counts, not its name
    assert found == names
    assert not required_of(getattr(minicnn, name), names)


def test_conv2d_s_stride_and_padding_have_defaults():
    parameters = inspect.signature(ops.conv2d).parameters
    assert parameters["stride"].default == (1, 1)
    assert parameters["padding"].default == (0, 0)


@pytest.mark.parametrize("module", [minicnn, ops, minicnn.layers, minicnn.models], ids=lambda module: module.__name__)
def test_all_that_is_promised_is_there_and_documented(module):
    for name in module.__all__:
        value = getattr(module, name)
        if callable(value):
            assert value.__doc__, f"{module.__name__}.{name} has no docstring"


def test_importing_minicnn_loads_neither_cupy_nor_pytorch_nor_what_only_the_command_line_needs():
    code = "import sys, minicnn; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"cupy", "torch", "matplotlib", "typer", "rich", "jinja2"} & set(loaded)
