"""Lines of handwriting: whatever the picture is, white paper, level, upright, 64 pixels high; what cannot be read, by name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tests.pictures import strokes
from untold.corpora import _lines
from untold.corpora._entry import Cut, Entry
from untold.corpora._lines import MEDIUM, on_file
from untold.corpora._media import Unreadable


def decoded(path: Path, **more: Any) -> tuple[np.ndarray, dict[str, Any]]:
    facts: dict[str, Any] = {}
    (columns,) = MEDIUM.decode(Entry("x", path, **more), facts)
    return columns, facts


def reason(path: Path, **more: Any) -> str:
    with pytest.raises(Unreadable) as error:
        decoded(path, **more)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(name="plain")
def _plain(tmp_path) -> tuple[np.ndarray, Image.Image]:
    picture = strokes()
    picture.save(tmp_path / "plain.png")
    return decoded(tmp_path / "plain.png")[0], picture


# every kind of picture ---------------------------------------------------------------------------------------------


def as_alpha(picture: Image.Image) -> Image.Image:
    """The same ink on transparent paper, whose hidden colour is black."""
    ink = 230 - np.asarray(picture, np.int32)
    out = np.zeros((*ink.shape, 4), np.uint8)
    out[..., 3] = np.clip(ink * 255 / 200, 0, 255)
    return Image.fromarray(out, "RGBA")


def as_palette(picture: Image.Image) -> Image.Image:
    """Numbers of colours that say nothing of how light these are."""
    out = Image.fromarray(255 - np.asarray(picture), "P")
    out.putpalette([255 - i // 3 for i in range(768)])
    return out


KINDS = {
    "colour": lambda p: Image.merge("RGB", (p, p.point(lambda v: v * 0.9), p.point(lambda v: v * 0.7))),
    "inverted": lambda p: p.point(lambda v: 255 - v),
    "16 bits": lambda p: Image.fromarray(np.asarray(p, np.uint16) * 257),
    "palette": as_palette,
    "alpha": as_alpha,
    "grey and alpha": lambda p: as_alpha(p).convert("LA"),
    "CMYK": lambda p: p.convert("RGB").convert("CMYK"),
    "32 bits": lambda p: Image.fromarray(np.asarray(p, np.int32)),
    "shares": lambda p: Image.fromarray(np.asarray(p, np.float32) / 255),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_picture_gives_the_same_columns(tmp_path, plain, kind):
    columns, picture = plain
    path = tmp_path / ("x.tif" if kind in ("CMYK", "shares", "32 bits") else "x.png")
    KINDS[kind](picture).save(path)
    other, facts = decoded(path)
    assert other.shape == columns.shape and other.dtype == np.uint8
    assert np.abs(other.astype(int) - columns).mean() < 3 and np.corrcoef(other.ravel(), columns.ravel())[0, 1] > 0.99
    assert facts["inverted"] is (kind == "inverted")


def test_paper_is_0_and_ink_is_bright(plain):
    columns, _ = plain
    assert columns.shape[1] == 64 and np.median(columns) == 0 and columns.max() > 240
    rows = columns.max(0)
    assert rows[:2].max() < 128 and rows[5:59].max() > 240  # a margin above and below


def test_two_tones(tmp_path, plain):
    plain[1].point(lambda v: 255 * (v > 128)).convert("1").save(tmp_path / "x.png")
    other, facts = decoded(tmp_path / "x.png")
    assert facts["mode"] == "1" and abs(len(other) - len(plain[0])) < 0.1 * len(other)
    assert np.median(other) == 0 and other.max() > 240


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_camera_tells(tmp_path, plain, orientation):
    back = {2: 0, 3: 1 + 2, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what PIL does to undo it
    undo = {0: Image.Transpose.FLIP_LEFT_RIGHT, 1: Image.Transpose.FLIP_TOP_BOTTOM, 2: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.ROTATE_270, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.TRANSVERSE}
    picture = plain[1] if orientation == 1 else plain[1].transpose(undo[back[orientation]])
    told = Image.Exif()
    told[0x0112] = orientation
    picture.save(tmp_path / "x.png", exif=told)
    other, facts = decoded(tmp_path / "x.png")
    assert np.array_equal(other, plain[0]) and facts.get("rotated", False) is (orientation != 1)
    assert facts["size"] == [300, 64]


def test_labels_that_tell_the_size_before_the_turn_are_believed(tmp_path, plain):
    told = Image.Exif()
    told[0x0112] = 6
    plain[1].save(tmp_path / "x.png", exif=told)  # the record is wrong: the writing lies level
    corners = ((0, 0), (300, 0), (300, 64), (0, 64))
    columns, facts = decoded(tmp_path / "x.png", cut=Cut(corners, (), (300, 64)))
    assert np.array_equal(columns, plain[0]) and not facts.get("rotated")
    assert decoded(tmp_path / "x.png", cut=Cut(corners, (), (64, 300)))[1]["rotated"]
    assert reason(tmp_path / "x.png", cut=Cut(corners, (), (100, 300))) == "its labels tell a page of 100 x 300 pixels, the picture has 64 x 300"


# bad pictures ------------------------------------------------------------------------------------------------------


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header tells a size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 300 64\n%%EndComments\n(/tmp/made) (w) file closefile\nshowpage\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty file"),
        (b"a text, not a picture\n" * 9, "not a picture"),
        (EPS, "not a picture"),  # reading one would start a program
        (png(100_000, 100_000), "more pixels than can be read"),
        (png(20_000, 6_000), "20000 x 6000 pixels (at most 100 million can be read)"),
        (png(300, 64, b"\0" * 99), "truncated or damaged"),
        (png(1, 64, b"\0\xff" * 64), "too small: 1 x 64"),
        (png(64, 1, b"\0" + b"\xff" * 64), "too small: 64 x 1"),
    ],
)
def test_bad_pictures_say_what_they_are(tmp_path, data, said):
    (tmp_path / "x.png").write_bytes(data)
    assert said in reason(tmp_path / "x.png")


def test_a_truncated_photograph(tmp_path):
    strokes(600, 128).save(tmp_path / "x.jpg")
    data = (tmp_path / "x.jpg").read_bytes()
    (tmp_path / "x.jpg").write_bytes(data[: len(data) // 2])
    assert "truncated or damaged" in reason(tmp_path / "x.jpg")
    assert "truncated or damaged" in reason(tmp_path / "x.jpg")  # and so again, from what is remembered
    assert reason(tmp_path / "absent.png") == "no such file"


@pytest.mark.parametrize("noise", [0, 2, 4, 8, 16])
@pytest.mark.parametrize("fade", [0, 60])
def test_a_blank_line_is_blank_however_rough_its_paper(tmp_path, noise, fade):
    grey = np.random.default_rng(noise).normal(200, noise, (64, 600)) - np.linspace(0, fade, 600)
    Image.fromarray(np.clip(grey, 0, 255).round().astype(np.uint8)).save(tmp_path / "x.png")
    assert "a blank line" in reason(tmp_path / "x.png")


def test_one_thin_stroke_is_no_blank_line(tmp_path):
    grey = np.full((64, 900), 220, np.uint8)
    grey[20:44, 450:452] = 40
    Image.fromarray(grey).save(tmp_path / "x.png")
    assert decoded(tmp_path / "x.png")[0].max() > 200


def test_a_very_wide_line(tmp_path):
    strokes(20_000).save(tmp_path / "x.png")
    columns, _ = decoded(tmp_path / "x.png")
    assert 15_000 < len(columns) < 60_000
    strokes(20_000, 4).save(tmp_path / "flat.png")
    assert "too wide" in reason(tmp_path / "flat.png") or "columns at a height" in reason(tmp_path / "flat.png")


def test_a_narrow_and_a_high_line(tmp_path):
    strokes(70, 300).crop((10, 0, 24, 300)).save(tmp_path / "narrow.png")
    assert "columns at a height of 64 pixels (16 to 200000 can be read)" in reason(tmp_path / "narrow.png")
    high = strokes(3000, 640)
    high.save(tmp_path / "high.png")
    low = decoded_of(high.resize((300, 64), Image.Resampling.BOX), tmp_path)
    columns, facts = decoded(tmp_path / "high.png")
    assert abs(len(columns) - len(low)) <= 3 and facts["size"] == [3000, 640]
    x, y = on_file(facts, 0, 32)
    assert abs(x) < 40 and 200 < y < 440


def decoded_of(picture: Image.Image, folder: Path, **more: Any) -> np.ndarray:
    picture.save(folder / "some.png")
    return decoded(folder / "some.png", **more)[0]


# upright and level -------------------------------------------------------------------------------------------------


@given(slant=st.sampled_from([-0.7, -0.36, 0.0, 0.18, 0.36, 0.58, 0.84]), seed=st.integers(0, 99), height=st.sampled_from([48, 64, 120]))
def test_leaning_strokes_come_back_upright(tmp_path_factory, slant, seed, height):
    path = tmp_path_factory.mktemp("x") / "x.png"
    strokes(6 * height, height, slant, seed=seed).save(path)
    columns, facts = decoded(path)
    assert abs(facts["way"][3] + slant) < 0.1  # a stroke that leans right (slant > 0) has its head at larger x: rows move back
    columns = columns.astype(float)
    heads, feet = columns[:, 10:30].sum(1), columns[:, 36:54].sum(1)
    shifts = range(-12, 13)
    best = max(shifts, key=lambda by: float((np.roll(heads, by) * feet).sum()))
    assert abs(best) <= 3


@given(slant=st.sampled_from([-0.5, 0.0, 0.5]), rise=st.sampled_from([-0.05, 0.0, 0.05]), seed=st.integers(0, 20), times=st.sampled_from([1, 2, 6]))
def test_places_lead_back_to_the_file(tmp_path_factory, slant, rise, seed, times):
    """The ink at a place of the line is the ink at that place of the file."""
    path = tmp_path_factory.mktemp("x") / "x.png"
    picture = strokes(400 * times, 64 * times, slant, rise, seed)
    picture.save(path)
    columns, facts = decoded(path)
    grey = np.asarray(picture, float)
    draw = np.random.default_rng(seed)
    here, there = [], []
    for _ in range(2000):
        column, row = draw.uniform(0, len(columns)), draw.uniform(0, 64)
        x, y = on_file(facts, column, row)
        if 0 <= x < grey.shape[1] and 0 <= y < grey.shape[0]:
            here.append(columns[int(column), int(row)])
            there.append(230 - grey[int(y), int(x)])
    assert len(here) > 1200 and np.corrcoef(here, there)[0, 1] > 0.8


@pytest.mark.parametrize("slant", [-0.6, 0.6])
def test_no_ink_is_lost_where_strokes_lean_out(tmp_path, slant):
    grey = np.full((64, 200), 230, np.uint8)
    for row in range(10, 54):
        for x in (25, 60, 100, 140, 175):
            at = round(x - slant * (row - 32))
            grey[row, max(0, at - 1) : at + 2] = 30
    Image.fromarray(grey).save(tmp_path / "x.png")
    columns, facts = decoded(tmp_path / "x.png")
    assert abs(facts["way"][3]) > 0.5
    ink = (columns > 100).any(1).astype(int)
    assert (np.diff(ink) == 1).sum() + ink[0] == 5  # five strokes, the outer ones with head and foot


def test_a_baseline_that_its_owner_drew_is_followed(tmp_path):
    picture = strokes(400, 64, rise=0.0)
    page = Image.new("L", (600, 300), 230)
    page.paste(picture.rotate(-6, fillcolor=230, expand=True), (50, 60))
    page.save(tmp_path / "x.png")
    corners = ((45, 55), (480, 55), (480, 175), (45, 175))
    drawn = [(60.0, 60 + 55 + 0.105 * 10), (440.0, 60 + 55 + 0.105 * 390)]
    _, facts = decoded(tmp_path / "x.png", cut=Cut(corners, tuple(drawn), (600, 300)))
    assert facts["way"][4] == pytest.approx(0.105, abs=0.01)
    _, level = decoded(tmp_path / "x.png", cut=Cut(corners, ((60.0, 100.0), (60.4, 200.0)), (600, 300)))
    assert level["way"][4] == 0  # a baseline that stands upright is none


# cuts --------------------------------------------------------------------------------------------------------------


def star(middle: tuple[float, float], radius: float) -> tuple[tuple[float, float], ...]:
    """A polygon of five points that crosses itself."""
    return tuple((middle[0] + 3 * radius * np.sin(4 * np.pi * i / 5), middle[1] - radius * np.cos(4 * np.pi * i / 5)) for i in range(5))


def test_a_polygon_that_crosses_itself_holds_all_that_it_encloses(tmp_path):
    grey = np.full((200, 400), 230, np.uint8)
    grey[95:105, 150:250] = 20
    _, left, top, inside = _lines._within(grey, Cut(star((200, 100), 60)))
    assert inside[100 - top, 200 - left] and inside[110 - top, 215 - left] and not inside[0, 0]
    Image.fromarray(grey).save(tmp_path / "x.png")
    assert decoded(tmp_path / "x.png", cut=Cut(star((200, 100), 60)))[0].max() > 200


def test_what_lies_outside_of_a_polygon_is_paper(tmp_path):
    page = Image.new("L", (400, 200), 230)
    page.paste(strokes(300, 64), (50, 60))
    alone, other = page.copy(), page.copy()
    ImageDraw.Draw(other).rectangle((0, 140, 400, 200), fill=10)
    cut = Cut(((50, 60), (350, 60), (350, 124), (50, 124)), (), (400, 200))
    assert np.array_equal(decoded_of(alone, tmp_path, cut=cut), decoded_of(other, tmp_path, cut=cut))


@pytest.mark.parametrize(
    ("polygon", "said"),
    [
        (((1, 1), (2, 2)), "fewer than three points"), ((), "fewer than three points"), (((500, 1), (600, 1), (600, 50)), "outside of the page"),
        (((10, 10), (10, 10), (10, 10)), "holds no pixels"), (((1, 1), (float("nan"), 2), (3, 3)), "fewer than three points"),
    ],
)
def test_polygons_of_nothing(tmp_path, polygon, said):
    strokes().save(tmp_path / "x.png")
    assert said in reason(tmp_path / "x.png", cut=Cut(polygon))
