"""Several numbers at once, as the processor's vector registers hold them: `Lanes`, for kernels that cannot leave it to
LLVM which loop becomes vector instructions.

LLVM turns an innermost loop into vectors only if it can prove that the arrays do not overlap, and then keeps no sum
over an outer loop in a register. A kernel whose innermost loop runs over few channels, with a sum over pixels or taps
around it, says itself what stands in a register:

    total = load(bias, c, 16)                                # 16 numbers from bias[c] on
    for tap in range(taps):
        total += load(x, at + tap * apart, 16) * load(weight, tap * channels + c, 16)
    store(y, to, total)

The number of lanes is a constant of the compiled code; more than a register has are kept in several. Uncompiled (with
NUMBA_DISABLE_JIT), lanes are short NumPy arrays.
"""

from __future__ import annotations

import operator
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, lower_builtin, register_model, type_callable


class Lanes(types.Type):
    """The type of `count` numbers of `dtype` at once."""

    def __init__(self, dtype: types.Number, count: int) -> None:
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype} x {count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, vector_of(lanes))


def vector_of(lanes: Lanes) -> ir.VectorType:
    """Return LLVM's type for such lanes."""
    kinds = {types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.int32: ir.IntType(32)}
    return ir.VectorType(kinds[lanes.dtype], lanes.count)


for _operator in (operator.add, operator.iadd, operator.mul):

    @type_callable(_operator)
    def _type_of_result(context: Any) -> Any:
        def result(a: types.Type, b: types.Type) -> types.Type | None:
            return a if isinstance(a, Lanes) and a == b else None

        return result


@lower_builtin(operator.add, Lanes, Lanes)
@lower_builtin(operator.iadd, Lanes, Lanes)
def _add(context, builder, signature, arguments):
    if isinstance(signature.return_type.dtype, types.Integer):
        return builder.add(*arguments)
    return builder.fadd(*arguments, flags=("contract",))


@lower_builtin(operator.mul, Lanes, Lanes)
def _multiply(context, builder, signature, arguments):
    if isinstance(signature.return_type.dtype, types.Integer):
        return builder.mul(*arguments)
    return builder.fmul(*arguments, flags=("contract",))  # with the sum around it one instruction, which rounds once


def _address(context: Any, builder: ir.IRBuilder, lanes: Lanes, kind: types.Array, array: Any, index: Any) -> ir.Value:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index], inbounds=True), vector_of(lanes).as_pointer())


@intrinsic(prefer_literal=True)
def _compiled_load(typing_context, array, index, count):
    lanes = Lanes(array.dtype, count.literal_value)

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, lanes, array, *arguments[:2])
        return builder.load(address, align=array.dtype.bitwidth // 8)

    return lanes(array, types.intp, count), generate


@intrinsic(prefer_literal=True)
def _compiled_none(typing_context, array, count):
    lanes = Lanes(array.dtype, count.literal_value)

    def generate(context, builder, signature, arguments):
        return cgutils.get_null_value(vector_of(lanes))

    return lanes(array, count), generate


@intrinsic
def _compiled_store(typing_context, array, index, lanes):
    def generate(context, builder, signature, arguments):
        address = _address(context, builder, lanes, array, *arguments[:2])
        builder.store(arguments[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic
def _compiled_add_to(typing_context, array, index, lanes):
    wide = Lanes(array.dtype, lanes.count)

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, wide, array, *arguments[:2])
        value = arguments[2] if wide.dtype == lanes.dtype else builder.fpext(arguments[2], vector_of(wide))
        total = builder.fadd(builder.load(address, align=array.dtype.bitwidth // 8), value)
        builder.store(total, address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


def _plain_load(array: np.ndarray, index: int, count: int) -> np.ndarray:
    return array[index : index + count].copy()


def _plain_none(array: np.ndarray, count: int) -> np.ndarray:
    return np.zeros(count, array.dtype)


def _plain_store(array: np.ndarray, index: int, lanes: np.ndarray) -> None:
    array[index : index + len(lanes)] = lanes


def _plain_add_to(array: np.ndarray, index: int, lanes: np.ndarray) -> None:
    array[index : index + len(lanes)] += lanes


# All take a flat contiguous array. load(array, index, count) and none(array, count) return lanes of the array's dtype:
# the numbers from `index` on, and zeros; store(array, index, lanes) writes them; add_to(array, index, lanes) adds them
# to an array of their dtype or of a wider one.
if numba.config.DISABLE_JIT:
    load, none, store, add_to = _plain_load, _plain_none, _plain_store, _plain_add_to
else:
    load, none, store, add_to = _compiled_load, _compiled_none, _compiled_store, _compiled_add_to
