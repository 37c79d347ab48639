"""Whole numbers in vector registers, for kernels that compute with bytes: what `lanes` has, and what only these need.

Sums are `Lanes` of int32, on which `load`, `none` and `store` of `lanes` work too. What is special is how bytes become
wider numbers on the way from memory, and how sums become bytes on the way back.
"""

from __future__ import annotations

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minicnn.kernels.cpu.lanes import Lanes, vector_of

_INT32 = ir.IntType(32)


@intrinsic(prefer_literal=True)
def _compiled_load_bytes(typing_context, array, index, count):
    lanes = Lanes(types.int32, count.literal_value)

    def generate(context, builder, signature, arguments):
        numbers = _loaded(context, builder, array, arguments[0], arguments[1], ir.IntType(8), lanes.count)
        return builder.zext(numbers, vector_of(lanes))

    return lanes(array, types.intp, count), generate


@intrinsic(prefer_literal=True)
def _compiled_widen(typing_context, source, at, zero, target, to, count):
    lanes = count.literal_value

    def generate(context, builder, signature, arguments):
        halves = ir.VectorType(ir.IntType(16), lanes)
        wide = builder.zext(_loaded(context, builder, source, arguments[0], arguments[1], ir.IntType(8), lanes), halves)
        less = _repeated(builder, context.cast(builder, arguments[2], zero, types.int16), lanes)
        _store(context, builder, target, arguments[3], arguments[4], builder.sub(wide, less))
        return context.get_dummy_value()

    return types.void(source, types.intp, zero, target, types.intp, count), generate


@intrinsic(prefer_literal=True)
def _compiled_store_bytes(typing_context, sums, at, bias, scale, first, zero, target, to, count):
    lanes = count.literal_value
    floats = ir.VectorType(ir.FloatType(), lanes)

    def generate(context, builder, signature, arguments):
        sums_, at_, bias_, scale_, first_, zero_, target_, to_, _ = arguments
        total = _loaded(context, builder, sums, sums_, at_, _INT32, lanes)
        total = builder.add(total, _loaded(context, builder, bias, bias_, first_, _INT32, lanes))
        factor = _loaded(context, builder, scale, scale_, first_, ir.FloatType(), lanes)
        rint = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(floats, [floats]), f"llvm.rint.v{lanes}f32"
        )
        y = builder.call(rint, [builder.fmul(builder.sitofp(total, floats), factor)])
        y = builder.fadd(y, _repeated(builder, context.cast(builder, zero_, zero, types.float32), lanes))
        for relation, limit in (("<", 0.0), (">", 255.0)):
            edge = ir.Constant(floats, [limit] * lanes)
            y = builder.select(builder.fcmp_ordered(relation, y, edge), edge, y)
        whole = builder.fptosi(y, ir.VectorType(_INT32, lanes))
        _store(context, builder, target, target_, to_, builder.trunc(whole, ir.VectorType(ir.IntType(8), lanes)))
        return context.get_dummy_value()

    arrays = types.void(sums, types.intp, bias, scale, types.intp, zero, target, types.intp, count)
    return arrays, generate


@intrinsic
def _compiled_add_pairs(typing_context, x, at, weight, first, total):
    def generate(context, builder, signature, arguments):
        count = total.count
        data = context.make_array(x)(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]], inbounds=True), _INT32.as_pointer())
        pair = _repeated(builder, builder.load(address, align=2), count)
        weights = _loaded(context, builder, weight, arguments[2], arguments[3], ir.IntType(16), 2 * count)
        return builder.add(arguments[4], _pair_products(builder, builder.bitcast(pair, weights.type), weights))

    return total(x, types.intp, weight, types.intp, total), generate


def _loaded(context, builder, kind, array, index, number, count):
    """Return `count` numbers of an array from `index` on."""
    data = context.make_array(kind)(context, builder, array).data
    address = builder.bitcast(builder.gep(data, [index], inbounds=True), ir.VectorType(number, count).as_pointer())
    return builder.load(address, align=kind.dtype.bitwidth // 8)


def _store(context, builder, kind, array, index, vector):
    """Write a vector into an array from `index` on."""
    data = context.make_array(kind)(context, builder, array).data
    address = builder.bitcast(builder.gep(data, [index], inbounds=True), vector.type.as_pointer())
    builder.store(vector, address, align=kind.dtype.bitwidth // 8)


def _repeated(builder: ir.IRBuilder, value: ir.Value, count: int) -> ir.Value:
    """Return a vector of `count` times the value."""
    vector = ir.VectorType(value.type, count)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_INT32, 0))
    places = ir.Constant(ir.VectorType(_INT32, count), [0] * count)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), places)


