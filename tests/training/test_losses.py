"""The loss object: PyTorch's values and gradients, and its order of use."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import SoftmaxCrossEntropy
from minicnn.errors import UsageError
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
