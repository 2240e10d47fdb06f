"""Compiled sampling of a WaveNet with cached activations: a sample of all rows at a time, exactly the full network's sums.

What makes it fast. Small blocks of matrix products are written in vector instructions and stay in registers: four rows
share what is read of the weights. The product of a past tap is known a dilation ahead, so it is made for up to 16
samples at once. A layer's state is [x | skip sum], so that one product feeds both. Every sum is taken in the same order
however many rows there are: a row alone gives what it gives among others, bit for bit. With `exact` the gates are those
of the mathematics library; else a rational tanh that is off by less than 3e-7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from untold.decoders.wavenet import LEAST
from untold.layers.periods import EPSILON, HOP, SHORTEST, WINDOW

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]

WIDE = 16  # numbers of a vector: widths of layers are multiples of it
_LEAST = math.exp(LEAST)
AHEAD = 16  # samples for which past taps are made at once, at most

F = np.float32
_ZERO, _HALF = F(0), F(0.5)
# tanh on [-7.9, 7.9] as an odd polynomial of degree 13 over an even one of degree 6
_N0, _N1, _N2, _N3 = F(4.89352455891786e-03), F(6.37261928875436e-04), F(1.48572235717979e-05), F(5.12229709037114e-08)
_N4, _N5, _N6 = F(-8.60467152213735e-11), F(2.00018790482477e-13), F(-2.76076847742355e-16)
_D0, _D1, _D2, _D3 = F(4.89352518554385e-03), F(2.26843463243900e-03), F(1.18534705686654e-04), F(1.19825839466702e-06)
_FAR = F(7.90531110763549805)

_compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})


def _block(rows: int, vectors: int) -> Any:
    """An instruction y[r, v] += sum over i of x[r, i] w[i, v], with r < rows and v < 16 vectors, kept in registers.

    y, x and w are flat arrays with a place to begin and the numbers from row to row; the last argument counts i.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def block(typing: Any, y: Any, yo: Any, ldy: Any, x: Any, xo: Any, ldx: Any, w: Any, wo: Any, ldw: Any, n: Any) -> Any:
        word = types.intp
        return types.void(y, word, word, x, word, word, w, word, word, word), generate

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        y, x, w = (context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 3, 6))
        yo, ldy, xo, ldx, wo, ldw, count = (args[k] for k in (1, 2, 4, 5, 7, 8, 9))
        word, wide = yo.type, ir.VectorType(ir.FloatType(), WIDE)
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(wide, [wide] * 3), "llvm.fma.v16f32")
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), WIDE), [0] * WIDE)
        cells = [(r, v) for r in range(rows) for v in range(vectors)]

        def vector(base: Any, place: Any) -> Any:
            return builder.bitcast(builder.gep(base, [place]), wide.as_pointer())

        places = {(r, v): builder.add(yo, builder.add(builder.mul(ldy, word(r)), word(v * WIDE))) for r, v in cells}
        begun = {cell: builder.load(vector(y, places[cell]), align=4) for cell in cells}
        before = builder.block
        head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        i = builder.phi(word)
        i.add_incoming(word(0), before)
        sums = {cell: builder.phi(wide) for cell in cells}
        for cell in cells:
            sums[cell].add_incoming(begun[cell], before)
        builder.cbranch(builder.icmp_signed("<", i, count), body, after)
        builder.position_at_end(body)
        row = builder.add(wo, builder.mul(i, ldw))
        weights = [builder.load(vector(w, builder.add(row, word(v * WIDE))), align=4) for v in range(vectors)]
        for r in range(rows):
            value = builder.load(builder.gep(x, [builder.add(xo, builder.add(builder.mul(ldx, word(r)), i))]))
            one = builder.insert_element(ir.Constant(wide, ir.Undefined), value, ir.IntType(32)(0))
            spread = builder.shuffle_vector(one, ir.Constant(wide, ir.Undefined), everywhere)
            for v in range(vectors):
                sums[r, v].add_incoming(builder.call(fma, [spread, weights[v], sums[r, v]]), body)
        i.add_incoming(builder.add(i, word(1)), body)
        builder.branch(head)
        builder.position_at_end(after)
        for cell in cells:
            builder.store(sums[cell], vector(y, places[cell]), align=4)
        return context.get_dummy_value()

    return block


