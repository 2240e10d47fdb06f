"""Lines of handwriting as columns of ink, 64 pixels high: any picture, its paper made white, its writing made upright.

What is done to a line, in this order, unless it is `made_up` and has its final height already:

    grey      colour, palette and 16 bits become 8-bit grey; what is transparent is paper
    cut       the polygon's inside, the rest paper
    ink       0 where the paper's tone is, 1 where the darkest writing is; light on dark is turned over
    baseline  columns are moved so that the line's own baseline (or the slope that fits best) is level
    slant     rows are moved so that strokes stand upright: the shear under which columns differ most
    height    the rows that hold the writing, with a margin, become 64 rows; the width follows

Right-to-left scripts are stored in reading order, the picture mirrored, so that time goes the way a reader goes. Every
move is kept in the facts of the line, and `on_file` takes a place back to the file's own pixels.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, UnidentifiedImageError
from scipy import ndimage

from untold.corpora._entry import Cut, Entry
from untold.corpora._media import Medium, Unreadable

HEIGHT = 64
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".pgm", ".ppm", ".pbm", ".gif")
SHORTEST = 16  # columns: a quarter of the height, narrower than most letters
WIDEST = 200_000  # columns of one line
_MOST = 10**8  # pixels of a picture
_PAPER = 75  # percentile of the grey that is paper, as most of a line is
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM", "GIF")  # no others: reading an EPS starts a program
_GREY = ("L", "1", "LA", "I", "F", "I;16", "I;16B", "I;16L")
_TALLEST = 4 * HEIGHT  # rows: of more, several become one before anything is looked for
_CONTRAST = 10  # grey levels between paper and the darkest hundredth: less is a blank line
_ABOVE_NOISE = 4  # times the paper's own spread that ink lies below it: of noise alone it is 3, of the faintest writing seen 4.5
_SLANTS = np.tan(np.radians(np.arange(-60, 61, 5)))
_RISES = np.tan(np.radians(np.arange(-4, 4.1, 0.5)))
_MARGIN = 0.08  # of the writing's height, above and below
_KEPT = 0.004  # share of the ink above and below that may lie outside of the rows that are kept


class Line(Medium):
    """Columns of ink, 64 of 8 bits each; 0 is paper, 255 the darkest ink."""

    name, unit, rate, shape, shortest = "line", "pixel", 1, (HEIGHT,), SHORTEST
    stored, scale = np.dtype(np.uint8), 1 / 255
    who, counted = "scribe", "columns"
    does = {
        "inverted": "of light ink on dark paper, turned over", "colour": "in colour, read as grey",
        "rotated": "turned as their camera tells", "rtl": "written from right to left, stored in reading order",
    }

    def decode(self, entry: Entry, facts: dict[str, Any]) -> Iterator[np.ndarray]:
        """One block (columns, 64) uint8."""
        cut = entry.cut
        if entry.drawn is not None:
            grey = np.asarray(entry.drawn())
            facts["drawn"] = True
        else:
            grey = _page(entry.file, None if cut is None else cut.size, facts)
        size = (grey.shape[1], grey.shape[0])
        facts["size"] = list(size)
        left = top = 0
        if cut is not None:
            if cut.size is not None and cut.size != size:
                raise Unreadable(f"its labels tell a page of {cut.size[0]} x {cut.size[1]} pixels, the picture has {size[0]} x {size[1]}")
            grey, left, top, inside = _within(grey, cut)
        else:
            inside = np.ones(grey.shape, bool)
        if min(grey.shape) < 2:
            raise Unreadable(f"too small: {grey.shape[1]} x {grey.shape[0]} pixels")
        if entry.made_up:
            if len(grey) != HEIGHT:
                raise Unreadable(f"{len(grey)} pixels high, {HEIGHT} expected")
            columns, way = grey.T.astype(np.uint8), Way(1.0, 0.0, 0.0, 0.0, 0.0)
        else:
            times = -(-len(grey) // _TALLEST)
            ink = _reduced(_ink(grey, inside, facts), times)
            ink, way = _upright(ink, None if cut is None else [((x - left) / times, (y - top) / times) for x, y in cut.baseline])
            way = Way(way.scale / times, times * way.left, times * way.top, way.slant, way.rise)
            columns = np.round(255 * ink.T).astype(np.uint8)
        if not SHORTEST <= len(columns) <= WIDEST:
            raise Unreadable(f"{len(columns)} columns at a height of {HEIGHT} pixels ({SHORTEST} to {WIDEST} can be read)")
        rtl = entry.sides.get("direction") == "rtl"
        facts.update(way=[way.scale, way.left + left, way.top + top, way.slant, way.rise], width=len(columns), rtl=rtl)
        yield np.ascontiguousarray(columns[::-1] if rtl else columns)

    def remarks(self, facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What was done to the picture."""
        for kind in ("inverted", "rotated", "rtl"):
            if facts.get(kind):
                yield kind, ""
        if facts.get("mode", "L") not in _GREY:
            yield "colour", ""

    def place(self, where: Fraction, facts: Mapping[str, Any]) -> Fraction:
        """A place on the file, in pixels from its left, as a column: at half the height of the line."""
        scale, left = Fraction(facts["way"][0]).limit_denominator(10_000), Fraction(facts["way"][1])
        column = (where - left) * scale
        return facts["width"] - column if facts["rtl"] else column

    def amount(self, length: float) -> str:
        """Columns, as many as there are."""
        return f"{length:.0f} columns"

    def kind(self, facts: Mapping[str, Any]) -> str:
        """The picture's mode."""
        return {"L": "grey", "1": "two-tone"}.get(facts.get("mode", "L"), f"mode {facts.get('mode')}")

    def described(self, facts: Mapping[str, int]) -> str:
        """Modes of pictures."""
        return "pictures: " + "; ".join(f"{name} ({count})" for name, count in facts.items()) + f"; read as grey, {HEIGHT} pixels high"


