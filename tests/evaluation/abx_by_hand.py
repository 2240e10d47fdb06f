"""ABX in plain loops: the oracle of the compiled one. Shares no code with it."""

from __future__ import annotations

import itertools
import math


def frame_distance(name, u, v):
    if name == "identical":
        return 0.0 if u[0] == v[0] else 1.0
    if name == "euclidean":
        return math.sqrt(sum((a - b) ** 2 for a, b in zip(u, v, strict=True)))
    if name == "kl_symmetric":
        e = 1e-6
        there = sum(a * math.log((a + e) / (b + e)) for a, b in zip(u, v, strict=True))
        back = sum(b * math.log((b + e) / (a + e)) for a, b in zip(u, v, strict=True))
        return (there + back) / 2
    length_u, length_v = math.sqrt(sum(a * a for a in u)), math.sqrt(sum(b * b for b in v))
    if length_u == 0 or length_v == 0:
        return 0.0 if length_u == length_v else 1.0
    cosine = sum(a * b for a, b in zip(u, v, strict=True)) / length_u / length_v
    return math.acos(min(1.0, max(-1.0, cosine))) / math.pi


def warped(distances):
    """Cost over path length of a table of frame distances (rows are x), traced back cell by cell."""
    rows, columns = len(distances), len(distances[0])
    cost = [[0.0] * columns for _ in range(rows)]
    for i, j in itertools.product(range(rows), range(columns)):
        before = [cost[a][b] for a, b in ((i - 1, j), (i - 1, j - 1), (i, j - 1)) if a >= 0 and b >= 0]
        cost[i][j] = distances[i][j] + (min(before) if before else 0.0)
    i, j, length = rows - 1, columns - 1, 1
    while i > 0 or j > 0:
        length += 1
        if i == 0:
            j -= 1
        elif j == 0:
            i -= 1
        else:
            diagonal, left, up = cost[i - 1][j - 1], cost[i][j - 1], cost[i - 1][j]
            if diagonal <= left and diagonal <= up:
                i, j = i - 1, j - 1
            elif left <= up:
                j -= 1
            else:
                i -= 1
    return cost[-1][-1] / length


def item_distance(name, x, y):
    return warped([[frame_distance(name, u, v) for v in y] for u in x])


def error(stretches, labels, *, distance, speaker, context):
    """The ABX error; labels are (phone, (previous, next), speaker), stretches the frames of each item."""
    labels = [(p, c if context == "within" else None, s) for p, c, s in labels]
    everyone = range(len(labels))
    between = {
        (x, y): item_distance(distance, stretches[x], stretches[y]) for x in everyone for y in everyone if x != y
    }
    cells = {}
    for x, a, b in itertools.permutations(everyone, 3):
        (px, cx, sx), (pa, ca, sa), (pb, cb, sb) = labels[x], labels[a], labels[b]
        if px != pa or px == pb or not cx == ca == cb or sa != sb or (sx == sa) != (speaker == "within"):
            continue
        near, far = round(between[x, a], 9), round(between[x, b], 9)
        cells.setdefault((pa, pb, cx, sa, sx), []).append(1.0 if near < far else 0.5 if near == far else 0.0)
    if not cells:
        return None, 0

    def means(scores, drop):
        kept = {}
        for key, value in scores:
            kept.setdefault(drop(key), []).append(value)
        return [(key, sum(v) / len(v)) for key, v in kept.items()]

    level = [(key, 1 - sum(v) / len(v)) for key, v in cells.items()]
    level = means(level, lambda key: (key[0], key[1], key[3]))  # over contexts and speakers of x
    level = means(level, lambda key: (key[0], key[1]))  # over speakers of a and b
    return sum(v for _, v in level) / len(level), len(cells)
