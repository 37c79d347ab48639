"""The exercises on softmax with cross-entropy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.inspection.exercises.exercise import Case, Exercise, Function, GradientCheck, Mistake
from minicnn.inspection.exercises.language import Text
from minicnn.loops import softmax as loops

N, K = 4, 5


def _labels(rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(K)[:N]


def _forward_cases(rng: np.random.Generator) -> list[Case]:
    plain = {"logits": 2 * rng.standard_normal((N, K)), "labels": _labels(rng)}
    return [
        Case(plain),
        Case({"logits": 2000 * rng.standard_normal((N, K)), "labels": _labels(rng)}, Text(
            "Right for small logits, not for large ones: e^z overflows, or a probability becomes 0 and its logarithm "
            "−∞. Take each row's maximum off first, and compute log p as z − max − log Σ e^(z − max), not as log of p.",
            "logit 较小时正确，较大时不对：e^z 会溢出，或者概率变成 0、对数变成 −∞。先减去每行的最大值，"
            "并用 z − max − log Σ e^(z − max) 计算 log p，而不是对 p 取对数。",
        )),
        Case(plain | {"label_smoothing": 0.2}, Text(
            "Right without label smoothing, not with it: the target is then q = (1 − ε)·onehot + ε/K, so every class "
            "has a share in the loss.",
            "没有标签平滑时正确，有标签平滑时不对：此时目标是 q = (1 − ε)·onehot + ε/K，每个类别都占损失的一份。",
        )),
    ]  # fmt: skip


def _backward_cases(rng: np.random.Generator) -> list[Case]:
    logits, labels = 2 * rng.standard_normal((N, K)), _labels(rng)
    plain: dict[str, Any] = {"probabilities": ops.softmax(logits), "labels": labels}
    return [
        Case(plain),
        Case(plain | {"label_smoothing": 0.2}, Text(
            "Right without label smoothing, not with it: the target is then q = (1 − ε)·onehot + ε/K.",
            "没有标签平滑时正确，有标签平滑时不对：此时目标是 q = (1 − ε)·onehot + ε/K。",
        )),
    ]  # fmt: skip


def _gradients(rng: np.random.Generator) -> GradientCheck:
    labels = _labels(rng)

    def forward(logits: np.ndarray) -> np.ndarray:
        return np.asarray(ops.softmax_cross_entropy(logits, labels)[0])

    def backward(function: Function, dy: np.ndarray, logits: np.ndarray) -> dict[str, np.ndarray]:
        return {"logits": dy * function(probabilities=ops.softmax(logits), labels=labels)}

    return GradientCheck(forward, backward, {"logits": rng.standard_normal((N, K))})


def _p(a: SimpleNamespace) -> np.ndarray:
    return ops.softmax(a.logits)


def _of_label(a: SimpleNamespace, values: np.ndarray) -> np.ndarray:
    return values[np.arange(len(a.labels)), a.labels]


def _target(a: SimpleNamespace) -> np.ndarray:
    smoothing = getattr(a, "label_smoothing", 0.0)
    return (1 - smoothing) * np.eye(a.probabilities.shape[1])[a.labels] + smoothing / a.probabilities.shape[1]


def _backward_by_loops(a: SimpleNamespace) -> np.ndarray:
    """Return the gradient at logits of which these are the probabilities, such as log p."""
    return loops.softmax_cross_entropy_backward(np.log(a.probabilities), a.labels, getattr(a, "label_smoothing", 0.0))


EXERCISES = (
    Exercise(
        ops.softmax_cross_entropy,
        Text("logits to probabilities to a loss", "从 logit 到概率再到损失"),
        ("loss", "probabilities"),
        _forward_cases,
        (
            Mistake("loss", lambda a: np.log(_of_label(a, _p(a))).mean(), Text(
                "The minus sign is missing: log p is negative, and the loss −log p is not.",
                "少了负号：log p 是负的，而损失 −log p 不是。",
            )),
            Mistake("loss", lambda a: -np.log(_of_label(a, _p(a))).sum(), Text(
                "The loss is the sum over the batch; it should be the mean: divide by N, so that it does not grow with "
                "the batch.",
                "损失取了批上的总和；应取平均：除以 N，这样它不会随批变大。",
            )),
            Mistake("loss", lambda a: -np.log(_of_label(a, _p(a))).sum() / a.logits.shape[1], Text(
                "The sum is divided by the number of classes K; the mean is over the samples N. Document 003 §4 mixes "
                "the two: its sum runs over the classes, and then comes the mean over the samples.",
                "总和除以了类别数 K；应对样本数 N 取平均。文档 003 §4 把两者混了：求和是对类别，之后再对样本取平均。",
            )),
            Mistake("loss", lambda a: -np.log(_p(a)).mean(axis=1).mean(), Text(
                "−log p is averaged over all classes; only that of the true class counts: −Σ_k q_k·log p_k with q "
                "one-hot.",
                "对所有类别的 −log p 取了平均；只有真实类别的那一项算数：−Σ_k q_k·log p_k，q 是 one-hot。",
            )),
            Mistake("loss", lambda a: -np.log(_p(a)).sum(axis=1).mean(), Text(
                "−log p is added up over all classes; only that of the true class counts: multiply by the one-hot q.",
                "把所有类别的 −log p 都加了起来；只有真实类别的那一项算数：要乘以 one-hot 的 q。",
            )),
            Mistake("loss", lambda a: -np.log2(_of_label(a, _p(a))).mean(), Text(
                "The logarithm is to base 2: that is bits. The loss is in nats, the natural logarithm.",
                "用了以 2 为底的对数，单位是比特。损失以 nat 为单位，用自然对数。",
            )),
            Mistake("loss", lambda a: -np.log10(_of_label(a, _p(a))).mean(), Text(
                "The logarithm is to base 10; it should be the natural one, np.log.",
                "用了以 10 为底的对数；应当用自然对数 np.log。",
            )),
            Mistake("loss", lambda a: -np.log(_of_label(a, _p(a))), Text(
                "These are the losses of the samples one by one: the loss is one number, their mean.",
                "这是各样本各自的损失：损失应是一个数，即它们的平均。",
            )),
            Mistake("loss", lambda a: (1 - _of_label(a, _p(a))).mean(), Text(
                "This is 1 − p of the true class; cross-entropy is −log p, which grows without bound as p goes to 0.",
                "这是 1 − p（真实类别）；交叉熵是 −log p，p 趋于 0 时它无限增大。",
            )),
            Mistake("loss", lambda a: -_of_label(a, a.logits).mean(), Text(
                "This takes the logits themselves for log p: log p = z − log Σ e^z.",
                "这里把 logit 本身当成了 log p：log p = z − log Σ e^z。",
            )),
            Mistake("probabilities", lambda a: np.log(_p(a)), Text(
                "What is returned as probabilities are their logarithms: exp brings them back.",
                "作为概率返回的是它们的对数：用 exp 变回来。",
            )),
            Mistake("probabilities", lambda a: np.exp(a.logits), Text(
                "These are e^z, which do not add up to 1: divide each row by its sum.",
                "这是 e^z，加起来不等于 1：每行除以它的和。",
            )),
            Mistake("probabilities", lambda a: np.exp(a.logits) / np.exp(a.logits).sum(), Text(
                "e^z is divided by the sum over the whole batch: each row is a sample, and adds up to 1 by itself "
                "(axis=1, keepdims=True).",
                "e^z 除以了整个批的和：每一行是一个样本，各自加起来等于 1（axis=1, keepdims=True）。",
            )),
            Mistake("loss", lambda a: -np.log(_of_label(a, np.exp(a.logits) / np.exp(a.logits).sum())).mean(), Text(
                "The probabilities are e^z divided by the sum over the whole batch: each row is a sample of its own, "
                "and adds up to 1 by itself (axis=1, keepdims=True).",
                "概率是 e^z 除以整个批的和：每一行是一个样本，各自加起来等于 1（axis=1, keepdims=True）。",
            )),
            Mistake("loss", lambda a: -np.log(
                _of_label(a, np.exp(a.logits) / np.exp(a.logits).sum(axis=0))).mean(), Text(
                "Softmax goes over the batch (axis 0) here; it belongs to the classes of one sample: axis=1.",
                "这里的 softmax 是沿批（轴 0）做的；它应沿一个样本的各类别：axis=1。",
            )),
            Mistake("probabilities", lambda a: a.logits, Text(
                "What is returned as probabilities are the logits: softmax makes probabilities of them.",
                "作为概率返回的是 logit：要经过 softmax 才是概率。",
            )),
        ),
        loops=lambda a: (loops.softmax_cross_entropy(**vars(a)), loops.softmax(a.logits)),
        sizes=lambda a: {"N": len(a.logits), "K": a.logits.shape[1]},
    ),
    Exercise(
        ops.softmax_cross_entropy_backward,
        Text("the gradient of the loss at the logits", "损失对 logit 的梯度"),
        ("dlogits",),
        _backward_cases,
        (
            Mistake("dlogits", lambda a: a.probabilities - _target(a), Text(
                "Every element is N times its true value: the loss is the mean over the batch, so divide by the batch "
                "N.",
                "每个元素都是正确值的 N 倍：损失是批上的平均，所以要除以批大小 N。",
            )),
            Mistake("dlogits", lambda a: (_target(a) - a.probabilities) / len(a.labels), Text(
                "The sign is wrong: this points downhill. The gradient is p − q; going downhill is the optimizer's "
                "business, which subtracts it.",
                "符号反了：这是下坡的方向。梯度是 p − q；下坡由优化器负责，它会减去梯度。",
            )),
            Mistake("dlogits", lambda a: a.probabilities / len(a.labels), Text(
                "The target is not taken off: for the true class the gradient is p − 1, not p.",
                "没有减去目标：真实类别处的梯度是 p − 1，不是 p。",
            )),
            Mistake("dlogits", lambda a: (a.probabilities - _target(a)) / a.probabilities.shape[1], Text(
                "It is divided by the number of classes K; the loss is the mean over the N samples.",
                "除以了类别数 K；损失是对 N 个样本取平均。",
            )),
            Mistake("dlogits", lambda a: (a.probabilities - _target(a)) / a.probabilities.size, Text(
                "It is divided by N·K, as .mean() over everything would: the loss is the mean over the N samples "
                "alone.",
                "除以了 N·K，就像对全部元素取 .mean()：损失只对 N 个样本取平均。",
            )),
            Mistake("dlogits", lambda a: -_target(a) / a.probabilities / len(a.labels), Text(
                "This is the gradient at the probabilities, −q/p; the way back through softmax is missing. Together "
                "they come to p − q.",
                "这是对概率的梯度 −q/p；还没有反向穿过 softmax。两步合起来就是 p − q。",
            )),
            Mistake("dlogits", lambda a: a.probabilities * (a.probabilities - _target(a)) / len(a.labels), Text(
                "p − q is multiplied by p once more. Document 004 §4.2 prints ∂L/∂Ŷ = ∂L/∂Ŷ ⊙ (Ŷ − Y), a gradient that "
                "is defined by itself; nothing is to be multiplied: (p − q) / N.",
                "p − q 又乘了一次 p。文档 004 §4.2 印成 ∂L/∂Ŷ = ∂L/∂Ŷ ⊙ (Ŷ − Y)，用自己定义自己；什么都不用乘：(p − q) "
                "/ N。",
            )),
            Mistake("dlogits", lambda a: (a.probabilities - _target(a)) * a.probabilities * (1 - a.probabilities)
                    / len(a.labels), Text(
                "p·(1 − p), the sigmoid's slope, is multiplied in: softmax with cross-entropy needs none, for "
                "everything but p − q cancels.",
                "多乘了 sigmoid 的斜率 p·(1 − p)：softmax 加交叉熵不需要它，约去之后只剩 p − q。",
            )),
        ),
        loops=_backward_by_loops,
        sizes=lambda a: {"N": len(a.labels), "K": a.probabilities.shape[1]},
        gradients=_gradients,
    ),
)  # fmt: skip