_one_by_8, _one_by_4, _one_by_1, _four_by_4, _four_by_1 = _block(1, 8), _block(1, 4), _block(1, 1), _block(4, 4), _block(4, 1)


@_compiled
def product(
    y: Floats, yo: int, ldy: int, x: Floats, xo: int, ldx: int, w: Floats, wo: int, ldw: int, rows: int, inputs: int, outputs: int
) -> None:
    """y (rows, outputs) += x (rows, inputs) w (inputs, outputs) in flat arrays; outputs a multiple of 16."""
    r = 0
    while r + 4 <= rows:
        o = 0
        while o + 4 * WIDE <= outputs:
            _four_by_4(y, yo + r * ldy + o, ldy, x, xo + r * ldx, ldx, w, wo + o, ldw, inputs)
            o += 4 * WIDE
        while o < outputs:
            _four_by_1(y, yo + r * ldy + o, ldy, x, xo + r * ldx, ldx, w, wo + o, ldw, inputs)
            o += WIDE
        r += 4
    while r < rows:
        o = 0
        while o + 8 * WIDE <= outputs:
            _one_by_8(y, yo + r * ldy + o, ldy, x, xo + r * ldx, ldx, w, wo + o, ldw, inputs)
            o += 8 * WIDE
        while o + 4 * WIDE <= outputs:
            _one_by_4(y, yo + r * ldy + o, ldy, x, xo + r * ldx, ldx, w, wo + o, ldw, inputs)
            o += 4 * WIDE
        while o < outputs:
            _one_by_1(y, yo + r * ldy + o, ldy, x, xo + r * ldx, ldx, w, wo + o, ldw, inputs)
            o += WIDE
        r += 1


@_compiled
def fast_tanh(x: np.float32) -> np.float32:
    """tanh, off by less than 3e-7."""
    y: np.float32 = min(max(x, -_FAR), _FAR)
    s = y * y
    above = y * (_N0 + s * (_N1 + s * (_N2 + s * (_N3 + s * (_N4 + s * (_N5 + s * _N6))))))
    return above / (_D0 + s * (_D1 + s * (_D2 + s * _D3)))


@_compiled
def _gate(u: Floats, at: int, g: Floats, to: int, channels: int, exact: bool) -> None:
    """g = tanh(a) sigmoid(b) of u = [a | b]."""
    if exact:
        for c in range(channels):
            g[to + c] = F(math.tanh(u[at + c])) * (_HALF + _HALF * F(math.tanh(_HALF * u[at + channels + c])))
    else:
        for c in range(channels):
            g[to + c] = fast_tanh(u[at + c]) * (_HALF + _HALF * fast_tanh(_HALF * u[at + channels + c]))


@_compiled
def _pick(logits: Floats, at: int, classes: int, temperature: float, uniform: float) -> int:
    """The class in whose share of softmax(logits / temperature) a number in [0, 1) falls."""
    top = logits[at]
    for k in range(1, classes):
        top = max(top, logits[at + k])
    total = 0.0
    for k in range(classes):
        total += math.exp((logits[at + k] - top) / temperature)
    left = uniform * total
    for k in range(classes):
        left -= math.exp((logits[at + k] - top) / temperature)
        if left < 0:
            return k
    return classes - 1


@_compiled
def _draw(parameters: Floats, at: int, components: int, temperature: float, which: float, where: float, around: float, gain: float) -> float:
    """A value in [-1, 1] of a mixture of logistics: weights' logits, means, log scales (components each), from `around` on in units of `gain`."""
    k = _pick(parameters, at, components, temperature, which)
    where = min(max(where, 1e-5), 1 - 1e-5)
    spread = max(math.exp(parameters[at + 2 * components + k]) * gain, _LEAST) * temperature
    value = around + gain * parameters[at + components + k] + spread * (math.log(where) - math.log(1 - where))
    return min(max(value, -1.0), 1.0)