MEDIUM = Line()


@dataclass(frozen=True)
class Way:
    """How a normalised line lies on what it was made of.

    The centre of row r and column c lies at x = left + u, y = top + (r + 1/2) / scale + rise (u - half of the width),
    where u = (c + 1/2) / scale + slant ((r + 1/2) / scale - half of the height).
    """

    scale: float
    left: float
    top: float
    slant: float
    rise: float


def on_file(facts: Mapping[str, Any], column: float, row: float) -> tuple[float, float]:
    """Where a place of a stored line (columns and rows as edges, 0 to width and 0 to 64) lies on its file: (x, y) in pixels."""
    scale, left, top, slant, rise = facts["way"]
    if facts["rtl"]:
        column = facts["width"] - column
    across = column / scale + slant * (row - HEIGHT / 2) / scale
    return left + across, top + row / scale + rise * (across - facts["width"] / 2 / scale)


# reading ---------------------------------------------------------------------------------------------------------


def measured(path: Path) -> tuple[int, int]:
    """Width and height of a picture as its header tells, before its camera's turn; raises `Unreadable`."""
    with _opened(path) as picture:
        return picture.size


def _opened(path: Path) -> Image.Image:
    try:
        if not path.is_file():
            raise Unreadable("no such file")
        if path.stat().st_size == 0:
            raise Unreadable("empty file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # we look at the size ourselves
            picture = Image.open(path, formats=_FORMATS)
    except Unreadable:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        why = "its header tells more pixels than can be read" if isinstance(error, Image.DecompressionBombError) else "not a picture"
        raise Unreadable(why) from None
    except (OSError, ValueError, SyntaxError) as error:
        raise Unreadable(f"not readable as a picture ({str(error)[:80] or 'damaged'})") from None
    width, height = picture.size
    if width * height > _MOST or width < 1 or height < 1:
        picture.close()
        raise Unreadable(f"a picture of {width} x {height} pixels (at most {_MOST // 10**6} million can be read)")
    return picture


def _page(path: Path, size: tuple[int, int] | None, facts: dict[str, Any]) -> np.ndarray:
    """A picture as grey (height, width) uint8, turned as its camera tells unless that contradicts the `size` its labels tell.

    The lines of one page follow each other, so the last pages are kept, and so is why one cannot be read.
    """
    state = path.stat().st_mtime_ns if path.is_file() else 0
    grey, seen = _grey(path, state, size)
    if isinstance(grey, str):
        raise Unreadable(grey)
    facts.update(seen)
    return grey


@functools.lru_cache(maxsize=2)
def _grey(path: Path, modified: int, size: tuple[int, int] | None) -> tuple[np.ndarray | str, dict[str, Any]]:
    del modified  # a file that was changed is read anew
    try:
        with _opened(path) as picture:
            seen: dict[str, Any] = {"mode": picture.mode}
            turn = _turn(picture)
            if turn is not None and size is not None and size == picture.size != _turned_size(picture, turn):
                turn = None
            if turn is not None:
                seen["rotated"] = True
            try:
                return _as_grey(picture if turn is None else picture.transpose(turn)), seen
            except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
                raise Unreadable(f"truncated or damaged ({str(error)[:80]})") from None
    except Unreadable as error:
        return str(error), {}


def _turn(picture: Image.Image) -> Image.Transpose | None:
    """What a camera's record says is to be done with a picture."""
    try:
        told = picture.getexif().get(0x0112)
    except Exception:  # a damaged record is no reason not to read the picture
        return None
    turns = Image.Transpose
    return {
        2: turns.FLIP_LEFT_RIGHT, 3: turns.ROTATE_180, 4: turns.FLIP_TOP_BOTTOM, 5: turns.TRANSPOSE,
        6: turns.ROTATE_270, 7: turns.TRANSVERSE, 8: turns.ROTATE_90,
    }.get(told if isinstance(told, int) else 1)  # fmt: skip


def _turned_size(picture: Image.Image, turn: Image.Transpose) -> tuple[int, int]:
    across = turn in (Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)
    return (picture.height, picture.width) if across else picture.size


def _as_grey(picture: Image.Image) -> np.ndarray:
    if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        values = np.asarray(picture, np.float32)
        if not np.isfinite(values).all():
            raise ValueError("holds values that are no numbers")
        most = float(values.max(initial=0))
        top = next((scale for scale in (1.0, 255.0, 65535.0) if most <= scale and (scale > 1 or picture.mode == "F")), most)
        return np.round(255 * np.clip(values / top, 0, 1)).astype(np.uint8)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        paper = Image.new("RGBA", clear.size, "white")
        picture = Image.alpha_composite(paper, clear)
    return np.asarray(picture.convert("RGB").convert("L") if picture.mode == "P" else picture.convert("L"))


def _within(grey: np.ndarray, cut: Cut) -> tuple[np.ndarray, int, int, np.ndarray]:
    """The box of a polygon, where it begins, and which of its pixels lie inside: of a crossing polygon, all that it encloses."""
    height, width = grey.shape
    points = np.array(cut.polygon, np.float64).reshape(-1, 2)
    if len(points) < 3 or not np.isfinite(points).all():
        raise Unreadable("its polygon has fewer than three points")
    low, high = np.floor(points.min(0)).astype(int), np.ceil(points.max(0)).astype(int)
    left, top = max(0, low[0] - 1), max(0, low[1] - 1)
    right, bottom = min(width, high[0] + 2), min(height, high[1] + 2)
    if right - left < 2 or bottom - top < 2:
        raise Unreadable("its polygon lies outside of the page")
    mask = Image.new("1", (int(right - left), int(bottom - top)))
    corners = [(float(x - left), float(y - top)) for x, y in points]
    ImageDraw.Draw(mask).polygon(corners, fill=1)
    ImageDraw.Draw(mask).line([*corners, corners[0]], fill=1)  # without gaps where the outline crosses itself
    inside = _filled(np.asarray(mask, bool))
    if inside.sum() < 4:
        raise Unreadable("its polygon holds no pixels")
    return grey[top:bottom, left:right], int(left), int(top), inside


def _filled(inside: np.ndarray) -> np.ndarray:
    """With the holes filled that a polygon has where it winds around twice."""
    outside, _ = ndimage.label(np.pad(~inside, 1, constant_values=True))
    return np.asarray(outside != outside[0, 0])[1:-1, 1:-1]


# normalising -----------------------------------------------------------------------------------------------------


def _ink(grey: np.ndarray, inside: np.ndarray, facts: dict[str, Any]) -> np.ndarray:
    """Ink (height, width) float32 in [0, 1]."""
    seen = grey[inside].astype(np.float32)
    dark, middle, light = np.percentile(seen, [1, 50, 99])
    inverted = bool(middle - dark < light - middle and light - middle > 2 * _CONTRAST and (seen > (dark + light) / 2).mean() < 0.5)
    facts["inverted"] = inverted
    values = 255 - grey.astype(np.float32) if inverted else grey.astype(np.float32)
    seen = values[inside]
    ink, paper, lightest = np.percentile(seen, [1, _PAPER, 95])
    if paper - ink < _CONTRAST:
        ink = seen.min()  # a few thin strokes may be all there is
        blank = paper - ink < 3 * _CONTRAST
    else:
        blank = paper - ink < _ABOVE_NOISE * (lightest - paper)
    if blank:
        raise Unreadable("a blank line: nothing stands out from the paper")
    out = np.clip((paper - values) / (paper - ink) * 1.1 - 0.1, 0, 1)  # what differs from the paper by a tenth is paper
    return np.where(inside, out, 0).astype(np.float32)


def _reduced(ink: np.ndarray, times: int) -> np.ndarray:
    """Means of squares of `times` x `times` pixels; what the last ones lack is paper."""
    if times == 1:
        return ink
    high, wide = (-(-side // times) for side in ink.shape)
    out = np.zeros((high * times, wide * times), np.float32)
    out[: ink.shape[0], : ink.shape[1]] = ink
    return np.asarray(out.reshape(high, times, wide, times).mean((1, 3)))


def _upright(ink: np.ndarray, baseline: Sequence[tuple[float, float]] | None) -> tuple[np.ndarray, Way]:
    """The line with level baseline, upright strokes and 64 rows."""
    small = ndimage.zoom(ink, min(1.0, 48 / len(ink)), order=1) if len(ink) > 48 else ink
    rise = _slope(baseline) if baseline is not None and len(baseline) > 1 else _best(small.T, _RISES, 1e-3)
    slant = _best(_sampled(small, Way(1.0, 0.0, 0.0, 0.0, rise), small.shape[1], len(small)) if rise else small, _SLANTS, 1e-2)
    left, right = _reach(ink, slant)
    rows = _sampled(ink, Way(1.0, left, 0.0, slant, rise), right - left, len(ink)).sum(1).cumsum()
    first, last = np.searchsorted(rows, [_KEPT * rows[-1], (1 - _KEPT) * rows[-1]])
    tall = max(float(last - first + 1), 4.0)
    top, bottom = first - _MARGIN * tall, last + 1 + _MARGIN * tall
    scale = HEIGHT / (bottom - top)
    if (right - left) * scale > WIDEST:
        raise Unreadable(f"{ink.shape[1]} x {len(ink)} pixels: too wide for its height")
    left_at_half = left + slant * ((top + bottom) / 2 - len(ink) / 2)  # strokes lean around the middle of the rows that are kept
    way = Way(scale, float(left_at_half), float(top), slant, rise)
    return _sampled(ink, way, max(1, round((right - left) * scale))), way


def _reach(ink: np.ndarray, slant: float) -> tuple[int, int]:
    """From where to where the columns of an upright line go: its own, and further where leaning strokes stood out."""
    y, x = np.nonzero(ink > 0.3)
    if not slant or not len(x):
        return 0, ink.shape[1]
    across = x + 0.5 - slant * (y + 0.5 - len(ink) / 2)
    return min(0, math.floor(across.min()) - 1), max(ink.shape[1], math.ceil(across.max()) + 1)


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the straight line through a baseline; 0 for one that is steeper than writing is."""
    x, y = np.array(points, np.float64).T
    if np.ptp(x) < 1:
        return 0.0
    slope = float(np.polyfit(x, y, 1)[0])
    return slope if abs(slope) < 0.3 else 0.0


def _best(ink: np.ndarray, shears: np.ndarray, gain: float) -> float:
    """The shear under which columns of ink differ most, 0 unless it is better by `gain` of the whole."""
    height = len(ink)
    y, x = np.nonzero(ink > 0.3)
    if len(y) < 8:
        return 0.0
    weight = ink[y, x]
    found = []
    for shear in shears:
        at = x - shear * (y - height / 2)
        at -= at.min()
        low = np.floor(at).astype(int)
        part = at - low
        columns = np.bincount(low, weight * (1 - part), int(at.max()) + 2) + np.bincount(low + 1, weight * part, int(at.max()) + 2)
        found.append(float(np.square(columns).sum()))
    straight = found[int(np.argmin(np.abs(shears)))]
    best = int(np.argmax(found))
    return float(shears[best]) if found[best] > (1 + gain) * straight else 0.0


def _sampled(ink: np.ndarray, way: Way, width: int, height: int = HEIGHT) -> np.ndarray:
    """Rows and columns of a normalised line, each looked up where it lies on the line that it is made of."""
    scale = way.scale
    if scale < 1:
        ink = ndimage.gaussian_filter(ink, 0.4 * math.sqrt(max(0.0, scale**-2 - 1)))
    row, column = np.mgrid[0:height, 0:width].astype(np.float32)
    across = (column + 0.5) / scale + way.slant * ((row + 0.5) / scale - height / scale / 2)
    y = way.top + (row + 0.5) / scale + way.rise * (across - width / scale / 2) - 0.5
    out = ndimage.map_coordinates(ink, [y, way.left + across - 0.5], order=1, mode="constant")
    return np.clip(out, 0, 1)
