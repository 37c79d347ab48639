"""The formula of an array, as the docstrings of the operations say it, and the line of code that makes it."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parents[2]  # sources are told from here: minicnn/ops/convolution.py:60
_SHORT = {"dw": "dweight", "db": "dbias", "l": "loss", "p": "probabilities", "p_k": "probabilities"}  # in formulas


@functools.cache
def formula_of(operation: Any, name: str) -> str:
    """Return how an operation makes the array that it calls `name`.

    Looked for, in this order: "name = …" in the operation's docstring; in its file's; the line of code that sets a
    variable of that name; what the docstring's first line says.
    """
    own = inspect.getdoc(operation) or ""
    first = " ".join(own.partition("\n\n")[0].split())
    of_file = inspect.getdoc(sys.modules[operation.__module__]) or ""
    for equation in (*_equations(own), *_equations(of_file)):
        left = re.sub(r"\[.*?\]$", "", equation.partition(" = ")[0].strip()).lower()
        if _SHORT.get(left, left) == name:
            return equation
    assigned = _assignments(operation.formula).get(name)
    return ast.unparse(assigned) if assigned is not None else first.rpartition(": ")[2].rstrip(".")


@functools.cache
def source_of(operation: Any, name: str, place: int | None, ran: str) -> str:
    """Return "file:line" of what makes the array that an operation calls `name`.

    place: of the array among the operation's results, or None for one that the formula makes on the way. ran: what
    computed it, "formula", or "cpu" or "gpu" for a kernel, whose first line is told.
    """
    if ran != "formula":
        return place_of(operation.twin(ran))
    made = _assignments(operation.formula).get(name) if place is None else _made_at(operation.formula, place)
    return place_of(operation.formula, made.lineno if made is not None else None)


def place_of(function: Any, line: int | None = None) -> str:
    """Return "file:line" of a function, or of a line in it; of a kernel, of what was compiled."""
    function = inspect.unwrap(function)
    code = getattr(function, "py_func", function).__code__
    path = Path(code.co_filename)
    return f"{path.relative_to(_PACKAGE) if path.is_relative_to(_PACKAGE) else path}:{line or code.co_firstlineno}"


@functools.cache
def handed_on_as(maker: Any, operation: Any, parameter: str) -> str | None:
    """Return what the formula of `maker` calls the variable that it hands to an operation as `parameter`, if it is one.

    conv2d_backward hands "dcolumns" to col2im as "columns".
    """
    place = list(inspect.signature(operation).parameters).index(parameter)
    for node in ast.walk(_tree(maker.formula)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == operation.__name__:
            given = [keyword.value for keyword in node.keywords if keyword.arg == parameter] or node.args[place:]
            if given and isinstance(given[0], ast.Name):
                return given[0].id
    return None


def _equations(docstring: str) -> Iterator[str]:
    """Yield the formulas "name = …" of a docstring: those after the first line's colon, and those on indented lines."""
    first, _, rest = docstring.partition("\n\n")
    lines = [" ".join(first.split()).rpartition(": ")[2].rstrip(".")]
    lines += [line for line in rest.splitlines() if line.startswith("    ")]
    for line in lines:
        for equation in re.split(r"\s{4,}|, (?:with )?(?=\w+ = )", line.strip()):
            if " = " in equation:
                yield equation


@functools.cache
def _tree(function: Any) -> ast.FunctionDef:
    """Return a function's syntax tree, its lines numbered as in its file."""
    lines, start = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    ast.increment_lineno(tree, start - 1)
    (definition,) = tree.body
    assert isinstance(definition, ast.FunctionDef)
    return definition


@functools.cache
def _assignments(function: Any) -> dict[str, ast.stmt]:
    """Return by name the last statement of a function that sets a variable, or elements of it."""
    found: dict[str, ast.stmt] = {}
    for node in ast.walk(_tree(function)):
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                    name = _variable(part)
                    if name and (name not in found or node.lineno > found[name].lineno):
                        found[name] = node
    return found


def _made_at(function: Any, place: int) -> ast.stmt | None:
    """Return the statement that makes a function's result at `place`: the last return, or what sets what it returns."""
    returns = [node for node in ast.walk(_tree(function)) if isinstance(node, ast.Return)]
    if not returns:
        return None
    last = max(returns, key=lambda node: node.lineno)
    value = last.value.elts[place] if isinstance(last.value, ast.Tuple) else last.value
    return _assignments(function).get(_variable(value) or "", last)


def _variable(node: ast.AST | None) -> str | None:
    """Return the variable that an expression is, or is an element or a method's result of: y in y.reshape(n, f)."""
    if isinstance(node, ast.IfExp):
        node = node.body
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute):
            return None
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None
