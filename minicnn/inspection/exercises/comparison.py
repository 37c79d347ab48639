"""How an array differs from what it should be, where no known mistake fits: shape, sign, factor, order, place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minicnn.inspection.exercises.language import Text

TOLERANCE = {"float64": 1e-9, "float32": 2e-3}  # of the largest number in an array


def agree(mine: Any, true: Any) -> bool:
    """Return whether two results have one shape and, but for rounding, the same numbers."""
    mine, true = np.asarray(mine), np.asarray(true)
    return mine.shape == true.shape and not wrong_places(mine, true).any()


def wrong_places(mine: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return where two arrays of one shape differ by more than rounding, as booleans of that shape."""
    if true.dtype.kind != "f":
        return mine != true
    largest = float(np.abs(true[np.isfinite(true)]).max(initial=0.0))
    return ~np.isclose(mine, true, rtol=0, atol=TOLERANCE[str(true.dtype)] * max(largest, 1e-30), equal_nan=True)


def wrong_shape(name: str, mine: np.ndarray, true: np.ndarray, formula: str) -> Text:
    """Return what a result of another shape than the true one says about what was done."""
    values = {"name": name, "mine": mine.shape, "true": true.shape, "formula": formula}
    if mine.ndim == true.ndim + 1 and len(mine) > 1 and agree(mine.sum(axis=0), true):
        hint = Text(
            "{name} has shape {mine}: one value for each of the {count} rows or pictures. They all share one {name}: "
            "add the values up over the first axis, and it has shape {true}.",
            "{name} 的形状是 {mine}：{count} 行（或图片）各有一个值。它们共用同一个 {name}：沿第一个轴求和，形状就是 "
            "{true}。",
        ).filled(**values, count=len(mine))
    elif mine.size == true.size and mine.squeeze().shape == true.squeeze().shape:
        hint = Text(
            "{name} has shape {mine}, but should have {true}: there is an axis of length 1 too many or too few; "
            "see keepdims and reshape.",
            "{name} 的形状是 {mine}，应为 {true}：多了或少了长度为 1 的轴；看看 keepdims 和 reshape。",
        ).filled(**values)
    elif mine.shape == true.shape[::-1]:
        hint = Text(
            "{name} has shape {mine}, {formula} would be {true}: it is transposed.",
            "{name} 的形状是 {mine}，而 {formula} 的形状是 {true}：它被转置了。",
        ).filled(**values)
    else:
        hint = Text(
            "{name} has shape {mine}, but should have {true}: {formula}",
            "{name} 的形状是 {mine}，应为 {true}：{formula}",
        ).filled(**values)
    return hint


def wrong_numbers(name: str, mine: np.ndarray, true: np.ndarray, sizes: Mapping[str, float]) -> Text:
    """Return what the numbers of a result of the right shape, but wrong, say about what was done.

    sizes: numbers that it may be too large or too small by, by their names.
    """
    values: dict[str, Any] = {"name": name}
    if not np.isfinite(mine[np.isfinite(true)]).all():
        return Text(
            "{name} has numbers that are not finite (nan or inf): something overflows, or 0 is divided by 0.",
            "{name} 中有非有限的数（nan 或 inf）：有溢出，或者出现了 0 除以 0。",
        ).filled(**values)
    if not mine.any():
        return Text(
            "{name} is zero everywhere: is what you computed ever put into it?",
            "{name} 处处为零：算出来的结果放进去了吗？",
        ).filled(**values)
    factor = common_factor(mine, true)
    if factor is not None:
        return _wrong_factor(name, factor, sizes)
    if true.ndim == 2 and true.shape[0] == true.shape[1] and agree(mine, true.T):
        return Text("{name} is transposed.", "{name} 被转置了。").filled(**values)
    wrong = wrong_places(mine, true)
    if true.ndim and 0 < wrong.sum() < wrong.size:
        values |= {"count": int(wrong.sum()), "size": wrong.size, "where": _where(wrong)}
        return Text(
            "{name} is wrong at {count} of {size} places{where}, right at the others.",
            "{name} 在 {size} 处中有 {count} 处不对{where}，其余正确。",
        ).filled(**values)
    return Text(
        "{name} has the right shape, but other numbers: go through the formula with one of them.",
        "{name} 的形状对，但数值不对：拿其中一个数，对照公式逐项算一遍。",
    ).filled(**values)


def common_factor(mine: np.ndarray, true: np.ndarray) -> float | None:
    """Return the one number that the true array is to be multiplied by to give the other, or None."""
    square = float((true * true).sum()) if true.dtype.kind == "f" else 0.0
    if square == 0 or not np.isfinite(square):
        return None
    factor = float((mine * true).sum()) / square
    return factor if factor and agree(mine, factor * true) else None


def _wrong_factor(name: str, factor: float, sizes: Mapping[str, float]) -> Text:
    if np.isclose(factor, -1):
        return Text(
            "{name} has the wrong sign everywhere: every number is minus its true value.",
            "{name} 的符号全反了：每个数都是正确值的相反数。",
        ).filled(name=name)
    minus = Text("minus ", "负") if factor < 0 else Text("", "")
    for known, size in sizes.items():
        if size != 1 and np.isclose(abs(factor), size):
            return Text(
                "Every element of {name} is {minus}{known} = {size:.6g} times its true value: divide by {known}.",
                "{name} 的每个元素都是正确值的 {minus}{known} = {size:.6g} 倍：要除以 {known}。",
            ).filled(name=name, known=known, size=size, minus=minus)
        if size != 1 and np.isclose(abs(factor), 1 / size):
            return Text(
                "Every element of {name} is its true value {minus}divided by {known} = {size:.6g}: do not divide by "
                "it.",
                "{name} 的每个元素都是正确值{minus}除以 {known} = {size:.6g}：这里不该除以它。",
            ).filled(
                name=name, known=known, size=size, minus=Text("with the wrong sign, ", "反号后") if minus.en else minus
            )
    return Text(
        "Every element of {name} is {factor:.6g} times its true value: a factor is missing or too many.",
        "{name} 的每个元素都是正确值的 {factor:.6g} 倍：少了或多了一个因子。",
    ).filled(name=name, factor=factor)


def _where(wrong: np.ndarray) -> Text:
    """Return in which part of an array all that is wrong lies, where that says something."""
    if wrong.ndim == 4 and min(wrong.shape[1:3]) > 2:
        inner = wrong[:, 1:-1, 1:-1]
        if not inner.any():
            return Text(", all at the border of the picture", "，全在图片的边缘")
    for axis, axis_name in (
        (0, Text("along the first axis", "第一个轴上")),
        (-1, Text("along the last axis", "最后一个轴上")),
    ):
        others = tuple(i for i in range(wrong.ndim) if i != axis % wrong.ndim)
        lines = np.asarray(wrong.any(axis=others))
        if 0 < lines.sum() < len(lines):
            return Text(", all at index {which} {axis}", "，全在{axis}的索引 {which} 处").filled(
                which=", ".join(map(str, np.flatnonzero(lines))), axis=axis_name
            )
    return Text("", "")
