"""One step of a path over states that all change alike, in vector instructions: what LLVM does not find by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

WIDE = 16


@intrinsic  # type: ignore[untyped-decorator]
def _vectors(typing: Any, best: Any, base: Any, begun: Any, since: Any, costs: Any, at: Any, odd: Any, odd_at: Any, count: Any, change: Any, now: Any) -> Any:
    """`count` vectors of 16 states: best = min(best, change) + costs; gives the least. What changed is told in `begun`:
    int32, the step `now` where it did; or uint16, a bit a state, 1 where it did.

    All arrays are flat, each with a place to begin (views of arrays would cost more than the step). The 16 numbers of
    `odd` stay 0 where all costs are finite.
    """
    word = types.intp
    return types.float64(best, word, begun, word, costs, word, odd, word, word, types.float64, types.int32), _relaxing


def _relaxing(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    best, begun, row, odd = (context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 2, 4, 6))
    base, since, at, odd_from, count, change, now = (args[k] for k in (1, 3, 5, 7, 8, 9, 10))
    word, number = count.type, ir.IntType(32)
    double, whole = ir.VectorType(ir.DoubleType(), WIDE), ir.VectorType(number, WIDE)
    single = signature.args[4].dtype == types.float32
    kind = ir.VectorType(ir.FloatType(), WIDE) if single else double
    changes, nows, zeros = _spread(builder, change, double), _spread(builder, now, whole), ir.Constant(kind, [0.0] * WIDE)
    odd_at = _vector(builder, odd, odd_from, double)
    name = f"llvm.fma.v{WIDE}f{32 if single else 64}"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    before = builder.block
    head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    i, least, strange = builder.phi(word), builder.phi(double), builder.phi(kind)
    for phi, start in ((i, word(0)), (least, ir.Constant(double, [float("inf")] * WIDE)), (strange, zeros)):
        phi.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", i, count), body, after)
    builder.position_at_end(body)
    place = builder.mul(i, word(WIDE))
    here, there = (_vector(builder, of, builder.add(start, place), kind_of) for of, start, kind_of in ((best, base, double), (row, at, kind)))
    old, costs = (builder.load(pointer, align=4) for pointer in (here, there))
    strange.add_incoming(builder.call(fma, [costs, zeros, strange]), body)  # what is not finite is not 0 times 0
    if single:
        costs = builder.fpext(costs, double)
    stays = builder.fcmp_ordered("<=", old, changes)
    if signature.args[2].dtype == types.uint16:
        moved = builder.bitcast(builder.fcmp_unordered(">", old, changes), ir.IntType(WIDE))
        builder.store(moved, builder.gep(begun, [builder.add(since, i)]))
    else:
        pointer = _vector(builder, begun, builder.add(since, place), whole)
        builder.store(builder.select(stays, builder.load(pointer, align=4), nows), pointer, align=4)
    new = builder.fadd(builder.select(stays, old, changes), costs)
    builder.store(new, here, align=4)
    least.add_incoming(builder.select(builder.fcmp_ordered("<", new, least), new, least), body)
    i.add_incoming(builder.add(i, word(1)), body)
    builder.branch(head)
    builder.position_at_end(after)
    told = builder.fpext(strange, double) if single else strange
    builder.store(builder.fadd(builder.load(odd_at, align=4), told), odd_at, align=4)
    lowest, wide = least, WIDE
    while wide > 1:  # halves against each other
        wide //= 2
        nothing = ir.Constant(lowest.type, ir.Undefined)
        low, high = (builder.shuffle_vector(lowest, nothing, ir.Constant(ir.VectorType(number, wide), list(range(k, k + wide)))) for k in (0, wide))
        lowest = builder.select(builder.fcmp_ordered("<", high, low), high, low)
    return builder.extract_element(lowest, number(0))


@intrinsic  # type: ignore[untyped-decorator]
def _place(typing: Any, best: Any, base: Any, size: Any, least: Any) -> Any:
    """The first of `size` states from `base` on that holds `least`; the last one where none does.

    64 at once, since a branch for each 16 is guessed wrong too often where there are few states.
    """
    word = types.intp
    return word(best, word, word, types.float64), _finding


def _finding(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    best = context.make_array(signature.args[0])(context, builder, args[0]).data
    base, size, least = args[1:]
    word, bits = size.type, ir.IntType(64)
    double = ir.VectorType(ir.DoubleType(), WIDE)
    leasts = _spread(builder, least, double)
    before = builder.block
    head, body, late, one, after = (builder.append_basic_block(name) for name in ("head", "body", "late", "one", "after"))
    whole = builder.and_(size, word(-64))
    last = builder.sub(size, word(1))
    builder.branch(head)
    builder.position_at_end(head)
    i = builder.phi(word)
    i.add_incoming(word(0), before)
    builder.cbranch(builder.icmp_signed("<", i, whole), body, late)
    builder.position_at_end(body)
    same = bits(0)
    for part in range(0, 64, WIDE):
        values = builder.load(_vector(builder, best, builder.add(builder.add(base, i), word(part)), double), align=4)
        mask = builder.zext(builder.bitcast(builder.fcmp_ordered("==", values, leasts), ir.IntType(WIDE)), bits)
        same = builder.or_(same, builder.shl(mask, bits(part)))
    first = builder.add(i, builder.cttz(same, ir.IntType(1)(0)))
    i.add_incoming(builder.add(i, word(64)), body)
    builder.cbranch(builder.icmp_unsigned("==", same, bits(0)), head, after)
    builder.position_at_end(late)  # one by one
    k = builder.phi(word)
    k.add_incoming(whole, head)
    builder.cbranch(builder.icmp_signed("<", k, last), one, after)
    builder.position_at_end(one)
    value = builder.load(builder.gep(best, [builder.add(base, k)]))
    k.add_incoming(builder.add(k, word(1)), one)
    builder.cbranch(builder.fcmp_ordered("==", value, least), after, late)
    builder.position_at_end(after)
    found = builder.phi(word)
    for where, which in ((body, first), (late, last), (one, k)):
        found.add_incoming(which, where)
    return found


def _spread(builder: Any, value: Any, vector: Any) -> Any:
    nothing, whole = ir.Constant(vector, ir.Undefined), ir.VectorType(ir.IntType(32), WIDE)
    return builder.shuffle_vector(builder.insert_element(nothing, value, ir.IntType(32)(0)), nothing, ir.Constant(whole, [0] * WIDE))


def _vector(builder: Any, base: Any, place: Any, of: Any) -> Any:
    return builder.bitcast(builder.gep(base, [place]), of.as_pointer())


relax: Any = _vectors  # numba.njit around the two would count references at every step, which costs as much as they do
state_of: Any = _place


@njit(nogil=True, cache=True, error_model="numpy")
def relax_rest(
    size: int, best: np.ndarray, base: int, begun: np.ndarray, since: int, costs: np.ndarray, at: int, odd: np.ndarray, odd_at: int, change: float, now: int
) -> float:
    """What `relax` does, for the states that fill no vector: the last size % 16; infinity where there are none."""
    least, moved, first = np.inf, 0, size // WIDE * WIDE
    for k in range(first, size):
        if best[base + k] > change:
            best[base + k] = change
            moved |= 1 << (k - first)
            if begun.itemsize == 4:
                begun[since + k] = now
        best[base + k] += costs[at + k]
        odd[odd_at] += costs[at + k] - costs[at + k]
        least = min(least, best[base + k])
    if begun.itemsize == 2:
        begun[since + size // WIDE] = moved
    return least
