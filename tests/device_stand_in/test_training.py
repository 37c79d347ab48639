"""What training adds to a step runs on the stand-in for a device, bit by bit as on NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import SGD, SoftmaxCrossEntropy, Trainer, models, use_kernels
from minicnn.backend import array_module
from minicnn.training.evaluation import logits_of
from minicnn.training.metrics import RunningTotals
from minicnn.training.mixing import Mixing
from tests.device_stand_in import DeviceArray
from tests.device_stand_in.test_layers import assert_on_device_and_equal, move


def trainers(**options: object) -> tuple[Trainer, Trainer]:
    """Return the same trainer twice, of a network on the host and of one on the stand-in device."""
    nets = [models.build("cnn2", (12, 14, 3), classes=4, seed=2) for _ in range(2)]
    move(nets[1])
    loss = {"label_smoothing": 0.1, "class_weights": [1, 2, 0.5, 3]}
    on_host, on_device = (
        Trainer(net, SGD(net.parameters(), lr=0.1), epochs=1, loss=SoftmaxCrossEntropy(**loss), **options)
        for net in nets
    )
    return on_host, on_device


@pytest.mark.parametrize("mixing", [None, Mixing(mixup=0.4), Mixing(cutmix=1.0)], ids=["plain", "mixup", "cutmix"])
@pytest.mark.parametrize("clip_norm", [0.0, 0.01])
def test_steps_of_mixed_weighted_clipped_and_averaged_training(mixing, clip_norm, rng):
    batches = [(rng.random((n, 12, 14, 3), dtype="float32"), rng.integers(4, size=n)) for n in (6, 6, 3)]
    on_host, on_device = trainers(clip_norm=clip_norm, ema=0.5)
    totals = []
    with use_kernels("reference"):
        for trainer, to in ((on_host, np.asarray), (on_device, DeviceArray)):
            moved = [(to(x), to(labels)) for x, labels in batches]
            group = moved if mixing is None else list(mixing.batches(moved, 0))
            totals.append(RunningTotals())
            trainer.learn(group[:2], totals[-1])
            trainer.learn(group[2:], totals[-1])
    assert totals[0].read() == totals[1].read()
    for name, parameter in on_host.net.parameters().items():
        assert_on_device_and_equal(on_device.net.parameters()[name].value, parameter.value, name)
        assert_on_device_and_equal(on_device.average.values[name], on_host.average.values[name], name)


def test_flips_at_test_time(rng):
    on_host, on_device = (trainer.net for trainer in trainers())
    x = rng.random((3, 12, 14, 3), dtype="float32")
    with use_kernels("reference"):
        logits = logits_of(on_device, DeviceArray(x), flip=True)
        assert_on_device_and_equal(logits, logits_of(on_host, x, flip=True))


def test_class_weights_follow_the_logits_and_stay_numbers_on_the_host(rng):
    loss, logits, labels = SoftmaxCrossEntropy(class_weights=[1, 2]), rng.standard_normal((3, 2)), np.array([0, 1, 1])
    with use_kernels("reference"):
        value = loss.forward(logits, labels)
        assert_on_device_and_equal(loss.forward(DeviceArray(logits), DeviceArray(labels)), value)
    assert array_module(loss.class_weights) is np and loss.weight(labels) == 5
