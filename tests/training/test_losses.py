"""The loss object: PyTorch's values and gradients, and its order of use."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import SoftmaxCrossEntropy
from minicnn.errors import UsageError
from minicnn.training.losses import balanced_weights
from tests.comparison import assert_close


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.5])
def test_value_and_gradient_are_pytorch_s(label_smoothing, mode, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    logits, labels = (4 * rng.standard_normal((6, 9))).astype(dtype), rng.integers(9, size=6)
    tlogits = torch.tensor(logits, requires_grad=True)
    tloss = torch.nn.CrossEntropyLoss(label_smoothing=label_smoothing)(tlogits, torch.tensor(labels))
    tloss.backward()
    loss = SoftmaxCrossEntropy(label_smoothing)
    assert_close(loss.forward(logits, labels), tloss.detach().numpy(), dtype)
    assert_close(loss.backward(), tlogits.grad.numpy(), dtype)


def test_a_uniform_guess_costs_the_logarithm_of_the_number_of_classes(mode):
    assert float(SoftmaxCrossEntropy().forward(np.zeros((3, 10)), np.arange(3))) == pytest.approx(np.log(10))


def test_a_right_and_certain_guess_costs_nothing(mode):
    logits = np.array([[1000.0, 0, 0]])
    loss = SoftmaxCrossEntropy()
    assert loss.forward(logits, np.array([0])) == 0
    assert not loss.backward().any()


def test_the_gradient_of_a_sample_sums_to_zero_and_is_divided_by_the_batch(mode, rng):
    loss = SoftmaxCrossEntropy()
    logits, labels = rng.standard_normal((4, 5)), rng.integers(5, size=4)
    loss.forward(logits, labels)
    whole = loss.backward()
    np.testing.assert_allclose(whole.sum(axis=1), 0, atol=1e-15)
    loss.forward(logits[:1], labels[:1])
    np.testing.assert_allclose(loss.backward(), 4 * whole[:1], rtol=1e-12)


def test_probabilities_are_kept_for_the_metrics(mode, rng):
    loss = SoftmaxCrossEntropy()
    loss.forward(rng.standard_normal((4, 5)), np.zeros(4, int))
    np.testing.assert_allclose(loss.probabilities.sum(axis=1), 1)


def test_backward_before_forward_is_refused():
    with pytest.raises(RuntimeError, match="backward needs a forward pass before it"):
        SoftmaxCrossEntropy().backward()


@pytest.mark.parametrize("label_smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_out_of_range_is_refused(label_smoothing):
    with pytest.raises(UsageError, match="label_smoothing"):
        SoftmaxCrossEntropy(label_smoothing)


def test_backward_is_valid_once():
    loss = SoftmaxCrossEntropy()
    loss.forward(np.zeros((2, 3)), np.array([0, 1]))
    loss.backward()
    with pytest.raises(RuntimeError, match="each forward pass allows one"):
        loss.backward()


def test_what_the_loss_shows_and_is_given_cannot_change_its_gradient(rng):
    loss, labels = SoftmaxCrossEntropy(), np.array([0, 1])
    loss.forward(rng.standard_normal((2, 3)), labels)
    with pytest.raises(ValueError, match="read-only"):
        loss.probabilities *= 0
    labels[:] = 2
    dlogits = loss.backward()
    assert dlogits[0, 0] < 0 and dlogits[1, 1] < 0


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [[1.0, 0.5, 3.0, 0.0, 2.0], np.array([2, 2, 2, 2, 2])], ids=["some", "equal"])
def test_weighted_classes_are_pytorch_s(weights, label_smoothing, mode, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    logits, labels = (2 * rng.standard_normal((7, 5))).astype(dtype), np.array([0, 2, 2, 4, 3, 1, 0])
    tlogits = torch.tensor(logits, requires_grad=True)
    tweights = torch.tensor(np.asarray(weights), dtype=tlogits.dtype)
    tloss = torch.nn.CrossEntropyLoss(weight=tweights, label_smoothing=label_smoothing)(tlogits, torch.tensor(labels))
    tloss.backward()
    loss = SoftmaxCrossEntropy(label_smoothing, class_weights=weights)
    assert_close(loss.forward(logits, labels), tloss.detach().numpy(), dtype)
    assert_close(loss.backward(), tlogits.grad.numpy(), dtype)
    assert loss.weight(labels) == np.asarray(weights)[labels].sum()


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_mixed_labels_are_pytorch_s_probabilities(label_smoothing, mode, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    logits, (labels, others) = (2 * rng.standard_normal((6, 5))).astype(dtype), rng.integers(5, size=(2, 6))
    targets = 0.7 * np.eye(5)[labels] + 0.3 * np.eye(5)[others]
    tlogits = torch.tensor(logits, requires_grad=True)
    tloss = torch.nn.CrossEntropyLoss(label_smoothing=label_smoothing)(tlogits, torch.tensor(targets.astype(dtype)))
    tloss.backward()
    loss = SoftmaxCrossEntropy(label_smoothing)
    assert_close(loss.forward(logits, labels, others, 0.7), tloss.detach().numpy(), dtype)
    assert_close(loss.backward(), tlogits.grad.numpy(), dtype)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5]])
def test_the_loss_of_mixed_labels_is_the_mixed_loss(weights, mode, rng):
    logits, (labels, others) = rng.standard_normal((6, 3)), rng.integers(3, size=(2, 6))
    loss = SoftmaxCrossEntropy(0.1, weights)
    mixed, gradient = loss.forward(logits, labels, others, 0.6), loss.backward()
    parts = [(loss.forward(logits, y), loss.backward()) for y in (labels, others)]
    np.testing.assert_allclose(mixed, 0.6 * parts[0][0] + 0.4 * parts[1][0], rtol=1e-12)
    np.testing.assert_allclose(gradient, 0.6 * parts[0][1] + 0.4 * parts[1][1], atol=1e-14)
    weight = 0.6 * loss.weight(labels) + 0.4 * loss.weight(others)
    assert loss.weight(labels, others, 0.6) == pytest.approx(weight)


def test_balanced_weights_are_scikit_learn_s():
    sklearn = pytest.importorskip("sklearn.utils.class_weight", reason="scikit-learn is not installed")
    labels = np.array([0, 0, 0, 1, 2, 2, 0])
    expected = sklearn.compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(balanced_weights(labels, 3), expected)
    with pytest.raises(UsageError, match="class 3 has no sample"):
        balanced_weights(labels, 4)


@pytest.mark.parametrize("weights", [[1.0, -1.0], [0.0, 0.0], [1.0, np.inf], [[1.0], [2.0]]])
def test_class_weights_out_of_range_are_refused(weights):
    with pytest.raises(UsageError, match="class weights are one number of at least 0 for each class"):
        SoftmaxCrossEntropy(class_weights=weights)


def test_class_weights_of_other_classes_are_refused():
    with pytest.raises(UsageError, match="2 class weights do not fit 3 classes"):
        SoftmaxCrossEntropy(class_weights=[1, 2]).forward(np.zeros((2, 3)), np.array([0, 1]))
    with pytest.raises(UsageError, match="label 2 is none of the 2 classes"):
        SoftmaxCrossEntropy(class_weights=[1, 2]).weight(np.array([0, 2]))
