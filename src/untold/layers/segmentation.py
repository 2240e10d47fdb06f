"""Piecewise-constant tokens of least cost: sum over steps of d_t(q_t), and a price for each change or each segment.

With a price for a change, exactly, O(T K), one pass over the costs (the transitions of a hidden Markov model whose states
all change alike):

    b_t(k) = d_t(k) + min( b_(t-1)(k), min_j b_(t-1)(j) + price )

Ties stay. The way back needs, of each step, the best state before it and one bit a state: whether its run begins there.
Where costs come in pieces (`Path`), each state remembers where its run began instead, and each step where that of the best
state did: O(T + K) numbers and no table at all. Sums are float64.

With an exact number of segments, O(T K C); with least and greatest lengths and a table of what each length costs,
O(T L K). All are per recording: a segment never crosses to another one. Source: lecture 000, "Segmenting auto-encoder";
lecture 001, "How to learn a segmentation?"; the dynamic programs are those of hidden Markov and semi-Markov models
(Rabiner 1989), with the second-best trick where a token may not follow itself.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import torch
from scipy import special, stats

from untold.errors import UntoldError
from untold.layers._relax import WIDE, relax, relax_rest, state_of

_NOWHERE = -1
_AT_ONCE = 4  # recordings that are decoded in turns,
_NEAR = 1 << 11  # and states of all of them together: what the processor has next to it


class Path:
    """A recording decoded as it comes: `push` costs, take what is settled, `finish`.

    What is settled is the beginning on which all states agree, so the tokens are those of the whole at any length.
    """

    def __init__(self, size: int, penalty: float) -> None:
        _check(size, penalty)
        self.penalty, self.at, self.settled = float(penalty), 0, 0
        self.best = np.zeros(size)  # cost of the best path to each state
        self.begun = np.zeros(size, np.int32)  # where the run of each state began
        self.least, self.state = 0.0, 0  # of the best path so far
        self.before = np.zeros(0, np.int64)  # for each step from `first` on: the best state before it,
        self.runs = np.zeros(0, np.int64)  # and where the run of that one began
        self.first = 0

    def push(self, costs: np.ndarray) -> np.ndarray:
        """Takes costs (steps, K) of the next steps; gives the tokens (n,) int64 that are settled now."""
        before, runs = np.zeros(len(costs), np.int64), np.zeros(len(costs), np.int64)
        odd, costs = np.zeros(WIDE), np.ascontiguousarray(costs)
        self.least, self.state = _advance(costs, self.penalty, self.at, self.best, self.begun, before, runs, self.least, self.state, odd)
        if odd.any():
            bad = int(np.flatnonzero(~np.isfinite(costs).all(1))[0])
            raise UntoldError(f"the distances are not numbers at step {self.at + bad}: look for odd features")
        self.before, self.runs = np.concatenate([self.before, before]), np.concatenate([self.runs, runs])
        self.at += len(costs)
        return self._take(_agreed(self.begun, self.runs, self.first))

    def finish(self) -> tuple[np.ndarray, float]:
        """The rest of the tokens (n,) int64, and the cost of the whole."""
        if not self.at:
            return np.zeros(0, np.int64), 0.0
        last = self.state
        out = np.full(self.at - self.settled, last, np.int64)
        _back(out, self.settled, last, int(self.begun[last]), self.before, self.runs, self.first)
        self.settled = self.at
        return out, float(self.least)

    def _take(self, until: int) -> np.ndarray:
        """The tokens up to a change that all paths make; what led to them is forgotten."""
        if until <= self.settled:
            return np.zeros(0, np.int64)
        out = np.empty(until - self.settled, np.int64)
        place = until - self.first
        _back(out, self.settled, int(self.before[place]), int(self.runs[place]), self.before, self.runs, self.first)
        self.settled = until
        self.before, self.runs, self.first = self.before[place:], self.runs[place:], until
        return out


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _advance(
    costs: np.ndarray, penalty: float, at: int, best: np.ndarray, begun: np.ndarray, before: np.ndarray, runs: np.ndarray,
    least: float, state: int, odd: np.ndarray,
) -> tuple[float, int]:
    """Steps on; writes the best state before each step and where its run began. Takes and gives the least of best and its state."""
    flat, size = costs.reshape(-1), len(best)
    for step in range(len(costs)):
        now = at + step
        before[step], runs[step] = state, begun[state]
        change, place = least + penalty if now else 0.0, step * size
        least = relax(best, 0, begun, 0, flat, place, odd, 0, size // WIDE, change, np.int32(now))
        if size % WIDE:
            least = min(least, relax_rest(size, best, 0, begun, 0, flat, place, odd, 0, change, now))
        state = state_of(best, 0, size, least)
    return least, state


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _rows(costs: np.ndarray, lengths: np.ndarray, penalty: float, tokens: np.ndarray, totals: np.ndarray, odd: np.ndarray) -> None:
    """Some recordings, a step of each in turn: while one waits for its least cost, another goes on."""
    rows, steps, size = costs.shape
    vectors, words = size // WIDE, -(-size // WIDE)  # 16 states each
    best, moved = np.zeros((rows * words + 1) * WIDE), np.zeros(rows * steps * words, np.uint16)
    first = -(best.ctypes.data // 8) % 8  # where a line of the processor's cache begins
    flat, odd = costs.reshape(-1), odd.reshape(-1)
    before, states = np.zeros((rows, steps), np.int32), np.zeros(rows, np.int32)
    for step in range(steps):
        for row in range(rows):
            if step < lengths[row]:
                before[row, step] = states[row]
                base, since, at = first + row * words * WIDE, (row * steps + step) * words, (row * steps + step) * size
                change = totals[row] + penalty if step else 0.0
                least = relax(best, base, moved, since, flat, at, odd, row * WIDE, vectors, change, np.int32(step))
                if words > vectors:
                    least = min(least, relax_rest(size, best, base, moved, since, flat, at, odd, row * WIDE, change, step))
                totals[row], states[row] = least, state_of(best, base, size, least)
    for row in range(rows):
        state = states[row]
        for step in range(lengths[row] - 1, -1, -1):
            tokens[row, step] = state
            if step and moved[(row * steps + step) * words + state // WIDE] >> (state % WIDE) & 1:
                state = before[row, step]


@numba.njit(cache=True)
def _back(out: np.ndarray, start: int, token: int, begun: int, before: np.ndarray, runs: np.ndarray, first: int) -> None:
    """Fills tokens from the last one back to `start`; `first` is the step of the first entry."""
    end = start + len(out)
    while True:
        for step in range(max(begun, start), end):
            out[step - start] = token
        if begun <= start:
            return
        end = begun
        token, begun = before[end - first], runs[end - first]


@numba.njit(cache=True)
def _agreed(begun: np.ndarray, runs: np.ndarray, first: int) -> int:
    """The last change that the best paths to all states have in common."""
    changes = np.unique(begun)
    heap = [-change for change in changes]
    heapq.heapify(heap)
    while len(heap) > 1:
        latest = -heap[0]
        while len(heap) and -heap[0] == latest:
            heapq.heappop(heap)
        if len(heap) == 0:
            return latest
        if latest <= first:
            return first
        heapq.heappush(heap, -runs[latest - first])
    return max(first, -heap[0])


def decode(costs: np.ndarray, lengths: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (batch, steps) int64, -1 beyond lengths, and costs (batch,) float64, of costs (batch, steps, K).

    Each recording by itself: sum of costs + penalty x changes is least. Raises `UntoldError` for no codewords, a price below
    0, or costs that are not numbers.
    """
    _check(costs.shape[2], penalty)
    costs, lengths = np.ascontiguousarray(costs), np.asarray(lengths, np.int64)
    tokens, totals, odd = np.full(costs.shape[:2], _NOWHERE, np.int64), np.zeros(len(costs)), np.zeros((len(costs), WIDE))
    several = max(1, min(_AT_ONCE, _NEAR // costs.shape[2]))
    parts = [slice(start, start + several) for start in range(0, len(costs), several)]

    def work(some: slice) -> None:
        _rows(costs[some], lengths[some], float(penalty), tokens[some], totals[some], odd[some])

    if torch.get_num_threads() == 1 or len(parts) < 2:
        for some in parts:
            work(some)
    else:
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(work, parts))
    if odd.any():
        row = int(np.flatnonzero(odd.any(1))[0])
        step = int(np.flatnonzero(~np.isfinite(costs[row, : lengths[row]]).all(1))[0])
        raise UntoldError(f"the distances of recording {row} are not numbers at step {step}: look for odd features")
    return tokens, totals


def _check(size: int, penalty: float) -> None:
    if size < 1:
        raise UntoldError("there are no codewords to choose from")
    check_price(penalty)


def check_price(penalty: float) -> None:
    """Raises `UntoldError` for a price that is none."""
    if not penalty >= 0 or not math.isfinite(penalty):
        raise UntoldError(f"a price of {penalty} for a change: 0 or more expected")


def changes(tokens: np.ndarray, lengths: np.ndarray) -> int:
    """How often the token changes within recordings: tokens (batch, steps)."""
    inside = np.arange(1, tokens.shape[1])[None] < np.asarray(lengths)[:, None]
    return int(((tokens[:, 1:] != tokens[:, :-1]) & inside).sum())


def price_of(rate: Callable[[float], float], wanted: float, steps: int = 40) -> float:
    """The price at which `rate(price)`, which never rises, is as near to `wanted` as it comes: by bisection on a log scale."""
    if rate(0.0) <= wanted:
        return 0.0
    low, high = 0.0, 1.0
    while rate(high) > wanted:
        low, high = high, high * 4
        if high > 1e30:
            return high
    best = min((abs(rate(price) - wanted), price) for price in (low, high))
    for _ in range(steps):
        middle = math.sqrt(low * high) if low else high / 16
        found = rate(middle)
        best = min(best, (abs(found - wanted), middle))
        low, high = (middle, high) if found > wanted else (low, middle)
        if high - low <= 1e-6 * high or found == wanted:
            break
    return best[1]


def decode_count(costs: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The best tokens (steps,) with exactly `count` segments, and the least cost of each number of segments up to it (count,).

    Neighbouring segments have other tokens. A cost of infinity: that many cannot be had. O(T K count).
    """
    steps, size = costs.shape
    if not 1 <= count <= max(1, steps) or (count > 1 and size < 2):
        raise UntoldError(f"{count} segments of {steps} steps and {size} codewords cannot be")
    tokens, totals = _count(np.ascontiguousarray(costs, np.float64), count)
    return tokens, totals


@numba.njit(cache=True)
def _count(costs: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    steps, size = costs.shape
    value = np.full((count, size), np.inf)
    came = np.full((steps, count, size), -1, np.int32)  # the state before, where it was another one
    value[0] = costs[0]
    for step in range(1, steps):
        for c in range(min(count, step + 1) - 1, -1, -1):
            best, second, which = np.inf, np.inf, -1
            if c:
                for k in range(size):
                    if value[c - 1, k] < best:
                        best, second, which = value[c - 1, k], best, k
                    elif value[c - 1, k] < second:
                        second = value[c - 1, k]
            other = -1
            if c:
                for k in range(size):
                    if k != which and value[c - 1, k] == second:
                        other = k
                        break
            for k in range(size):
                change = second if k == which else best
                if c and change < value[c, k]:
                    value[c, k] = change
                    came[step, c, k] = other if k == which else which
                value[c, k] += costs[step, k]
    totals = np.empty(count)
    for c in range(count):
        totals[c] = value[c].min()
    tokens = np.empty(steps, np.int64)
    c, k = count - 1, int(value[count - 1].argmin())
    for step in range(steps - 1, -1, -1):
        tokens[step] = k
        if step and came[step, c, k] >= 0:
            k = came[step, c, k]
            c -= 1
    return tokens, totals


def decode_lengths(costs: np.ndarray, price: np.ndarray, shortest: int = 1) -> tuple[np.ndarray, np.ndarray, float]:
    """Tokens and lengths (segments,) int64 of segments of `shortest` to len(price) steps, and the cost: costs + price[length - 1] of each.

    costs (steps, K). Neighbouring segments have other tokens. The last segment may be shorter than `shortest`, since the
    recording ends; it pays for its length all the same. O(T L K).
    """
    longest = len(price)
    if not 1 <= shortest <= longest:
        raise UntoldError(f"segments of {shortest} to {longest} steps cannot be")
    if costs.shape[1] < 2 and len(costs) > longest:
        raise UntoldError(f"one codeword and {len(costs)} steps: segments of at most {longest} steps need two codewords")
    sums = np.concatenate([np.zeros((1, costs.shape[1])), np.cumsum(costs, axis=0, dtype=np.float64)])
    if not np.isfinite(sums).all():
        raise UntoldError("the distances are not numbers: look for odd features")
    tokens, lengths, total = _lengths(sums, np.ascontiguousarray(price, np.float64), shortest)
    return tokens, lengths, float(total)


@numba.njit(cache=True)
def _lengths(sums: np.ndarray, price: np.ndarray, shortest: int) -> tuple[np.ndarray, np.ndarray, float]:
    steps, size = len(sums) - 1, sums.shape[1]
    # of paths that end at each place: the best, the best with another last token, and how each came there
    best, token = np.full((steps + 1, 2), np.inf), np.full((steps + 1, 2), -1, np.int64)
    length, came = np.zeros((steps + 1, 2), np.int64), np.zeros((steps + 1, 2), np.int64)
    best[0, 0] = 0.0
    value, whence, rank = np.empty(size), np.empty(size, np.int64), np.empty(size, np.int64)
    for end in range(1, steps + 1):
        value[:] = np.inf
        least = 1 if end == steps else shortest
        for span in range(least, min(len(price), end) + 1):
            start = end - span
            a, b, taken = best[start, 0], best[start, 1], token[start, 0]
            if not np.isfinite(a):
                continue
            for k in range(size):
                which = 1 if k == taken else 0
                found = (b if which else a) + price[span - 1] + sums[end, k] - sums[start, k]
                if found < value[k]:
                    value[k], whence[k], rank[k] = found, span, which
        for place in range(2):
            chosen = -1
            for k in range(size):
                if np.isfinite(value[k]) and (place == 0 or k != token[end, 0]) and (chosen < 0 or value[k] < value[chosen]):
                    chosen = k
            if chosen >= 0:
                best[end, place], token[end, place] = value[chosen], chosen
                length[end, place], came[end, place] = whence[chosen], rank[chosen]
    tokens, lengths = [0 for _ in range(0)], [0 for _ in range(0)]
    end, place = steps, 0
    while end > 0:
        tokens.append(token[end, place])
        lengths.append(length[end, place])
        end, place = end - length[end, place], came[end, place]
    return np.array(tokens[::-1], np.int64), np.array(lengths[::-1], np.int64), best[steps, 0]


def poisson_price(mean: float, longest: int) -> np.ndarray:
    """-log of the probability of each length 1 to `longest` under a Poisson distribution of `mean` steps, 0 left out."""
    return _priced(stats.poisson.logpmf(np.arange(1, longest + 1), mean))


def gamma_price(shape: float, scale: float, longest: int) -> np.ndarray:
    """The same of a Gamma distribution: mean `shape` x `scale` steps."""
    return _priced(stats.gamma.logpdf(np.arange(1, longest + 1), shape, scale=scale))


def histogram_price(lengths: np.ndarray, longest: int) -> np.ndarray:
    """The same of lengths (n,) that were seen, one added to each count so that nothing is impossible."""
    return _priced(np.log(np.bincount(np.clip(lengths, 1, longest), minlength=longest + 1)[1:] + 1.0))


def _priced(log_weights: np.ndarray) -> np.ndarray:
    """Made to sum to one, in nats."""
    return np.asarray(special.logsumexp(log_weights) - log_weights)


def merge_greedily(costs: np.ndarray, count: int) -> np.ndarray:
    """Tokens (steps,) of `count` segments: neighbours whose union costs least more are merged, again and again.

    costs (steps, K). The lecture's alternative; not exact. O(T log T) steps of a heap, O(K) each.
    """
    steps = len(costs)
    sums = {i: costs[i].astype(np.float64) for i in range(steps)}
    ends = {i: i + 1 for i in range(steps)}
    left: dict[int, int] = {i: i - 1 for i in range(1, steps)}
    version = dict.fromkeys(range(steps), 0)

    def rise(a: int, b: int) -> float:
        return float((sums[a] + sums[b]).min() - sums[a].min() - sums[b].min())

    heap = [(rise(i, i + 1), i, 0, i + 1, 0) for i in range(steps - 1)]
    heapq.heapify(heap)
    while len(sums) > max(1, count) and heap:
        _, a, seen, b, seen_too = heapq.heappop(heap)
        if a not in sums or b not in sums or (version[a], version[b]) != (seen, seen_too):
            continue
        sums[a] = sums[a] + sums.pop(b)
        ends[a] = ends[b]
        version[a] += 1
        after = ends[a]
        if after in sums:
            left[after] = a
            heapq.heappush(heap, (rise(a, after), a, version[a], after, version[after]))
        if a in left:
            before = left[a]
            heapq.heappush(heap, (rise(before, a), before, version[before], a, version[a]))
    tokens = np.empty(steps, np.int64)
    for start, total in sums.items():
        tokens[start : ends[start]] = int(total.argmin())
    return tokens


def blocks(steps: int, size: int, most: int = 1 << 22) -> Iterator[tuple[int, int]]:
    """Stretches of steps whose costs of `size` codewords can be held at once."""
    width = max(1, most // max(1, size))
    for start in range(0, steps, width):
        yield start, min(steps, start + width)
