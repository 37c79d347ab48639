"""Try the learner's function on every case, beside slow loops, and by the gradient check: right, or the first hint.

The cases come in order, so that the first that fails says the most. What is asked of each call, in order: that it
returns; that it leaves its arguments alone; that it returns what it should, of the right kind; that no known mistake
gives these numbers; shape, dtype, numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from minicnn.dispatch import Call, observe, use_kernels
from minicnn.inspection.exercises.calls import Failure, Outcome, call, described
from minicnn.inspection.exercises.comparison import agree, wrong_numbers, wrong_shape
from minicnn.inspection.exercises.evidence import example, gradient_report, numeric_evidence
from minicnn.inspection.exercises.exercise import (
    Arguments,
    Case,
    Exercise,
    Function,
    Mistake,
    Results,
    copies,
    in_float32,
)
from minicnn.inspection.exercises.language import Text, same
from minicnn.inspection.exercises.verdict import Verdict
from minicnn.inspection.formulas import formula_of, source_of
from minicnn.inspection.gradient_report import GradientReport

SEED = 0


def examine(exercise: Exercise, function: Function, path: Path) -> Verdict:
    """Return what there is to say about the learner's `function`, which comes from the file at `path`."""
    with use_kernels("reference"):  # for what it may call of minicnn: nothing to compile
        problem = _signature_problem(exercise, function)
        if problem is not None:
            return Verdict(False, problem)
        rng = np.random.default_rng(SEED)
        cases = list(exercise.cases(rng))
        for case in [*cases, *(Case(in_float32(case.arguments)) for case in cases)]:
            verdict = _examine_call(exercise, function, path, case, cases)
            if verdict is not None:
                return verdict
        try:
            problem = _borrowed(exercise, function, cases[0])
            if problem is None and exercise.judge is not None:
                problem = exercise.judge(function)
            if problem is not None:
                return Verdict(False, problem)
            report = gradient_report(exercise, function)
        except (Exception, SystemExit) as error:
            return failed_elsewhere(exercise, Failure.of(error, path))
        if report is not None and not report.passed:
            hint = Text(
                "The numbers are right where they were tried, but the gradient check found others that are not.",
                "试过的数值都对，但梯度检查发现了别的错误。",
            )
            return Verdict(False, hint, tuple(same(line) for line in report.describe().splitlines()))
    return Verdict(True, _praise(exercise, len(cases)), _praise_evidence(exercise, report))


def failed_elsewhere(exercise: Exercise, failure: Failure) -> Verdict:
    """Return what to say about a function that is right in every case, and fails with other arrays."""
    hint = Text(
        "{name} is right wherever it was tried, but with other arrays it stops with an error: {failure}",
        "试过的地方 {name} 都对，但换了别的数组就因错误而中断：{failure}",
    ).filled(name=exercise.name, failure=failure)
    return Verdict(False, hint, failure.place)


def _signature_problem(exercise: Exercise, function: Function) -> Text | None:
    wanted = list(inspect.signature(exercise.operation).parameters)
    try:
        found = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # no function of Python's
        found = []
    if found == wanted:
        return None
    return Text(
        "{name} takes other arguments than it should: leave its first line as it was, def {name}({wanted}).",
        "{name} 的参数变了：请保留原来的第一行 def {name}({wanted})。",
    ).filled(name=exercise.name, wanted=", ".join(wanted))


def _examine_call(
    exercise: Exercise, function: Function, path: Path, case: Case, cases: Sequence[Case]
) -> Verdict | None:
    """Return what is wrong with one call, or None."""
    outcome = call(function, case.arguments, path)
    called = Text("The call: {call}", "这次调用：{call}").filled(call=f"{exercise.name}({described(case.arguments)})")
    if outcome.failure is not None:
        told, *details = _failed(exercise, outcome)
        return Verdict(False, told, (*details, called))
    hint = _misuse(exercise, outcome)
    if hint is not None:
        return Verdict(False, hint, (called,))
    returned = exercise.named(outcome.after, outcome.returned)
    true = exercise.true_results(case.arguments, returned)
    for name in exercise.results:
        hint = _wrong_kind(name, returned[name], true[name])
        if hint is None and agree(returned[name], true[name]):
            hint = _wrong_dtype(name, returned[name], true[name])
            if hint is None:
                continue
        if hint is not None:
            return Verdict(False, hint, (called,))
        why = _why(exercise, function, path, case, name, returned, true, cases)
        evidence = example(exercise, case.arguments, name, returned, true)
        return Verdict(False, why, (*evidence, called, *numeric_evidence(exercise, function)))
    return None


