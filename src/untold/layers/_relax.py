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
def _vectors(typing: Any, best: Any, begun: Any, base: Any, costs: Any, at: Any, odd: Any, odd_at: Any, count: Any, change: Any, now: Any) -> Any:
    """`count` vectors of 16 states: best = min(best, change) + costs, begun = now where it changed; gives the least and its state.

    All arrays are flat, each with a place to begin (views of arrays would cost more than the step). The 16 numbers of
    `odd` stay 0 where all costs are finite.
    """
    pair, word = types.Tuple((types.float64, types.int32)), types.intp
    return pair(best, begun, word, costs, word, odd, word, word, types.float64, types.int32), _generate


def _generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    best, begun, row, odd = (context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 1, 3, 5))
    base, at, odd_from, count, change, now = (args[k] for k in (2, 4, 6, 7, 8, 9))
    word, number = count.type, ir.IntType(32)
    double, whole = ir.VectorType(ir.DoubleType(), WIDE), ir.VectorType(number, WIDE)
    single = signature.args[3].dtype == types.float32
    kind = ir.VectorType(ir.FloatType(), WIDE) if single else double

    def spread(value: Any, vector: Any) -> Any:
        nothing = ir.Constant(vector, ir.Undefined)
        return builder.shuffle_vector(builder.insert_element(nothing, value, number(0)), nothing, ir.Constant(whole, [0] * WIDE))

    def vector(base: Any, place: Any, of: Any) -> Any:
        return builder.bitcast(builder.gep(base, [place]), of.as_pointer())

    changes, nows = spread(change, double), spread(now, whole)
    lanes = ir.Constant(whole, list(range(WIDE)))
    odd_at = vector(odd, odd_from, double)
    zeros = ir.Constant(kind, [0.0] * WIDE)
    name = f"llvm.fma.v{WIDE}f{32 if single else 64}"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    before = builder.block
    head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    i, least, state, strange = builder.phi(word), builder.phi(double), builder.phi(whole), builder.phi(kind)
    for phi, start in ((i, word(0)), (least, ir.Constant(double, [float("inf")] * WIDE)), (state, lanes), (strange, zeros)):
        phi.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", i, count), body, after)
    builder.position_at_end(body)
    place = builder.mul(i, word(WIDE))
    here = [vector(of, builder.add(start, place), kind_of) for of, start, kind_of in ((best, base, double), (begun, base, whole), (row, at, kind))]
    old, since, costs = (builder.load(pointer, align=4) for pointer in here)
    strange.add_incoming(builder.call(fma, [costs, zeros, strange]), body)  # what is not finite is not 0 times 0
    if single:
        costs = builder.fpext(costs, double)
    stays = builder.fcmp_ordered("<=", old, changes)
    builder.store(builder.select(stays, since, nows), here[1], align=4)
    new = builder.fadd(builder.select(stays, old, changes), costs)
    builder.store(new, here[0], align=4)
    less = builder.fcmp_ordered("<", new, least)
    states = builder.add(spread(builder.trunc(place, number), whole), lanes)
    least.add_incoming(builder.select(less, new, least), body)
    state.add_incoming(builder.select(less, states, state), body)
    i.add_incoming(builder.add(i, word(1)), body)
    builder.branch(head)
    builder.position_at_end(after)
    told = builder.fpext(strange, double) if single else strange
    builder.store(builder.fadd(builder.load(odd_at, align=4), told), odd_at, align=4)
    lowest, which = least, state
    for step in (8, 4, 2, 1):
        turn = ir.Constant(whole, [(lane + step) % WIDE for lane in range(WIDE)])
        other, other_state = (builder.shuffle_vector(x, ir.Constant(x.type, ir.Undefined), turn) for x in (lowest, which))
        less = builder.fcmp_ordered("<", other, lowest)
        lowest, which = builder.select(less, other, lowest), builder.select(less, other_state, which)
    found = [builder.extract_element(x, number(0)) for x in (lowest, which)]
    return context.make_tuple(builder, signature.return_type, found)


_step: Any = _vectors


@njit(nogil=True, cache=True, error_model="numpy")
def relax(
    size: int, best: np.ndarray, begun: np.ndarray, base: int, costs: np.ndarray, at: int, odd: np.ndarray, odd_at: int, change: float, now: int
) -> tuple[float, int]:
    """Step `now` of a recording: its `size` numbers of best (float64) and begun (int32) from `base` on, after the costs from `at` on.

    Gives the least of best and its state. All arrays are flat; the 16 numbers of `odd` from `odd_at` on stay 0 where all
    costs are finite.
    """
    vectors = size // WIDE
    least, state = _step(best, begun, base, costs, at, odd, odd_at, vectors, change, np.int32(now))
    for k in range(vectors * WIDE, size):
        if best[base + k] > change:
            best[base + k], begun[base + k] = change, now
        best[base + k] += costs[at + k]
        odd[odd_at] += costs[at + k] - costs[at + k]
        if best[base + k] < least:
            least, state = best[base + k], np.int32(k)
    return least, state
