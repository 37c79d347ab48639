"""Broken set-ups, each diagnosed by the check that is there for it; and a healthy one, which all find healthy."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from math import log

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy import stats

from minicnn import (
    SGD,
    Adam,
    BatchNorm2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    Trainer,
)
from minicnn.backend import Array
from minicnn.data.shapes import SHAPES_CLASSES, draw_shape
from minicnn.errors import UsageError
from minicnn.inspection.doctor import CHECKS, Check, Finding, Part, Subject, Verdict, examine, name_of
from minicnn.inspection.doctor.dead_relus import dead_relus
from minicnn.inspection.doctor.duplicates import duplicates, same_pictures
from minicnn.inspection.doctor.equal_filters import equal_filters
from minicnn.inspection.doctor.gradient_flow import gradient_flow
from minicnn.inspection.doctor.input_statistics import input_statistics
from minicnn.inspection.doctor.label_balance import label_balance
from minicnn.inspection.doctor.learning_rate import learning_rate
from minicnn.inspection.doctor.loss_at_start import loss_at_start
from minicnn.inspection.doctor.overfitting import overfitting
from minicnn.inspection.doctor.saturated_sigmoids import saturated_sigmoids
from minicnn.inspection.doctor.separate_pictures import separate_pictures
from minicnn.inspection.doctor.split_size import interval, split_size
from minicnn.inspection.doctor.survey import shrunk
from minicnn.inspection.doctor.table import finding_table
from minicnn.inspection.doctor.update_ratio import update_ratio
from minicnn.layers import Layer
from minicnn.training.batches import ArrayBatches
from minicnn.training.optimizers import Optimizer

SIDE, CLASSES = 12, 4
Data = tuple[np.ndarray, np.ndarray]


def pictures(count: int, seed: int) -> Data:
    """Return noisy bytes (count, 12, 12, 3) with a bright corner, of which the label says which one."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    x = rng.integers(0, 160, (count, SIDE, SIDE, 3), dtype=np.uint8)
    for place, label in enumerate(labels):
        top, left = 6 * (label // 2), 6 * (label % 2)
        x[place, top : top + 6, left : left + 6] += 90
    return x, labels


TRAIN, VALIDATION = pictures(320, 1), pictures(400, 2)


def small_net() -> list[Layer]:
    return [Conv2D(8, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(32), ReLU(), Dense(CLASSES)]


def trainer_of(layers: list[Layer] | None = None, make: Callable[..., Optimizer] = Adam, lr: float = 1e-3) -> Trainer:
    net = Sequential(layers or small_net(), input_shape=(SIDE, SIDE, 3), seed=0)
    return Trainer(net, make(net.parameters(), lr=lr), epochs=3)


def subject(trainer: Trainer | None = None, train: Data = TRAIN, validation: Data = VALIDATION) -> Subject:
    batches = ArrayBatches(*train, batch_size=32, shuffle=True)
    return Subject(trainer or trainer_of(), batches, Part.of(train, 32), Part.of(validation, 32), list("abcd"))


def test_a_healthy_set_up_gives_no_alarm() -> None:
    trainer = trainer_of()
    before = copy.deepcopy(trainer.net.state())
    findings = examine(trainer, TRAIN, VALIDATION)
    assert list(findings) == [name_of(check) for check in CHECKS]
    assert {name: found.figure for name, found in findings.items() if found.verdict is not Verdict.FINE} == {}
    assert all(not found.advice for found in findings.values())
    for name, value in trainer.net.state().items():  # nothing has learnt
        np.testing.assert_array_equal(value, before[name])
    assert trainer.optimizer.steps == 0 and trainer.optimizer.lr == 1e-3


def test_so_does_one_with_batch_norm_dropout_and_sgd() -> None:
    layers = [Conv2D(8, 3, bias=False), BatchNorm2D(), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.3), Dense(CLASSES)]
    trainer = trainer_of(layers, lambda parameters, lr: SGD(parameters, lr, momentum=0.9), lr=0.01)
    findings = examine(trainer, TRAIN, VALIDATION)
    assert {name: found.figure for name, found in findings.items() if found.verdict is not Verdict.FINE} == {}


def broken(found: Finding) -> bool:
    return found.verdict is Verdict.BROKEN and bool(found.advice)


def test_bytes_that_nobody_scaled() -> None:
    as_floats = tuple((x.astype(np.float32), labels) for x, labels in (TRAIN, VALIDATION))
    found = input_statistics(subject(None, *as_floats))
    assert broken(found) and "scale" in found.advice
    np.testing.assert_allclose(found.numbers["mean"], TRAIN[0].mean(), rtol=1e-5)
    np.testing.assert_allclose(found.numbers["std"], np.std(TRAIN[0], axis=(0, 1, 2)).mean(), rtol=1e-5)


@pytest.mark.parametrize(("change", "verdict", "says"), [
    (lambda x: x * np.nan, Verdict.BROKEN, "infinite"),
    (lambda x: x * 0, Verdict.BROKEN, "same"),
    (lambda x: x / 255, Verdict.LOOK, "contrast"),
])  # fmt: skip
def test_pictures_that_are_nothing(change: Callable[[Array], Array], verdict: Verdict, says: str) -> None:
    data = tuple((change(x.astype(np.float32) / 255), labels) for x, labels in (TRAIN, VALIDATION))
    found = input_statistics(subject(None, *data))
    assert found.verdict is verdict and says in found.figure


def test_validation_pictures_of_another_kind() -> None:
    found = input_statistics(subject(validation=(255 - VALIDATION[0], VALIDATION[1])))
    assert found.verdict is Verdict.LOOK and "alike" in found.advice


def test_a_few_validation_pictures_may_differ_by_chance() -> None:
    shades = np.random.default_rng(3).integers(-60, 60, len(TRAIN[0]))[:, None, None, None]
    x = np.clip(TRAIN[0] + shades, 0, 255).astype(np.uint8)
    dark = np.argsort(x.mean((1, 2, 3)))[[10, 40]]
    few = (x[dark], TRAIN[1][dark])
    assert subject(train=(x, TRAIN[1]), validation=few).validation_survey.mean.max() < 0.28  # of 0.4 in training
    assert input_statistics(subject(train=(x, TRAIN[1]), validation=few)).verdict is Verdict.FINE


def test_pictures_of_a_single_colour() -> None:
    x = TRAIN[0].copy()
    x[:40] = 7
    found = input_statistics(subject(train=(x, TRAIN[1])))
    assert found.verdict is Verdict.LOOK and "40 of 320" in found.figure


def test_classes_that_are_rare_or_missing() -> None:
    often = np.flatnonzero((TRAIN[1] != 2) | (np.arange(320) < 40))
    found = label_balance(subject(train=(TRAIN[0][often], TRAIN[1][often])))
    assert found.verdict is Verdict.LOOK and "10 (c) to 80 (a)" in found.figure and "class-weights" in found.advice
    never = TRAIN[1] != 2
    found = label_balance(subject(train=(TRAIN[0][never], TRAIN[1][never])))
    assert broken(found) and "no training picture of c" in found.figure
    unseen = VALIDATION[1] != 2
    found = label_balance(subject(validation=(VALIDATION[0][unseen], VALIDATION[1][unseen])))
    assert found.verdict is Verdict.LOOK and "no validation picture of c" in found.figure


def test_validation_pictures_that_are_trained_on() -> None:
    x, labels = VALIDATION[0].copy(), VALIDATION[1].copy()
    x[3], x[10], x[11] = TRAIN[0][77], TRAIN[0][5], np.clip(TRAIN[0][6].astype(int) + 1, 0, 255)  # all but the same
    found = duplicates(subject(validation=(x, labels)))
    assert found.verdict is Verdict.LOOK and found.numbers["duplicates"] == 3
    assert "number 3 is number 77" in found.figure and "3 under another label" in found.figure
    x[:100] = TRAIN[0][:100]
    assert broken(duplicates(subject(validation=(x, labels))))


def test_copies_that_were_saved_anew_are_found_and_no_others() -> None:
    def thumbnails(pictures: list[Image.Image]) -> np.ndarray:
        return shrunk(np.stack([np.asarray(picture.resize((32, 32))) for picture in pictures]).astype(np.float32), 16)

    def saved_anew(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=40)
        return Image.open(file).convert("RGB")

    drawn = [draw_shape(SHAPES_CLASSES[n % 10], 64, np.random.default_rng(n)) for n in range(80)]
    others, some = drawn[:60], drawn[60:]
    changes = (saved_anew, lambda p: p.resize((48, 48)), ImageEnhance.Brightness, lambda p: p.crop((1, 1, 64, 64)))
    copies = [change(others[5 * n]) for n, change in enumerate(changes)]
    copies[2] = copies[2].enhance(0.8)
    found = same_pictures(thumbnails([*some, *copies]), thumbnails(others))
    assert found == {20: 0, 21: 5, 22: 10, 23: 15}
    plain = np.ones((3, 16, 16, 3), np.float32)
    assert same_pictures(plain, plain) == {}  # all blank pictures are alike: input statistics tells of them


def test_a_split_too_small_to_tell() -> None:
    found = split_size(subject(validation=(VALIDATION[0][:50], VALIDATION[1][:50])))
    assert found.verdict is Verdict.LOOK
    few = split_size(subject(validation=(VALIDATION[0][:8], VALIDATION[1][:8])))
    assert broken(few)
    for right, count in [(40, 50), (0, 8), (399, 400)]:  # the formula: Wilson 1927; z of 95 %
        z, p = stats.norm.ppf(0.975), right / count
        middle = (p + z**2 / (2 * count)) / (1 + z**2 / count)
        half = z / (1 + z**2 / count) * np.sqrt(p * (1 - p) / count + z**2 / (4 * count**2))
        np.testing.assert_allclose(interval(right, count), (middle - half, middle + half), atol=1e-12)


def test_a_network_that_begins_too_sure() -> None:
    trainer = trainer_of()
    trainer.net.dense2.weight.value *= 30
    assert loss_at_start(subject(trainer)).verdict is Verdict.LOOK
    trainer.net.dense2.weight.value *= 10
    assert broken(loss_at_start(subject(trainer)))
    trainer.net.dense2.weight.value *= 0
    found = loss_at_start(subject(trainer))
    assert found.verdict is Verdict.FINE
    np.testing.assert_allclose(found.numbers["loss"], log(CLASSES), rtol=1e-6)


def test_a_network_that_knows_the_answer_already() -> None:
    trainer = trainer_of()
    trainer.train(TRAIN, batch_size=32)
    assert loss_at_start(subject(trainer)).verdict is Verdict.LOOK


def test_filters_that_begin_equal() -> None:
    trainer = trainer_of()
    trainer.net.conv1.weight.value[:] = 0  # as document 004 §3.2 allows
    found = equal_filters(subject(trainer))
    assert broken(found) and "conv1.weight" in found.figure
    trainer = trainer_of()
    trainer.net.dense2.weight.value[:] = 0  # the last layer may
    assert equal_filters(subject(trainer)).verdict is Verdict.FINE


class Mixes(Layer):
    """A reshape that takes the batch's axis for another one, as a transposition forgotten would."""

    def forward(self, x: Array, training: bool = False) -> Array:
        return x.reshape(-1, len(x)).T.reshape(x.shape).copy()

    def backward(self, dy: Array, input_gradient: bool = True) -> Array:
        return dy.reshape(len(dy), -1).T.reshape(dy.shape).copy()


def test_a_layer_that_mixes_the_pictures_of_a_batch() -> None:
    layers = small_net()
    layers.insert(1, Mixes())
    found = separate_pictures(subject(trainer_of(layers)))
    assert broken(found) and "mixes" in found.advice


class SaysNoCost(Layer):
    """A layer that changes nothing and has no `operations`."""

    def forward(self, x: Array, training: bool = False) -> Array:
        return x

    def backward(self, dy: Array, input_gradient: bool = True) -> Array:
        return dy


class Stops(Layer):
    """A layer whose backward lets nothing through."""

    def forward(self, x: Array, training: bool = False) -> Array:
        return x

    def backward(self, dy: Array, input_gradient: bool = True) -> Array:
        return np.zeros_like(dy)


def test_a_gradient_that_does_not_arrive() -> None:
    layers = small_net()
    layers.insert(4, Stops())
    found = gradient_flow(subject(trainer_of(layers)))
    assert broken(found) and "conv1.weight, conv1.bias" in found.figure and found.numbers["unreached"] == 2


def test_a_gradient_that_vanishes_in_a_row_of_sigmoids() -> None:
    row = [layer for _ in range(8) for layer in (Dense(16), Sigmoid())]
    found = gradient_flow(subject(trainer_of([Flatten(), *row, Dense(CLASSES)])))
    assert found.verdict is not Verdict.FINE and "vanishes" in found.advice, found


def test_a_gradient_that_is_no_number() -> None:
    trainer = trainer_of()
    trainer.net.conv1.weight.value[0, 0, 0, 0] = np.nan
    assert broken(gradient_flow(subject(trainer)))
    assert broken(separate_pictures(subject(trainer)))


def test_gradients_of_zero_at_the_start_that_come_to_life() -> None:
    trainer = trainer_of()
    trainer.net.dense2.weight.value[:] = 0  # lets no gradient through in the first step
    assert gradient_flow(subject(trainer)).verdict is Verdict.FINE


def test_relus_that_are_dead_from_the_start() -> None:
    trainer = trainer_of()
    trainer.net.conv1.bias.value[:] = -10
    found = dead_relus(subject(trainer))
    assert broken(found) and "relu1" in found.figure and found.numbers["relu1 at start"] == 1
    trainer.net.conv1.bias.value[:2] = 0
    assert dead_relus(subject(trainer)).numbers["relu1 at start"] == 0.75


def test_relus_that_long_steps_kill() -> None:
    trainer = trainer_of(lr=1.0)
    found = dead_relus(subject(trainer))
    assert found.verdict is not Verdict.FINE and "learning rate" in found.advice


def test_dead_shares_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    trainer = trainer_of()
    trainer.net.conv1.bias.value[:] = np.linspace(-2, 0.5, 8)
    x = subject(trainer).sample[0][:128]
    weight = torch.from_numpy(trainer.net.conv1.weight.value.transpose(3, 2, 0, 1).copy())
    y = torch.nn.functional.conv2d(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), weight,
                                   torch.from_numpy(trainer.net.conv1.bias.value))  # fmt: skip
    share = float((y.relu().amax((0, 2, 3)) == 0).float().mean())
    assert 0 < share < 1
    assert dead_relus(subject(trainer)).numbers["relu1 at start"] == share


