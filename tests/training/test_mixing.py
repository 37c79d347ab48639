"""mixup and CutMix: what they make of samples and labels, where the randomness comes from, and that training mixes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.special import betainc

from minicnn import SoftmaxCrossEntropy
from minicnn.data import Loader, Splits
from minicnn.errors import ShapeError, UsageError
from minicnn.runs.checkpoints import load_checkpoint, save_checkpoint
from minicnn.training.feeding import feed
from minicnn.training.mixing import Mixing
from minicnn.training.normalization import Normalization
from minicnn.training.trainer import Trainer
from tests.training.tiny import assert_same_weights, make_loaders

Make = Callable[..., Trainer]


@pytest.fixture
def pictures(rng: np.random.Generator) -> np.ndarray:
    return rng.random((9, 8, 10, 3), dtype="float32")


LABELS = np.arange(9)  # each sample is a class of its own, so that labels tell who is mixed with whom


@pytest.mark.parametrize("seed", range(8))
def test_mixup_blends_each_sample_with_another_by_the_share_of_the_labels(pictures: np.ndarray, seed: int) -> None:
    before = pictures.copy()
    x, labels, others, share = Mixing(mixup=0.4)(pictures, LABELS, np.random.default_rng(seed))
    np.testing.assert_array_equal(pictures, before)
    assert x.dtype == np.float32 and 0.5 <= share <= 1
    assert sorted(labels) == sorted(others) == LABELS.tolist()
    np.testing.assert_allclose(x, share * before[labels] + (1 - share) * before[others], atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_cutmix_pastes_a_box_whose_area_is_the_other_label_s_share(pictures: np.ndarray, seed: int) -> None:
    before = pictures.copy()
    x, labels, others, share = Mixing(cutmix=1.0)(pictures, LABELS, np.random.default_rng(seed))
    np.testing.assert_array_equal(pictures, before)
    from_first, from_other = (x == before[labels]).all(axis=3), (x == before[others]).all(axis=3)
    assert (from_first | from_other).all()
    different = labels != others
    np.testing.assert_allclose(from_first[different].mean(axis=(1, 2)), share)
    # One of the two parts is a box: all of its pixels between the first and the last row and column that it has.
    for part in (from_first[different], from_other[different]):
        rows, columns = part.any(axis=(0, 2)), part.any(axis=(0, 1))
        if part[0].sum() == rows.sum() * columns.sum():
            return
    pytest.fail("neither part is a box")


def test_shares_are_drawn_as_the_papers_say() -> None:
    """The larger share has the mean of max(λ, 1 − λ): 2·∫ λ·Beta(λ; α, α) from ½ to 1, an incomplete beta function."""
    x, labels = np.zeros((2, 1), "float32"), np.arange(2)
    for alpha in (0.2, 1.0):
        mixing = Mixing(mixup=alpha)
        shares = [mixing(x, labels, np.random.default_rng(seed))[3] for seed in range(2000)]
        assert np.mean(shares) == pytest.approx(1 - betainc(alpha + 1, alpha, 0.5), abs=0.015)


def test_both_take_turns_by_chance(pictures: np.ndarray) -> None:
    mixing = Mixing(mixup=1.0, cutmix=1.0)
    pasted = []
    for seed in range(200):
        x, labels, others, _ = mixing(pictures, LABELS, np.random.default_rng(seed))
        pasted.append(((x == pictures[labels]) | (x == pictures[others])).all())
    assert 70 < sum(pasted) < 130


def test_every_batch_of_every_epoch_is_mixed_anew_and_the_same_again(pictures: np.ndarray) -> None:
    batches = [(pictures, LABELS)] * 3
    mixing = Mixing(mixup=1.0, seed=5)
    first, second, again = (list(mixing.batches(batches, epoch)) for epoch in (0, 1, 0))
    shares = [share for *_, share in (*first, *second)]
    assert len(set(shares)) == 6
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
    assert next(Mixing(mixup=1.0, seed=6).batches(batches, 0))[3] != shares[0]


def test_training_learns_from_mixed_batches_as_by_hand(make_trainer: Make, loaders: tuple[Loader, Loader]) -> None:
    mixing = Mixing(mixup=0.5, cutmix=1.0, seed=3)
    trainer, by_hand, plain = make_trainer(epochs=1, mixing=mixing), make_trainer(epochs=1), make_trainer(epochs=1)
    trainer.train(loaders[0])
    plain.train(loaders[0])
    loss = SoftmaxCrossEntropy()
    for x, labels, others, share in mixing.batches(feed(loaders[0], 0, Normalization()), 0):
        loss.forward(by_hand.net.forward(x, training=True), labels, others, share)
        by_hand.net.backward(loss.backward())
        by_hand.optimizer.step()
        by_hand.optimizer.zero_grad()
    assert_same_weights(trainer, by_hand)
    assert trainer.history[0].train_loss > plain.history[0].train_loss


def test_a_run_that_mixes_goes_on_bit_by_bit(make_trainer: Make, splits: Splits, tmp_path: Path) -> None:
    options = {"mixing": Mixing(mixup=0.3, cutmix=1.0, seed=1), "accumulate": 2}
    straight, first = make_trainer(4, **options), make_trainer(2, **options)
    second = make_trainer(4, seed=9, **options)
    straight.train(*make_loaders(splits))
    first.train(*make_loaders(splits))
    save_checkpoint(first, tmp_path / "state.safetensors")
    load_checkpoint(second, tmp_path / "state.safetensors")
    second.train(*make_loaders(splits))
    assert_same_weights(straight, second)


@pytest.mark.parametrize("settings", [{}, {"mixup": -1}, {"cutmix": float("inf")}, {"mixup": float("nan")}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="mixup and cutmix are at least 0 and not both 0"):
        Mixing(**settings)


def test_samples_that_are_no_pictures_cannot_be_cut() -> None:
    with pytest.raises(ShapeError, match=r"cutmix cuts pictures \(N, H, W, C\); these samples have shape \(4, 2\)"):
        Mixing(cutmix=1.0)(np.zeros((4, 2)), np.arange(4), np.random.default_rng(0))