def _failed(exercise: Exercise, outcome: Outcome) -> tuple[Text, ...]:
    """Return what to say about a call that raised."""
    failure = outcome.failure
    assert failure is not None
    if isinstance(failure.error, NotImplementedError):
        return (
            Text(
                "Nothing is written yet: put the formula in place of `raise NotImplementedError`.",
                "还没有写：用公式替换 `raise NotImplementedError` 那一行。",
            ),
        )
    if isinstance(failure.error, SystemExit):
        return (
            Text(
                "{name} ends the whole program (exit): it should return its result instead.",
                "{name} 结束了整个程序（exit）：它应当返回结果。",
            ).filled(name=exercise.name),
        )
    hint = Text("{name} stops with an error: {failure}", "{name} 因错误而中断：{failure}").filled(
        name=exercise.name, failure=failure
    )
    own = copies(outcome.arguments)
    true = exercise.named(own, exercise.operation.reference(**own))
    shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in true.items() if value is not None)
    wanted = Text("The result should be: {shapes}", "结果应为：{shapes}").filled(shapes=shapes)
    advice = exercise.errors.get(type(failure.error).__name__)
    return (hint, *failure.place, *([advice] if advice else []), wanted)


def _misuse(exercise: Exercise, outcome: Outcome) -> Text | None:
    """Return what is wrong with how a call treats its arguments, and with what it returns as a whole."""
    allowed = exercise.results if exercise.in_place else ()
    for name in outcome.changed:
        if name not in allowed:
            return Text(
                "{name} was changed: it belongs to the caller, who still needs it as it was. Compute a new array "
                "instead of writing into it, as x[…] = …, += and out= do.",
                "{name} 被改动了：它属于调用者，之后还要原样使用。请算出一个新数组，不要写进去（切片赋值、+= "
                "等都会改动它）。",
            ).filled(name=name)
    if exercise.in_place:
        given = [name for name in exercise.results if outcome.arguments[name] is not None]
        if not set(outcome.changed) & set(given):
            return Text(
                "Nothing has changed: the new numbers have to be written into {name} itself, as by `{name} -= …`. "
                "`{name} = {name} - …` makes an array that the caller never sees.",
                "什么都没有变：新的数要写进 {name} 本身，例如 `{name} -= …`；`{name} = {name} - …` 造出的新数组，"
                "调用者看不到。",
            ).filled(name=given[-1])
        return None
    count = len(exercise.results)
    if outcome.returned is None:
        return Text(
            "{name} returns nothing: end it with `return {results}`.",
            "{name} 没有返回值：请以 `return {results}` 结束。",
        ).filled(name=exercise.name, results=", ".join(exercise.results))
    if count > 1 and not (isinstance(outcome.returned, tuple | list) and len(outcome.returned) == count):
        is_row = isinstance(outcome.returned, tuple | list)
        got = len(outcome.returned) if is_row else type(outcome.returned).__name__
        return Text(
            "{name} should return {count} results, ({results}); it returns {got}.",
            "{name} 应返回 {count} 个结果 ({results})；现在返回的是 {got}。",
        ).filled(name=exercise.name, count=count, results=", ".join(exercise.results), got=got)
    return None


def _wrong_kind(name: str, mine: Any, true: Any) -> Text | None:
    """Return what is wrong where a result is no array, or is one where there should be none."""
    if true is None:
        if mine is None:
            return None
        return Text(
            "{name} should be None in this call: nobody needs it, and computing it takes time.",
            "这次调用中 {name} 应为 None：没有人需要它，计算它要花时间。",
        ).filled(name=name)
    if isinstance(mine, np.ndarray | np.generic | int | float) and np.asarray(mine).dtype.kind in "fiub":
        return None
    return Text(
        "{name} should be an array of numbers, but is a {got}.", "{name} 应为数值数组，现在却是 {got}。"
    ).filled(name=name, got=type(mine).__name__)


