"""The exercises on the optimizers: one step of SGD with momentum, and one of Adam."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from minicnn import ops
from minicnn.inspection.exercises.exercise import Case, Exercise, Mistake
from minicnn.inspection.exercises.language import Text
from minicnn.loops import updates as loops

SHAPE = (3, 4)


def _sgd_cases(rng: np.random.Generator) -> list[Case]:
    def arrays() -> dict[str, np.ndarray]:
        return {name: rng.standard_normal(SHAPE) for name in ("value", "grad", "velocity")}

    settings = {"lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}
    return [
        Case(arrays() | settings),
        Case(arrays() | settings | {"lr": 0.03, "momentum": 0.7}),
        Case(arrays() | settings | {"weight_decay": 0.2}, Text(
            "Right without weight decay, not with it: λ·w is added to the gradient before anything else, g = grad + "
            "λ·w.",
            "没有权重衰减时正确，有权重衰减时不对：先把 λ·w 加到梯度上，g = grad + λ·w。",
        )),
        Case(arrays() | settings | {"nesterov": True}, Text(
            "Right with plain momentum, not with nesterov=True: then w ← w − lr·(g + μ·v), with the new v.",
            "普通动量时正确，nesterov=True 时不对：此时 w ← w − lr·(g + μ·v)，用更新后的 v。",
        )),
        Case(arrays() | settings | {"velocity": None, "momentum": 0.0}, Text(
            "Right with momentum, not without: velocity is None then, and the step is w ← w − lr·g.",
            "有动量时正确，没有动量时不对：此时 velocity 是 None，步子是 w ← w − lr·g。",
        )),
    ]  # fmt: skip


def _adam_cases(rng: np.random.Generator) -> list[Case]:
    def case(step: int, **others: float) -> dict:
        beta1, beta2 = others.get("beta1", 0.9), others.get("beta2", 0.99)
        arrays = {name: rng.standard_normal(SHAPE) for name in ("value", "grad", "mean")}
        return {
            **arrays, "square": rng.uniform(0.5, 2, SHAPE), "mean_share": 1 - beta1**step,
            "square_share": 1 - beta2**step, "lr": 0.1, "beta1": beta1, "beta2": beta2, "epsilon": 0.01,
            "weight_decay": 0.0,
        } | others  # fmt: skip

    return [
        Case(case(3)),
        Case(case(20, beta1=0.7, lr=0.02)),
        Case(case(3, weight_decay=0.2), Text(
            "Right without weight decay, not with it: λ·w is added to the gradient before anything else, g = grad + "
            "λ·w.",
            "没有权重衰减时正确，有权重衰减时不对：先把 λ·w 加到梯度上，g = grad + λ·w。",
        )),
    ]  # fmt: skip


def _g(a: SimpleNamespace) -> np.ndarray:
    return a.grad + a.weight_decay * a.value


def _v(a: SimpleNamespace) -> np.ndarray:
    return a.momentum * a.velocity + _g(a)


def _m(a: SimpleNamespace) -> np.ndarray:
    return a.beta1 * a.mean + (1 - a.beta1) * _g(a)


def _s(a: SimpleNamespace) -> np.ndarray:
    return a.beta2 * a.square + (1 - a.beta2) * _g(a) ** 2


def _step(a: SimpleNamespace, mean: np.ndarray, root: np.ndarray) -> np.ndarray:
    return a.value - a.lr * mean / root


def _m_hat(a: SimpleNamespace) -> np.ndarray:
    return _m(a) / a.mean_share


def _s_hat(a: SimpleNamespace) -> np.ndarray:
    return _s(a) / a.square_share


EXERCISES = (
    Exercise(
        ops.sgd_update,
        Text("a step of SGD with momentum", "带动量的 SGD 走一步"),
        ("velocity", "value"),
        _sgd_cases,
        (
            Mistake("velocity", lambda a: a.momentum * a.velocity - a.lr * _g(a), Text(
                "lr is put into the velocity (v ← μ·v − lr·g). Here v collects gradients alone, v ← μ·v + g, and lr "
                "comes in w ← w − lr·v: so a new learning rate holds at once.",
                "lr 放进了速度里（v ← μ·v − lr·g）。这里 v 只累积梯度：v ← μ·v + g，lr 在 w ← w − lr·v 中才出现："
                "这样新的学习率立刻生效。",
            )),
            Mistake("velocity", lambda a: a.momentum * a.velocity + a.lr * _g(a), Text(
                "The gradient goes into the velocity times lr. Here v collects gradients alone, v ← μ·v + g, and lr "
                "comes "
                "in w ← w − lr·v; with lr in both places it would be applied twice.",
                "梯度乘了 lr 才进入速度。这里 v 只累积梯度：v ← μ·v + g，lr 在 w ← w − lr·v 中才出现；"
                "两处都有就用了两次。",
            )),
            Mistake("velocity", lambda a: a.momentum * a.velocity + (1 - a.momentum) * _g(a), Text(
                "The gradient is weighed with 1 − μ: that is a running mean, as in Adam. Momentum adds the whole "
                "gradient: v ← μ·v + g.",
                "梯度乘了 1 − μ：那是 Adam 中的滑动平均。动量加上完整的梯度：v ← μ·v + g。",
            )),
            Mistake("velocity", lambda a: a.velocity + _g(a), Text(
                "The old velocity is not damped: multiply it by the momentum μ first, or it never forgets.",
                "旧的速度没有衰减：先乘以动量 μ，否则它永远不会忘记。",
            )),
            Mistake("velocity", _g, Text(
                "The old velocity is lost: v is the gradient alone, so there is no momentum. v ← μ·v + g.",
                "旧的速度丢掉了：v 只剩梯度，也就没有动量了。v ← μ·v + g。",
            )),
            Mistake("velocity", lambda a: a.momentum * (a.velocity + _g(a)), Text(
                "μ damps the new gradient as well: it belongs to the old velocity alone, v ← μ·v + g.",
                "μ 也乘到了新梯度上：它只作用于旧速度，v ← μ·v + g。",
            )),
            Mistake("velocity", lambda a: a.momentum * a.velocity - _g(a), Text(
                "The gradient is taken off the velocity, where it should be added: v ← μ·v + g; the minus sign comes "
                "when the weights step.",
                "速度减去了梯度，而应当加上：v ← μ·v + g；负号在更新权重时才出现。",
            )),
            Mistake("velocity", lambda a: a.velocity, Text(
                "velocity stays as it was: write the new one into it (velocity *= …, velocity += …), for the next step "
                "begins from there.",
                "velocity 没有变：把新的值写进去（velocity *= …，velocity += …），下一步要从它开始。",
            )),
            Mistake("value", lambda a: a.value + a.lr * _v(a), Text(
                "The weights go uphill: the step is against the gradient, w ← w − lr·v.",
                "权重在上坡：步子要逆着梯度，w ← w − lr·v。",
            )),
            Mistake("value", lambda a: a.value - a.lr * _g(a), Text(
                "The weights step along the gradient, not along the velocity: w ← w − lr·v.",
                "权重沿着梯度而不是沿着速度走：w ← w − lr·v。",
            )),
            Mistake("value", lambda a: a.value - a.lr * a.velocity, Text(
                "The weights step along the old velocity: renew v first, then w ← w − lr·v.",
                "权重沿着旧的速度走：先更新 v，再 w ← w − lr·v。",
            )),
            Mistake("value", lambda a: a.value - _v(a), Text(
                "The learning rate is missing: w ← w − lr·v.", "少了学习率：w ← w − lr·v。",
            )),
            Mistake("value", lambda a: a.value - a.lr**2 * _v(a), Text(
                "The learning rate is applied twice: once is enough, w ← w − lr·v.",
                "学习率用了两次：一次就够，w ← w − lr·v。",
            )),
            Mistake("value", lambda a: a.value - a.lr * (_g(a) + a.momentum * _v(a)), Text(
                "This is Nesterov's step, w ← w − lr·(g + μ·v), which is asked for only where nesterov is True.",
                "这是 Nesterov 的步子 w ← w − lr·(g + μ·v)，只有 nesterov 为 True 时才用。",
            )),
            Mistake("value", lambda a: a.value, Text(
                "The weights stay as they were: value has to be changed in place, as by `value -= lr * velocity`; "
                "`value = value - …` makes an array that the caller never sees.",
                "权重没有变：要就地改动 value，例如 `value -= lr * velocity`；`value = value - …` 造出的新数组，"
                "调用者看不到。",
            )),
        ),
        loops=lambda a: reversed(loops.sgd_update(**vars(a))),  # which return the weights first
        in_place=True,
    ),
    Exercise(
        ops.adam_update,
        Text("a step of Adam", "Adam 走一步"),
        ("mean", "square", "value"),
        _adam_cases,
        (
            Mistake("mean", lambda a: a.beta1 * a.mean + _g(a), Text(
                "The gradient goes into the mean whole: it is a running mean, m ← β₁·m + (1 − β₁)·g.",
                "梯度整个加进了均值：它是滑动平均，m ← β₁·m + (1 − β₁)·g。",
            )),
            Mistake("mean", lambda a: (1 - a.beta1) * a.mean + a.beta1 * _g(a), Text(
                "β₁ and 1 − β₁ are exchanged: the old mean keeps β₁ = 0.9 of itself, the gradient brings the rest.",
                "β₁ 和 1 − β₁ 互换了：旧均值保留 β₁ = 0.9，梯度占其余部分。",
            )),
            Mistake("mean", lambda a: a.beta2 * a.mean + (1 - a.beta2) * _g(a), Text(
                "The mean uses β₂; that is the square's. m ← β₁·m + (1 − β₁)·g.",
                "均值用了 β₂；那是平方项的。m ← β₁·m + (1 − β₁)·g。",
            )),
            Mistake("mean", lambda a: _m(a) / a.mean_share, Text(
                "The bias correction is written into the mean: m itself stays uncorrected for the next step; only the "
                "step takes m̂ = m / (1 − β₁ᵗ).",
                "偏差修正写进了均值：m 本身要保持未修正，留给下一步；只有走步时用 m̂ = m / (1 − β₁ᵗ)。",
            )),
            Mistake("mean", lambda a: a.mean, Text(
                "mean stays as it was: write the new one into it in place (mean *= …, mean += …).",
                "mean 没有变：把新的值就地写进去（mean *= …，mean += …）。",
            )),
            Mistake("square", lambda a: a.beta2 * a.square + (1 - a.beta2) * _g(a), Text(
                "The gradient is not squared: s ← β₂·s + (1 − β₂)·g².",
                "梯度没有平方：s ← β₂·s + (1 − β₂)·g²。",
            )),
            Mistake("square", lambda a: a.beta2 * a.square + (1 - a.beta2) * _m(a) ** 2, Text(
                "The mean is squared instead of the gradient: s ← β₂·s + (1 − β₂)·g².",
                "平方的是均值而不是梯度：s ← β₂·s + (1 − β₂)·g²。",
            )),
            Mistake("square", lambda a: a.beta2 * a.square + _g(a) ** 2, Text(
                "The squared gradient goes in whole: s is a running mean too, s ← β₂·s + (1 − β₂)·g².",
                "梯度的平方整个加了进去：s 也是滑动平均，s ← β₂·s + (1 − β₂)·g²。",
            )),
            Mistake("square", lambda a: a.beta1 * a.square + (1 - a.beta1) * _g(a) ** 2, Text(
                "The square uses β₁; that is the mean's. s ← β₂·s + (1 − β₂)·g².",
                "平方项用了 β₁；那是均值的。s ← β₂·s + (1 − β₂)·g²。",
            )),
            Mistake("square", lambda a: ((1 - a.beta2) * a.square + a.beta2 * _g(a) ** 2), Text(
                "β₂ and 1 − β₂ are exchanged: the old square keeps β₂ of itself, g² brings the rest.",
                "β₂ 和 1 − β₂ 互换了：旧的平方项保留 β₂，g² 占其余部分。",
            )),
            Mistake("square", lambda a: a.square, Text(
                "square stays as it was: write the new one into it in place (square *= …, square += …).",
                "square 没有变：把新的值就地写进去（square *= …，square += …）。",
            )),
            Mistake("value", lambda a: _step(a, _m(a), np.sqrt(_s(a)) + a.epsilon), Text(
                "The bias correction is forgotten: both means began at 0 and are too small at first. Divide m by "
                "1 − β₁ᵗ (mean_share) and s by 1 − β₂ᵗ (square_share).",
                "忘了偏差修正：两个均值都从 0 开始，起初偏小。m 要除以 1 − β₁ᵗ（mean_share），s 要除以 1 − "
                "β₂ᵗ（square_share）。",
            )),
            Mistake("value", lambda a: _step(a, _m_hat(a), np.sqrt(_s(a)) + a.epsilon), Text(
                "The mean is corrected, the square is not: ŝ = s / (1 − β₂ᵗ), which is square_share.",
                "均值修正了，平方项没有：ŝ = s / (1 − β₂ᵗ)，即 square_share。",
            )),
            Mistake("value", lambda a: _step(a, _m(a), np.sqrt(_s_hat(a)) + a.epsilon), Text(
                "The square is corrected, the mean is not: m̂ = m / (1 − β₁ᵗ), which is mean_share.",
                "平方项修正了，均值没有：m̂ = m / (1 − β₁ᵗ)，即 mean_share。",
            )),
            Mistake("value", lambda a: _step(
                    a, _m(a) * a.mean_share, np.sqrt(_s(a) * a.square_share) + a.epsilon), Text(
                "The means are multiplied by 1 − βᵗ; they are too small, and have to be divided by it.",
                "两个均值乘以了 1 − βᵗ；它们偏小，应当除以它。",
            )),
            Mistake("value", lambda a: _step(a, _m_hat(a), np.sqrt(_s_hat(a) + a.epsilon)), Text(
                "ε is under the root; it is added after the root: √ŝ + ε.",
                "ε 放进了根号；应在开方之后加：√ŝ + ε。",
            )),
            Mistake("value", lambda a: _step(a, _m_hat(a), _s_hat(a) + a.epsilon), Text(
                "The root is missing: the step divides by √ŝ + ε, so that its length does not depend on how large the "
                "gradients are.",
                "没有开方：要除以 √ŝ + ε，这样步长与梯度大小无关。",
            )),
            Mistake("value", lambda a: _step(a, _m_hat(a), np.sqrt(_s_hat(a))), Text(
                "ε is missing: where gradients are 0 for long, √ŝ is 0, and the step 0/0. Divide by √ŝ + ε.",
                "少了 ε：梯度长期为 0 时 √ŝ 是 0，步子成了 0/0。要除以 √ŝ + ε。",
            )),
            Mistake("value", lambda a: _step(a, _g(a), np.sqrt(_s_hat(a)) + a.epsilon), Text(
                "The step goes along the gradient; Adam's goes along its running mean m̂.",
                "沿着梯度走了；Adam 沿着梯度的滑动平均 m̂ 走。",
            )),
            Mistake("value", lambda a: a.value + a.lr * _m_hat(a) / (np.sqrt(_s_hat(a)) + a.epsilon), Text(
                "The weights go uphill: the step is against the gradient, w ← w − lr·m̂ / (√ŝ + ε).",
                "权重在上坡：步子要逆着梯度，w ← w − lr·m̂ / (√ŝ + ε)。",
            )),
            Mistake("value", lambda a: a.value - a.lr**2 * _m_hat(a) / (np.sqrt(_s_hat(a)) + a.epsilon), Text(
                "The learning rate is applied twice.", "学习率用了两次。",
            )),
            Mistake("value", lambda a: a.value - _m_hat(a) / (np.sqrt(_s_hat(a)) + a.epsilon), Text(
                "The learning rate is missing: w ← w − lr·m̂ / (√ŝ + ε).", "少了学习率：w ← w − lr·m̂ / (√ŝ + ε)。",
            )),
            Mistake("value", lambda a: a.value, Text(
                "The weights stay as they were: value has to be changed in place, as by `value -= …`.",
                "权重没有变：要就地改动 value，例如 `value -= …`。",
            )),
        ),
        loops=lambda a: [*loops.adam_update(**vars(a))[1:], loops.adam_update(**vars(a))[0]],
        in_place=True,
    ),
)  # fmt: skip