@pytest.mark.parametrize("kind", [Sigmoid, Tanh])
def test_saturated_sigmoids(kind: type[Layer]) -> None:
    layers = [Conv2D(8, 3), kind(), Flatten(), Dense(CLASSES)]
    trainer = trainer_of(layers)
    assert saturated_sigmoids(subject(trainer)).verdict is Verdict.FINE
    trainer.net.conv1.weight.value *= 100
    found = saturated_sigmoids(subject(trainer))
    assert broken(found) and trainer.net.layers[1].name in found.figure


def test_a_network_that_cannot_learn_twenty_pictures() -> None:
    layers = small_net()
    layers.insert(4, Stops())
    layers.insert(6, Stops())  # the last layer alone learns, from features that are all but the same
    x = np.repeat(TRAIN[0][:1], 320, axis=0)  # one picture under four labels
    assert broken(overfitting(subject(train=(x, TRAIN[1]))))
    assert overfitting(subject()).verdict is Verdict.FINE


def test_a_small_network_that_learns_twenty_pictures_slowly_is_no_alarm() -> None:
    slow = [Conv2D(4, 5, stride=3), Sigmoid(), Flatten(), Dense(CLASSES)]
    found = overfitting(subject(trainer_of(slow)))
    assert found.verdict is Verdict.FINE, found
    assert found.numbers["rate"] > 1e-3 and found.numbers["last_loss"] <= 0.01 * found.numbers["first_loss"]