def _wrong_dtype(name: str, mine: Any, true: Any) -> Text | None:
    """Return what is wrong where a result has the right numbers, in another dtype than it should."""
    if mine is None or (np.ndim(true) == 0 and isinstance(mine, float)):
        return None
    found, wanted = np.asarray(mine).dtype, np.asarray(true).dtype
    if found == wanted or {found.kind, wanted.kind} <= {"i", "u"}:  # any whole number will do as an index
        return None
    return Text(
        "{name} is {found}, but should be {wanted}, as what went in: look at what makes an array without saying its "
        "dtype (np.zeros), and at numbers that widen it.",
        "{name} 的类型是 {found}，应与输入一样是 {wanted}：检查没有写明 dtype 的新数组（如 np.zeros），"
        "以及使类型变宽的数。",
    ).filled(name=name, found=found, wanted=wanted)


def _why(
    exercise: Exercise, function: Function, path: Path, case: Case, name: str, returned: Results, true: Results,
    cases: Sequence[Case],
) -> Text:  # fmt: skip
    """Return the hint for a result that is wrong: that of the mistake that gives it, or what its numbers say."""
    mine = np.asarray(returned[name])
    fitting = [mistake for mistake in exercise.mistakes if _gives(mistake, name, case.arguments, returned)]
    if len(fitting) > 1:  # the one that fits all other calls as well
        known = {id(mistake): 0 for mistake in fitting}
        for other in cases:
            outcome = call(function, other.arguments, path)
            if outcome.failure is None and _misuse(exercise, outcome) is None:
                others = exercise.named(outcome.after, outcome.returned)
                for mistake in fitting:
                    known[id(mistake)] += _gives(mistake, name, other.arguments, others)
        fitting.sort(key=lambda mistake: -known[id(mistake)])
    if fitting:
        return fitting[0].hint
    for other_name, other in true.items():
        if other_name != name and other is not None and agree(mine, other):
            return Text(
                "What is returned as {name} is {other}: the order is ({results}).",
                "作为 {name} 返回的其实是 {other}：返回的顺序是 ({results})。",
            ).filled(name=name, other=other_name, results=", ".join(exercise.results))
    right = np.asarray(true[name])
    if mine.shape != right.shape:
        formula = formula_of(exercise.operation, name).rpartition(" = ")[2]
        return wrong_shape(name, mine, right, formula)
    if case.hint is not None:
        return case.hint
    return wrong_numbers(name, mine, right, exercise.sizes(SimpleNamespace(**case.arguments)))


def _gives(mistake: Mistake, name: str, arguments: Arguments, returned: Results) -> bool:
    """Return whether a mistake would give what was returned as `name`."""
    if mistake.result != name or returned[name] is None:
        return False
    if not np.isfinite(returned[name]).all():  # which all looks alike
        return False
    with np.errstate(all="ignore"):
        try:
            return agree(returned[name], mistake.wrong(SimpleNamespace(**{**returned, **copies(arguments)})))
        except (ValueError, TypeError, IndexError):  # a mistake that does not go together with these shapes
            return False


def _borrowed(exercise: Exercise, function: Function, case: Case) -> Text | None:
    """Return what to say where the function only calls minicnn's own."""
    calls: list[Call] = []
    with observe(calls.append):
        function(**copies(case.arguments))
    if all(made.operation is not exercise.operation for made in calls):
        return None
    return Text(
        "This calls minicnn's own {name}: write the formula out yourself.",
        "这里调用了 minicnn 自己的 {name}：请自己写出公式。",
    ).filled(name=exercise.name)


def _praise(exercise: Exercise, cases: int) -> Text:
    return Text(
        "{name} is right: it agrees with slow loops in all {cases} cases, in float64 and in float32.",
        "{name} 正确：{cases} 种情形下都与逐个计算的循环一致，float64 与 float32 都试过。",
    ).filled(name=exercise.name, cases=cases)


def _praise_evidence(exercise: Exercise, report: GradientReport | None) -> tuple[Text, ...]:
    own = source_of(exercise.operation, exercise.results[0], 0, "formula")
    texts = [Text("minicnn's own stands in {own}: compare", "minicnn 自己的写法在 {own}：对照看看").filled(own=own)]
    if report is not None:
        texts.insert(
            0,
            Text(
                "The gradient check agrees: relative error {error:.1e} at most",
                "梯度检查也一致：相对误差至多 {error:.1e}",
            ).filled(error=report.max_relative_error),
        )
    return tuple(texts)
