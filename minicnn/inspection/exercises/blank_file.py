"""The learner's file, cut out of the operation's own: all that stands around the body, and the body taken out.

It is made from the source of `minicnn.ops` each time, so the docstrings, formulas and shapes that a learner reads are
those of the code.
"""

from __future__ import annotations

import ast
import inspect
import sys
from typing import Any

from minicnn.inspection.exercises.exercise import Exercise
from minicnn.inspection.exercises.language import Text

NOT_WRITTEN = Text("write the body of {name} here", "在这里写出 {name} 的函数体")
HEADER = Text(
    """Exercise {name}: write the body of `{name}`, then run

    minicnn exercise check {name}

Arrays are NumPy's. What is imported and written below may be used and need not be. What the operation's own file says:
""",
    """练习 {name}：写出函数 `{name}` 的函数体，然后运行

    minicnn exercise check {name}

数组都是 NumPy 数组；下面导入和给出的东西可以用，也可以不用。以下是该运算自己的文件中的说明：
""",
)
DISPATCH = ("accelerated",)  # what an operation needs and a learner's function does not


def exercise_file(exercise: Exercise, language: str = "en", answered: bool = False) -> str:
    """Return the text of the file to fill in; with its answer, minicnn's own formula, where it is to be `answered`."""
    module = sys.modules[exercise.operation.__module__]
    source = inspect.getsource(module)
    tree = ast.parse(source)
    lines = source.splitlines()
    function = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == exercise.name)
    docstring, *body = function.body
    kept = body if answered else _kept(body, exercise.given)
    needed = _reach([*kept, *_named(tree, exercise.given)], tree)
    tools = needed | (set() if answered else _names(body))

    header = HEADER.filled(name=exercise.name).said(language)
    parts = [f'"""{header}\n{ast.get_docstring(tree, clean=True)}\n"""', "from __future__ import annotations"]
    parts.append(_imports(tree, tools | _names([function.args, function.returns])))
    parts += [_text(lines, node) for node in tree.body if isinstance(node, ast.Assign) and _names([node]) & tools]
    written = [
        "\n".join(lines[function.lineno - 1 : docstring.lineno - 1]).replace("  # fmt: skip", ""),
        _text(lines, docstring),
        *(_text(lines, node) for node in kept),
    ]
    if not answered:
        missing = NOT_WRITTEN.filled(name=exercise.name).said(language)
        written.append(f'    raise NotImplementedError("{missing}")')
    functions = ["\n".join(written)]
    functions += [
        _text(lines, node) for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in needed
        and node is not function
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n\n\n" + "\n\n\n".join(functions) + "\n"


def _kept(body: list[ast.stmt], given: tuple[str, ...]) -> list[ast.stmt]:
    """Return the `if` statements that ask for a given variable, and what sets a variable that they use."""
    asking = [node for node in body if isinstance(node, ast.If) and _names([node.test]) & set(given)]
    used = _names(asking)
    setting = [node for node in body if isinstance(node, ast.Assign) and _names(node.targets) & used]
    return [node for node in body if node in asking or (node in setting and node.lineno < asking[0].lineno)]


def _named(tree: ast.Module, names: tuple[str, ...]) -> list[ast.stmt]:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]


def _reach(nodes: list[ast.stmt], tree: ast.Module) -> set[str]:
    """Return every name that is used by nodes and by the file's private functions that they lead to."""
    found: set[str] = {node.name for node in nodes if isinstance(node, ast.FunctionDef)} | _names(nodes)
    private = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] == "_"}
    todo = [name for name in found if name in private]
    while todo:
        used = _names([private[todo.pop()]]) - found
        found |= used
        todo += [name for name in used if name in private]
    return found


def _names(nodes: list[Any]) -> set[str]:
    return {inner.id for node in nodes if node for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _imports(tree: ast.Module, used: set[str]) -> str:
    """Return NumPy's import, which every learner needs, among those of the file, of each what is used alone."""
    before: list[str] = []
    after: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module != "__future__":
            names = [alias.name for alias in node.names if alias.name in used and alias.name not in DISPATCH]
            group = after if node.module.startswith("minicnn") else before
            group += [f"from {node.module} import {', '.join(names)}"] if names else []
    groups = before, ["import numpy as np"], after
    return "\n\n".join("\n".join(group) for group in groups if group)


def _text(lines: list[str], node: ast.stmt) -> str:
    """Return the lines of a statement, with its decorators left out and a remark behind its last line kept."""
    return "\n".join(lines[node.lineno - 1 : node.end_lineno])