def _pair_products(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """Return a[2k]·b[2k] + a[2k+1]·b[2k+1] for each k, in 32 bits.

    It is one instruction of x86 processors, which LLVM does not find where a is the same pair all over.
    """
    count = a.type.count // 2
    name, width = _pair_instruction()
    if width == 0 or count % width:
        factors = [[builder.sext(_picked(builder, v, range(half, 2 * count, 2)), ir.VectorType(_INT32, count))
                    for v in (a, b)] for half in range(2)]  # fmt: skip
        return builder.add(*(builder.mul(*pair) for pair in factors))
    halves, whole = ir.VectorType(ir.IntType(16), 2 * width), ir.VectorType(_INT32, width)
    instruction = cgutils.get_or_insert_function(builder.module, ir.FunctionType(whole, [halves, halves]), name)
    parts = [
        builder.call(instruction, [_picked(builder, v, range(first, first + 2 * width)) for v in (a, b)])
        for first in range(0, 2 * count, 2 * width)
    ]
    while len(parts) > 1:  # of two neighbours one of twice the length, until one is left
        parts = [_joined(builder, *parts[k : k + 2]) for k in range(0, len(parts), 2)]
    return parts[0]


def _pair_instruction() -> tuple[str, int]:
    """Return LLVM's name for the widest such instruction of the processor, and how many sums it gives; 0 for none."""
    if not llvm.get_default_triple().startswith("x86_64"):
        return "", 0
    asked = numba.config.CPU_FEATURES  # of a processor that is not this one
    features = llvm.get_host_cpu_features() if numba.config.CPU_NAME is None and asked is None else {}
    if features.get("avx512bw") or "+avx512bw" in (asked or ""):
        return "llvm.x86.avx512.pmaddw.d.512", 16
    if features.get("avx2") or "+avx2" in (asked or ""):
        return "llvm.x86.avx2.pmadd.wd", 8
    return "llvm.x86.sse2.pmadd.wd", 4


def _picked(builder: ir.IRBuilder, vector: ir.Value, places: range) -> ir.Value:
    """Return those elements of a vector."""
    index = ir.Constant(ir.VectorType(_INT32, len(places)), list(places))
    return builder.shuffle_vector(vector, vector, index)


def _joined(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """Return the elements of a, then those of b."""
    count = 2 * a.type.count
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT32, count), list(range(count))))


def _plain_load_bytes(array: np.ndarray, index: int, count: int) -> np.ndarray:
    return array[index : index + count].astype(np.int32)


def _plain_widen(source: np.ndarray, at: int, zero: int, target: np.ndarray, to: int, count: int) -> None:
    target[to : to + count] = source[at : at + count].astype(np.int16) - zero


def _plain_store_bytes(
    sums: np.ndarray, at: int, bias: np.ndarray, scale: np.ndarray, first: int, zero: int, target: np.ndarray, to: int,
    count: int,
) -> None:  # fmt: skip
    filters = slice(first, first + count)
    y = np.rint((sums[at : at + count] + bias[filters]).astype(np.float32) * scale[filters]) + np.float32(zero)
    target[to : to + count] = np.clip(y, 0, 255)


def _plain_add_pairs(x: np.ndarray, at: int, weight: np.ndarray, first: int, total: np.ndarray) -> np.ndarray:
    pairs = weight[first : first + 2 * len(total)].reshape(-1, 2).astype(np.int32)
    return total + pairs @ x[at : at + 2].astype(np.int32)


# All take flat contiguous arrays.
# load_bytes(array, index, count): bytes as lanes of int32.
# widen(source, at, zero, target, to, count): target[to + k] = source[at + k] − zero, from bytes to int16.
# add_pairs(x, at, weight, first, total), of int16: x[at]·weight[first + 2k] + x[at + 1]·weight[first + 2k + 1] more in
# lane k.
# store_bytes(sums, at, bias, scale, first, zero, target, to, count): target[to + k] is the byte nearest to
# (sums[at + k] + bias[first + k])·scale[first + k] + zero.
if numba.config.DISABLE_JIT:
    load_bytes, widen, add_pairs, store_bytes = _plain_load_bytes, _plain_widen, _plain_add_pairs, _plain_store_bytes
else:
    load_bytes, widen = _compiled_load_bytes, _compiled_widen
    add_pairs, store_bytes = _compiled_add_pairs, _compiled_store_bytes
