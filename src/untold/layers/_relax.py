"""One step of a path over states that all change alike, in vector instructions: what LLVM does not find by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

WIDE = 16


@intrinsic  # type: ignore[untyped-decorator]
def _vectors(typing: Any, best: Any, begun: Any, row: Any, odd: Any, count: Any, change: Any, now: Any) -> Any:
    """`count` vectors of 16 states: best = min(best, change) + row, begun = now where it changed; gives the least and its state.

    `odd` (16,) float64 stays 0 where all costs are finite.
    """
    pair = types.Tuple((types.float64, types.int32))
    return pair(best, begun, row, odd, types.intp, types.float64, types.int32), _generate


def _generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    best, begun, row, odd = (context.make_array(signature.args[k])(context, builder, args[k]).data for k in range(4))
    count, change, now = args[4:]
    word, number = count.type, ir.IntType(32)
    double, whole = ir.VectorType(ir.DoubleType(), WIDE), ir.VectorType(number, WIDE)
    single = signature.args[2].dtype == types.float32
    kind = ir.VectorType(ir.FloatType(), WIDE) if single else double

    def spread(value: Any, vector: Any) -> Any:
        nothing = ir.Constant(vector, ir.Undefined)
        return builder.shuffle_vector(builder.insert_element(nothing, value, number(0)), nothing, ir.Constant(whole, [0] * WIDE))

    def vector(base: Any, place: Any, of: Any) -> Any:
        return builder.bitcast(builder.gep(base, [place]), of.as_pointer())

    changes, nows = spread(change, double), spread(now, whole)
    lanes = ir.Constant(whole, list(range(WIDE)))
    odd_at = vector(odd, word(0), double)
    odd_before = builder.load(odd_at, align=4)
    before = builder.block
    head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    i, least, state, strange = builder.phi(word), builder.phi(double), builder.phi(whole), builder.phi(double)
    for phi, start in ((i, word(0)), (least, ir.Constant(double, [float("inf")] * WIDE)), (state, lanes), (strange, odd_before)):
        phi.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", i, count), body, after)
    builder.position_at_end(body)
    place = builder.mul(i, word(WIDE))
    here = [vector(base, place, of) for base, of in ((best, double), (begun, whole), (row, kind))]
    old, since, costs = (builder.load(pointer, align=4) for pointer in here)
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
    strange.add_incoming(builder.fadd(strange, builder.fsub(costs, costs)), body)
    i.add_incoming(builder.add(i, word(1)), body)
    builder.branch(head)
    builder.position_at_end(after)
    builder.store(strange, odd_at, align=4)
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
def relax(row: np.ndarray, change: float, now: int, best: np.ndarray, begun: np.ndarray, odd: np.ndarray) -> tuple[float, int]:
    """A step: best (K,) float64 and begun (K,) int32 after the costs (K,) of step `now`; gives the least of best and its state.

    `odd` (16,) float64 stays 0 where all costs are finite.
    """
    vectors = len(best) // WIDE
    least, state = _step(best, begun, row, odd, vectors, change, np.int32(now))
    for k in range(vectors * WIDE, len(best)):
        if best[k] > change:
            best[k], begun[k] = change, now
        best[k] += row[k]
        odd[0] += row[k] - row[k]
        if best[k] < least:
            least, state = best[k], np.int32(k)
    return least, state