def test_a_layer_that_does_not_say_what_it_costs_is_examined_as_it_would_train() -> None:
    net = trainer_of([Conv2D(8, 3), SaysNoCost(), ReLU(), Flatten(), Dense(CLASSES)])
    found = dead_relus(subject(net))
    assert found.verdict is Verdict.FINE and found.numbers["relu1 at start"] < 0.5
    assert saturated_sigmoids(subject(net)).verdict is Verdict.FINE


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_learning_rate_that_explodes() -> None:
    found = learning_rate(subject(trainer_of(make=SGD, lr=30.0)))
    assert broken(found) and "explodes" in found.figure
    suggested = float(found.advice.rpartition(" ")[2])
    assert learning_rate(subject(trainer_of(make=SGD, lr=suggested))).verdict is Verdict.FINE


def test_a_learning_rate_that_does_nothing() -> None:
    s = subject(trainer_of(make=SGD, lr=1e-7))
    assert learning_rate(s).verdict is Verdict.LOOK
    found = update_ratio(s)
    assert broken(found) and "raise" in found.advice


def test_steps_that_are_too_long() -> None:
    found = update_ratio(subject(trainer_of(lr=0.5)))
    assert found.verdict is not Verdict.FINE and "lower" in found.advice, found


def test_update_ratios_are_those_of_the_formula() -> None:
    """With SGD without momentum, each step is lr times the gradient: counted by hand."""
    s = subject(trainer_of(make=SGD, lr=0.01))
    net, loss = s.copy_of_net(), SoftmaxCrossEntropy()
    lengths = []
    epochs = [batch for epoch in range(5) for batch in s.training.epoch(epoch)]
    for x, labels in epochs[:40]:
        loss.forward(net.forward(s.trainer.normalization(x), training=True), labels)
        net.backward(loss.backward())
        weight = net.conv1.weight
        lengths.append(0.01 * np.linalg.norm(weight.grad) / np.linalg.norm(weight.value))
        for parameter in net.parameters().values():
            parameter.value -= np.float32(0.01) * parameter.grad
            parameter.grad = None
    np.testing.assert_allclose(s.trial.ratios["conv1.weight"], np.mean(lengths), rtol=1e-3)


class Raises(Layer):
    """A layer of the user's own with a slip in it."""

    def forward(self, x: Array, training: bool = False) -> Array:
        raise ValueError("operands could not be broadcast together")


def test_a_layer_that_fails_is_a_finding() -> None:
    findings = examine(trainer_of([Raises(), *small_net()]), TRAIN, VALIDATION)
    assert findings["loss at start"].verdict is Verdict.BROKEN
    assert "broadcast" in findings["loss at start"].figure
    assert findings["label balance"].verdict is Verdict.FINE


def test_a_trainer_on_another_device_is_refused() -> None:
    trainer = trainer_of()
    trainer.device = "gpu"
    with pytest.raises(UsageError, match="on the CPU"):
        examine(trainer, TRAIN, VALIDATION)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_every_check_says_what_it_does(check: Check) -> None:
    assert check.__doc__ and check.__module__.endswith(f".{check.__name__}")


def test_the_table_fits_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    findings = {
        name_of(check): Finding(verdict, "a figure " * 20, "an advice " * 20)
        for check, verdict in zip(CHECKS, [*Verdict] * 5, strict=False)
    }
    Console(width=200).print(finding_table(findings))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for name in findings:
        assert any(line.startswith(name) for line in lines)
