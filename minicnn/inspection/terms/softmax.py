"""Softmax and cross-entropy."""

from __future__ import annotations

import numpy as np

from minicnn.inspection.terms.parts import Index, Named, Spelled, Speller, element, number, product


def _softmax(arguments: Named, results: Named, index: Index) -> Spelled:
    n, k = index
    row = arguments["logits"][n].astype("float64")
    exponentials = np.exp(row - row.max())
    note = f"e to the power of logits[{n}, {k}] − their maximum {row.max():.6g}, divided by the sum over all classes"
    return Spelled((product(number("e^(z − max)", exponentials[k]), number("1/Σ", 1 / exponentials.sum())),), note)


def _cross_entropy(arguments: Named, results: Named, index: Index) -> Spelled:
    logits = arguments["logits"].astype("float64")
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    target = _target(arguments, logits.shape)
    n, k = np.nonzero(target)
    return Spelled(
        (product(element("−q", -target, n, k), element("log p", log_p, n, k), number("1/N", 1 / len(logits))),),
        "the mean over the samples; classes with q = 0 add nothing",
    )


def _dlogits(arguments: Named, results: Named, index: Index) -> Spelled:
    p = arguments["probabilities"]
    share = number("1/N", 1 / len(p))
    target = _target(arguments, p.shape)
    wanted = target.sum(axis=1)
    whole = () if np.allclose(wanted, 1) else (number("Σq", wanted[index[0]]),)
    return Spelled((product(element("p", p, *index), *whole, share), product(element("−q", -target, *index), share)))


def _target(arguments: Named, shape: tuple[int, ...]) -> np.ndarray:
    """Return q, the target: as it was given, or the one-hot label, softened."""
    if "targets" in arguments:
        return arguments["targets"]
    smoothing = arguments["label_smoothing"]
    one_hot = np.arange(shape[1]) == arguments["labels"].reshape(-1, 1)
    return (1 - smoothing) * one_hot + smoothing / shape[1]


TERMS: dict[tuple[str, str], Speller] = {
    ("softmax", "probabilities"): _softmax,
    ("softmax_cross_entropy", "probabilities"): _softmax,
    ("softmax_cross_entropy", "loss"): _cross_entropy,
    ("softmax_cross_entropy_backward", "dlogits"): _dlogits,
    ("soft_target_cross_entropy", "probabilities"): _softmax,
    ("soft_target_cross_entropy", "loss"): _cross_entropy,
    ("soft_target_cross_entropy_backward", "dlogits"): _dlogits,
}
