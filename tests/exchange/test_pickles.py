"""Pickles of plain values are read as Python reads them; what would call something is refused."""

from __future__ import annotations

import io
import os
import pickle
import threading
import tracemalloc
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicnn.exchange.pickles import Refused, read_pickle

keys = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text()
plain = st.recursive(
    keys | st.integers(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.tuples(inner) | st.dictionaries(keys, inner)
        | st.dictionaries(st.text(), inner).map(OrderedDict)
    ),
)  # fmt: skip


@given(value=plain, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_read_as_python_reads_them(value: object, protocol: int) -> None:
    read = read_pickle(io.BytesIO(pickle.dumps(value, protocol)))
    assert read == value
    assert repr(read) == repr(pickle.loads(pickle.dumps(value, protocol)))  # types as well, and the order of dicts


def test_python_2_wrote_texts_as_bytes() -> None:
    written = b"ccollections\nOrderedDict\n)R(S'a'\nI1\nU\x01bK\x02u."
    assert read_pickle(io.BytesIO(written)) == OrderedDict(a=1, b=2)


def test_one_pickle_is_read_after_the_other() -> None:
    stream = io.BytesIO(pickle.dumps([1]) + pickle.dumps("two") + b"rest")
    assert [read_pickle(stream), read_pickle(stream), stream.read()] == [[1], "two", b"rest"]


class Runs:
    """Becomes a pickle that has Python run a shell command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> object:
        return os.system, (self.command,)


class Plain:
    """An object with attributes, which Python makes by NEWOBJ and BUILD."""

    def __init__(self) -> None:
        self.x = 1


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_command_is_refused_and_not_run(protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    written = pickle.dumps({"weights": [Runs(f"touch {mark}")]}, protocol)
    with pytest.raises(Refused, match=r"would execute (posix|nt)\.system \(opcode REDUCE at byte \d+\)"):
        read_pickle(io.BytesIO(written))
    assert not mark.exists()
    pickle.loads(written)
    assert mark.exists(), "the pickle is no attack, so that refusing it shows nothing"


@pytest.mark.parametrize(
    ("written", "refusal"),
    [
        (b"cbuiltins\neval\n(X\x01\x00\x00\x001tR.", r"would execute builtins.eval \(opcode REDUCE at byte 23\)"),
        (b"\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.", r"builtins.eval \(opcode REDUCE at byte 21\)"),
        (b"cbuiltins\neval\n.", r"would import builtins.eval \(opcode GLOBAL at byte 0\)"),
        (b"\x8c\x08builtins\x8c\x04eval\x93.", r"would import builtins.eval \(opcode STACK_GLOBAL at byte 16\)"),
        (b"cbuiltins\neval\n0N.", r"would import builtins.eval \(opcode GLOBAL"),  # and taken off the stack again
        (b"(S'echo'\nios\nsystem\n.", r"would execute os.system \(opcode INST"),
        (b"(cos\nsystem\nS'echo'\no.", r"would execute os.system \(opcode OBJ"),
        (b"cos\nsystem\n(S'echo'\nt\x81.", r"would execute os.system \(opcode NEWOBJ"),
        (b"cos\nsystem\n)}\x92.", r"would execute os.system \(opcode NEWOBJ_EX"),
        (b"\x82\x05.", r"number 5 of Python's extension registry \(opcode EXT1"),
        (b"\x83\x05\x01.", r"number 261 .*opcode EXT2"),
        (b"\x84\x05\x00\x00\x01.", r"number 16777221 .*opcode EXT4"),
        (b"ccollections\nOrderedDict\n)RK\x01b.", r"would let a value of type OrderedDict change .*opcode BUILD"),
        (b"ccollections\nOrderedDict\n)RN}\x86b.", r"opcode BUILD"),  # a state in two parts: attributes, slots
        (b"}}b.", r"would let a value of type dict change .*opcode BUILD"),
        (b"ccollections\nOrderedDict\n}b.", r"would let collections.OrderedDict change .*opcode BUILD"),
        (b"ccollections\nOrderedDict\n)\x81.", r"opcode NEWOBJ"),
        (b"})R.", r"would execute a value of type dict \(opcode REDUCE"),
        (b"ccollections\nOrderedDict.update\n)R.", r"would execute collections.OrderedDict.update"),
        (b"Pstorage\n.", r"opcode PERSID"),
        (b"X\x01\x00\x00\x00sQ.", r"opcode BINPERSID"),
        (pickle.dumps({1}, 4), r"opcode EMPTY_SET"),
        (pickle.dumps(frozenset({1}), 4), r"opcode FROZENSET"),
        (pickle.dumps(b"bytes", 4), r"opcode SHORT_BINBYTES"),
        (pickle.dumps(bytearray(b"bytes"), 5), r"opcode BYTEARRAY8"),
        (pickle.dumps(Fraction(1, 2), 2), r"would execute fractions.Fraction"),
        (pickle.dumps(os.getcwd, 2), r"would import (posix|nt).getcwd"),
        (pickle.dumps(threading.Thread, 2), r"would import threading.Thread"),
    ],
)  # fmt: skip
def test_whatever_would_be_called_is_refused_with_its_opcode(written: bytes, refusal: str) -> None:
    with pytest.raises(Refused, match=refusal):
        read_pickle(io.BytesIO(written))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_object_is_refused(protocol: int) -> None:
    with pytest.raises(Refused, match=r"would execute (.*Plain|copyreg._reconstructor|copy_reg._reconstructor)"):
        read_pickle(io.BytesIO(pickle.dumps(Plain(), protocol)))


@pytest.mark.parametrize(
    "written",
    [
        b"", b".", b"N", b"NN.", b"(N.", b"0.", b"1.", b"a.", b"Na.", b"N]e.", b"(Ne.", b"NNs.", b"}Ns.", b"}(Nu.",
        b"s.", b"]Nq\x00h\x01.", b"h\x00.", b"2.", b"R.", b"NR.", b"cbuiltins\n", b"c\n\n)R.", b"\x93.", b"NN\x93.",
        b"b.", b"Nb.", b"\x81.", b"N\x81.", b"o.", b"(o.", b"\x92.", b"}]Ns.", b"})Ns.", b"\x86.", b"N\x87.", b"t.",
        b"l.", b"d.", b"(Nd.", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx", b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffx",
        b"X\xff\xff\xff\x7fx", b"\x8b\xff\xff\xff\x7fx", b"Iten\n.", b"F1e\n.", b"S'a\n.", b"V\\uZZZZ\n.", b"\xff",
        b"garbage", b"\x80\x02\x95", b"ccollections\nOrderedDict\n]\x85R.",
        b"}\x8a\x09" + bytes(8) + b"\x01Ns.", b"I" + b"9" * 5000 + b"\n.",
    ],
)  # fmt: skip
def test_what_is_no_pickle_is_an_error_of_value(written: bytes) -> None:
    with pytest.raises((ValueError, Refused)):
        read_pickle(io.BytesIO(written))


def test_a_value_that_holds_itself_many_times_costs_what_it_is_long() -> None:
    """A "billion laughs": each list holds the one before ten times."""
    written = b"]" + (b"q\x000(" + b"h\x00" * 10 + b"l") * 100 + b"."
    assert len(read_pickle(io.BytesIO(written))) == 10


def test_a_long_name_is_not_kept_as_often_as_it_is_named() -> None:
    written = b"X" + (10**6).to_bytes(4, "little") + b"n" * 10**6 + b"q\x000" + b"h\x00h\x00\x93" * 100 + b"."
    tracemalloc.start()
    with pytest.raises(Refused, match=r"would import 'n{200}'… \(opcode STACK_GLOBAL at byte 1000012\)"):
        read_pickle(io.BytesIO(written))
    assert tracemalloc.get_traced_memory()[1] < 10 * len(written)
    tracemalloc.stop()


def test_a_name_that_would_move_the_cursor_is_shown_escaped() -> None:
    for end in (b".", b")R."):
        with pytest.raises(Refused, match=r"os\.\\x1b\[2J\\nfine") as error:
            read_pickle(io.BytesIO(b"\x8c\x02os\x8c\x09\x1b[2J\nfine\x93" + end))
        assert str(error.value).isprintable()


def test_a_value_nested_very_deep_is_read_and_forgotten() -> None:
    read_pickle(io.BytesIO(b")" + b"\x85" * 100_000 + b"."))
    with pytest.raises(ValueError, match="key"):  # its hash would end the process
        read_pickle(io.BytesIO(b"})" + b"\x85" * 100_000 + b"Ns."))
