"""A walk through a pickle that builds plain values and executes nothing.

A pickle is a program for a stack machine, and Python's own reader imports and calls whatever function it names. Here a
name stays a name: it is never looked up, and stands for something only where the caller has said what.
Source: the opcodes as `pickletools`, which splits the bytes into them, describes them.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

LITERALS = frozenset(  # push a number or a text that stands behind the opcode
    [
        "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
        "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    ]
)  # fmt: skip


LARGEST = 2**63 - 1  # of the numbers that a dict has as keys; beyond, comparing them is work without an end
LONGEST_NAME = 200  # characters


class Refused(Exception):
    """The pickle asks for something to be called; the message says for what, and where."""


@dataclass(frozen=True, eq=False)
class Name:
    """A function or class that a pickle names, such as torch._utils._rebuild_tensor_v2; nothing of it is loaded."""

    text: str


def read_pickle(
    stream: BinaryIO,
    calls: Mapping[str, Callable[..., object]] | None = None,
    names: Collection[str] = (),
    persistent: Callable[[object], object] | None = None,
) -> Any:
    """Return the value of the pickle at the stream's position, and leave the stream behind it.

    The value is made of None, bool, int, float, str, list, tuple, dict, OrderedDict, and what `calls` return.
    calls: our own functions, by the names of those that the pickle may ask for. names: those that it may mention, as
    `Name`, without calling them. persistent: makes a value of a persistent id, which points to something beside the
    pickle. An opcode adds one value at most, so that no pickle grows beyond what its length allows.
    Raises Refused for any other name or call, ValueError where the pickle is damaged.
    """
    machine = _Machine({"collections.OrderedDict": lambda: OrderedDict(), **(calls or {})}, names, persistent)
    imported = None  # the first name that nobody knows: refused even where nothing calls it
    for opcode, argument, byte in pickletools.genops(stream):
        where = f"(opcode {opcode.name} at byte {byte})"
        try:
            machine.step(opcode.name, argument)
        except Refused as error:
            raise Refused(f"{error} {where}") from None
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{error} {where}") from error
        if imported is None and machine.unknown is not None:
            imported = f"would import {shown(machine.unknown)} {where}"
    if imported is not None:
        raise Refused(imported)
    if len(machine.stack) != 1 or machine.outer:
        raise ValueError("the pickle does not end with one value")
    return machine.stack[0]


class _Machine:
    """The stack machine that a pickle is a program for, after so many of its opcodes."""

    def __init__(
        self,
        calls: Mapping[str, Callable[..., object]],
        names: Collection[str],
        persistent: Callable[[object], object] | None,
    ) -> None:
        self.calls = calls
        self.names = names
        self.persistent = persistent
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # the stacks below each MARK
        self.memo: dict[int, Any] = {}
        self.unknown: str | None = None  # the last name that is neither among the calls nor the names

    def step(self, kind: str, argument: Any) -> None:
        """Do what one opcode says. Raises Refused, or LookupError, TypeError or ValueError where that cannot be."""
        stack = self.stack
        match kind:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "MARK":
                self.outer.append(stack)
                self.stack = []
            case "POP" if stack:
                stack.pop()
            case "POP" | "POP_MARK":
                self.since_mark()
            case "DUP":
                stack.append(stack[-1])

            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])

            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(kind == "NEWTRUE")
            case _ if kind in LITERALS:
                stack.append(argument)

            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                reverse = [stack.pop() for _ in range(int(kind[-1]))]
                stack.append(tuple(reverse[::-1]))
            case "TUPLE":
                items = self.since_mark()
                self.stack.append(tuple(items))

            case "EMPTY_LIST":
                stack.append([])
            case "LIST":
                items = self.since_mark()
                self.stack.append(items)
            case "APPEND":
                item = stack.pop()
                require(list, stack[-1]).append(item)
            case "APPENDS":
                items = self.since_mark()
                require(list, self.stack[-1]).extend(items)

            case "EMPTY_DICT":
                stack.append({})
            case "DICT":
                items = self.since_mark()
                self.stack.append(_with_items({}, items))
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _with_items(require(dict, stack[-1]), [key, value])
            case "SETITEMS":
                items = self.since_mark()
                _with_items(require(dict, self.stack[-1]), items)

            case "GLOBAL":
                stack.append(self.name(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                function, module = require(str, stack.pop()), require(str, stack.pop())
                stack.append(self.name(f"{module}.{function}"))
            case "REDUCE":
                arguments, called = require(tuple, stack.pop()), stack.pop()
                if not isinstance(called, Name) or called.text not in self.calls:
                    raise Refused(f"would execute {_told(called)}")
                stack.append(self.calls[called.text](*arguments))
            case "BUILD":
                state, target = stack.pop(), stack[-1]
                if type(target) is not OrderedDict or type(state) is not dict:
                    raise Refused(f"would let {_told(target)} change by code of its own")
                # A state_dict() notes here which versions of PyTorch's layers it comes from: nothing that is needed.
            case "BINPERSID" if self.persistent is not None:
                stack.append(self.persistent(stack.pop()))

            case "INST":
                raise Refused(f"would execute {shown(argument.replace(' ', '.', 1))}")
            case "OBJ":
                raise Refused(f"would execute {_told(stack[0])}")
            case "NEWOBJ":
                raise Refused(f"would execute {_told(stack[-2])}")
            case "NEWOBJ_EX":
                raise Refused(f"would execute {_told(stack[-3])}")
            case "EXT1" | "EXT2" | "EXT4":
                raise Refused(f"would execute number {argument} of Python's extension registry")
            case _:
                raise Refused("asks for more than plain values")

    def since_mark(self) -> list[Any]:
        """Return what was pushed since the last MARK, and go back to the stack below it."""
        items, self.stack = self.stack, self.outer.pop()
        return items

    def name(self, text: str) -> Name:
        """Return a name, and remember it if nobody knows it."""
        if len(text) > LONGEST_NAME:  # and not once more for each time that the pickle names it
            raise Refused(f"would import {shown(text)}")
        if text not in self.calls and text not in self.names:
            self.unknown = text
        return Name(text)


def require(kind: type, value: Any) -> Any:
    """Return `value`. Raises TypeError unless it is of that kind."""
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__} stands where a {kind.__name__} should")
    return value


def shown(text: str) -> str:
    """Return a text from a pickle as a message can have it: short, and nothing in it that moves a terminal's cursor."""
    return text if text.isprintable() and len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]!r}…"


def _told(value: object) -> str:
    """Return how a refusal names what stands in the place of a function or an object."""
    return shown(value.text) if isinstance(value, Name) else f"a value of type {type(value).__name__}"


def _with_items(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    """Put key, value, key, value, … into `target` and return it; keys are texts, numbers or None.

    Not tuples, say: nested deep enough, Python's function that hashes them would end the process.
    """
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | float | None) and not (isinstance(key, int) and abs(key) <= LARGEST):
            raise TypeError(f"a {type(key).__name__} stands where a dict's key should")
        target[key] = value
    return target