@_compiled
def _loudness(value: float) -> float:
    """Values on the scale of mu-law, in [-4, 4]."""
    return math.copysign(math.log1p(255 * abs(value)) * (4 / math.log(256.0)), value)


@_compiled
def _period(values: Floats, t: int, longest: int) -> tuple[int, float]:
    """The lag at which the last samples before t repeat themselves best, and how well: `layers.periods`, a block at a time."""
    mask, own = len(values) - 1, 0.0
    for k in range(1, WINDOW + 1):
        own += float(values[(t - k) & mask]) ** 2
    lag, best = SHORTEST, -2.0
    for one in range(SHORTEST, longest + 1):
        cross, other = 0.0, 0.0
        for k in range(1, WINDOW + 1):
            value = float(values[(t - k - one) & mask])
            cross += value * float(values[(t - k) & mask])
            other += value * value
        likeness = cross / math.sqrt(own * other + EPSILON)
        if likeness > best:
            lag, best = one, likeness
    return lag, min(max(best, 0.0), 1.0)


@_compiled
def walk(
    begin: int, told_from: int, classes: int, components: int, longest: int, forced: Floats, uniform: Floats, temperature: float, embedding: Floats,
    conditions: Floats, filters: Floats, hold: int, past: Floats, present: Floats, out: Floats, head: Floats, head_bias: Floats,
    last: Floats, last_bias: Floats, dilations: Whole, chunks: Whole, ring: Floats, ring_at: Whole, ahead: Floats,
    values: Floats, left: Floats, lags: Whole, strengths: Floats, given: Floats, scores: Floats, exact: bool,
) -> None:
    """Fills `given` (rows, steps) with samples from number `begin` on: classes, or values where there are no classes.

    forced (rows, steps): values to take instead of drawing, NaN where to draw. uniform (rows, steps, 2). conditions
    (rows, condition rows, layers, 2 channels), each for `hold` samples, the first from sample `told_from` on, and as many
    filters (rows, condition rows, order + 1): coefficients of a predictor, and its log gain. past, present (layers, channels, 2 channels);
    out (layers, channels, channels + skips). scores (rows, steps or 0, outputs): what the last layer says. State that
    goes on: ring (past inputs), ahead (layers, 16, rows, 2 channels), the last values (rows, a
    power of two) and what their predictions left of them, in units of the gain, sample t in place t modulo that; lags and
    strengths (rows,) of periods of up to `longest` samples, 0 where none are sought.
    """
    rows, steps = given.shape
    layers, channels, width = out.shape
    wide, deep, double, skips = head.shape[1], last.shape[1], 2 * channels, width - channels
    state, gated = np.zeros(rows * width, np.float32), np.zeros(rows * channels, np.float32)
    heard, first, second = np.zeros(rows * skips, np.float32), np.zeros(rows * wide, np.float32), np.zeros(rows * deep, np.float32)
    mask, features = values.shape[1] - 1, np.ones(9, np.float32)
    order, predicted, gain = filters.shape[2] - 1, np.zeros(rows, np.float32), np.ones(rows, np.float32)
    flat_past, flat_present, flat_out, flat_head, flat_last, flat_ahead = past.ravel(), present.ravel(), out.ravel(), head.ravel(), last.ravel(), ahead.ravel()
    for step in range(steps):
        t = begin + step
        for r in range(rows):
            previous = values[r, (t - 1) & mask]
            if classes:
                for c in range(channels):
                    state[r * width + c] = embedding[int(previous), c]
            else:
                told = min((t - told_from) // hold, filters.shape[1] - 1)
                total = 0.0
                for k in range(order):
                    total += filters[r, told, k] * values[r, (t - 1 - k) & mask]
                predicted[r], gain[r] = total, math.exp(filters[r, told, order])
                features[0], features[2], features[3] = _loudness(previous), _loudness(total), left[r, (t - 1) & mask]
                if longest:
                    if t % HOP == 0:
                        lags[r], strengths[r] = _period(values[r], t, longest)
                    ago = t - lags[r]
                    features[4], features[8] = _loudness(values[r, ago & mask]), 2 * strengths[r]
                    for k in range(3):
                        features[5 + k] = left[r, (ago + k) & mask]
                for c in range(channels):
                    state[r * width + c] = _ZERO
                    for k in range(embedding.shape[0]):
                        state[r * width + c] += features[k] * embedding[k, c]
            for c in range(channels, width):
                state[r * width + c] = _ZERO
        for layer in range(layers):
            chunk, dilation, j = chunks[layer], dilations[layer], t % chunks[layer]
            base, slot = layer * AHEAD * rows * double, ring_at[layer] + (t % dilation) * rows * channels
            if j == 0:
                for k in range(chunk):
                    row = min((t + k - told_from) // hold, conditions.shape[1] - 1)
                    for r in range(rows):
                        to = base + (k * rows + r) * double
                        for c in range(double):
                            flat_ahead[to + c] = conditions[r, row, layer, c]
                product(flat_ahead, base, double, ring, slot, channels, flat_past, layer * channels * double, double, chunk * rows, channels, double)
            at = base + j * rows * double
            product(flat_ahead, at, double, state, 0, width, flat_present, layer * channels * double, double, rows, channels, double)
            for r in range(rows):
                for c in range(channels):
                    ring[slot + r * channels + c] = state[r * width + c]
                _gate(flat_ahead, at + r * double, gated, r * channels, channels, exact)
            product(state, 0, width, gated, 0, channels, flat_out, layer * channels * width, width, rows, channels, width)
        for r in range(rows):
            for c in range(skips):
                heard[r * skips + c] = max(state[r * width + channels + c], _ZERO)
            for c in range(wide):
                first[r * wide + c] = head_bias[c]
            for c in range(deep):
                second[r * deep + c] = last_bias[c]
        product(first, 0, wide, heard, 0, skips, flat_head, 0, wide, rows, skips, wide)
        for k in range(rows * wide):
            first[k] = max(first[k], _ZERO)
        product(second, 0, deep, first, 0, wide, flat_last, 0, deep, rows, wide, deep)
        for r in range(rows):
            value = forced[r, step]
            if math.isnan(value):
                if classes:
                    value = F(_pick(second, r * deep, classes, temperature, uniform[r, step, 0]))
                else:
                    value = F(_draw(second, r * deep, components, temperature, uniform[r, step, 0], uniform[r, step, 1], predicted[r], gain[r]))
            given[r, step] = values[r, t & mask] = value
            left[r, t & mask] = math.asinh((value - predicted[r]) / gain[r])
            if scores.shape[1]:
                for k in range(scores.shape[2]):
                    scores[r, step, k] = second[r * deep + k]


def warm() -> None:
    """Compiles `walk`, both for classes and for values."""
    compiled: Any = walk
    weights = [np.zeros(shape, np.float32) for shape in ((1, 16, 32), (1, 16, 32), (1, 16, 32), (16, 16), (16,), (16, 16), (16,))]
    ones, none = np.ones(1, np.int64), np.zeros(1, np.int64)
    compiled(
        0, 0, 2, 1, 0, np.full((1, 1), np.nan, np.float32), np.zeros((1, 1, 2), np.float32), 1.0, np.zeros((2, 16), np.float32),
        np.zeros((1, 1, 1, 32), np.float32), np.zeros((1, 1, 1), np.float32), 1, *weights, ones, ones, np.zeros(16, np.float32), none, np.zeros((1, AHEAD, 1, 32), np.float32),
        np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32), ones, np.zeros(1, np.float32),
        np.zeros((1, 1), np.float32), np.zeros((1, 0, 2), np.float32), False,
    )
