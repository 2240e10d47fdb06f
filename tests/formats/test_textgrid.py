"""TextGrids: Praat's forms and encodings in, exact times, damage in one line, and a peer reads what we write."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from untold.contract import Interval
from untold.errors import UntoldError
from untold.formats import textgrid

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "say ""words"" 12"
        xmin = 0
        xmax = 1.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.1234567890123456
            text = ""
        intervals [2]:
            xmin = 0.1234567890123456
            xmax = 0.9
            text = "a ""b"" ! 3 <exists>"
        intervals [3]:
            xmin = 0.9
            xmax = 1.5
            text = "ʃø"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 1.5
        points: size = 1
        points [1]:
            number = 0.25
            mark = "click"
    item [3]:
        class = "IntervalTier"
        name = "clicks"
        xmin = 0
        xmax = 1.5
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1.5
            text = " "
"""
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
1.5
<exists>
3
"IntervalTier"
"say ""words"" 12"
0
1.5
3
0
0.1234567890123456
""
0.1234567890123456
0.9
"a ""b"" ! 3 <exists>"
0.9
1.5
"ʃø"
"TextTier" ! a remark "of ours"
"clicks"
0
1.5
1
0.25
"click"
"IntervalTier"
"clicks"
0
1.5
1
0
1.5
" "
"""
HELD = {
    'say "words" 12': [
        Interval(Fraction("0.1234567890123456"), Fraction("0.9"), 'a "b" ! 3 <exists>'),
        Interval(Fraction("0.9"), Fraction("1.5"), "ʃø"),
    ],
    "clicks": [Interval(Fraction(1, 4), Fraction(1, 4), "click")],
    "clicks (2)": [],
}


@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "windows"])
def test_both_forms_in_every_encoding(tmp_path, text, encoding):
    path = tmp_path / "a.TextGrid"
    if encoding == "windows":
        data = text.replace("\n", "\r\n").encode()
    else:
        mark = "\ufeff" if encoding in ("utf-16-be", "utf-16-le") else ""
        data = (mark + text).encode(encoding)
    path.write_bytes(data)
    assert textgrid.read(path) == HELD


def test_latin_1_as_old_praat_wrote_it(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(LONG.replace("ʃø", "ø").encode("latin-1"))
    assert next(iter(textgrid.read(path).values()))[1].label == "ø"


def test_a_grid_without_tiers(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text('File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2\n<absent>\n')
    assert textgrid.read(path) == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("xmax = 0.9\n", "xmax = 0.05\n", "run back"),
        ("number = 0.25", "number = 1e999999999", "no time|beyond"),
        ("number = 0.25", "number = nan", "ends too early|stands where"),
        ("number = 0.25", "number = 99999999999", "beyond any recording"),
        ("size = 3\nitem", "size = 33333\nitem", "none|ends too early"),
        ("intervals: size = 3", "intervals: size = 9999999", "stands where a number is due"),
        ("intervals: size = 3", "intervals: size = -1", "a count of -1"),
        ('"TextTier"', '"Manipulation"', "unknown class"),
        ('"ooTextFile"', '"ooTextFil"', "no TextGrid"),
        ('mark = "click"', 'mark = "click', "never closed|stands where|ends too early|unknown class"),
        ("clicks", "cli\0cks", "zero bytes"),
    ],
)
def test_damage_is_one_line(tmp_path, old, new, said):
    path = tmp_path / "a.TextGrid"
    assert old in LONG
    path.write_text(LONG.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UntoldError, match=said) as raised:
        textgrid.read(path)
    assert "\n" not in str(raised.value) and str(raised.value).startswith(str(path))


def test_random_damage_never_ends_in_anything_else(tmp_path):
    path = tmp_path / "a.TextGrid"
    draw = random.Random(7)
    for _ in range(400):
        data = bytearray(LONG.encode("utf-16" if draw.random() < 0.3 else "utf-8"))
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(data))
            data[at : at + draw.randint(0, 12)] = draw.choice(
                [b"", b"nan", b"-1e309", b"\xff\xfe", b"1e400", b"\t\t", b"\0" * 8, b'"', bytes([draw.randrange(256)])]
            )
        path.write_bytes(bytes(data))
        try:
            for rows in textgrid.read(path).values():
                assert all(row.start <= row.end for row in rows)
        except UntoldError as error:
            assert "\n" not in str(error)


def test_no_such_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.TextGrid", tmp_path):
        with pytest.raises(UntoldError):
            textgrid.read(path)


labels = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6).filter(lambda s: s.strip())


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 300), labels), max_size=8), st.text("ab\" <!", min_size=1, max_size=5))
def test_written_tiers_are_read_back(tmp_path_factory, parts, name):
    rows, at = [], Fraction(0)
    for gap, length, label in parts:
        start = at + Fraction(gap, 16000)
        at = start + Fraction(length, 16000)
        rows.append(Interval(start, at, label))
    path = tmp_path_factory.mktemp("grid") / "a.TextGrid"
    textgrid.write(path, {name: rows, "empty": []}, at + 1)
    assert textgrid.read(path) == {name: rows, "empty": []}


def test_a_peer_reads_what_we_write(tmp_path):
    textgrids = pytest.importorskip("textgrids", reason="needs praat-textgrids (the group dev)")
    path = tmp_path / "a.TextGrid"
    rows = [Interval(Fraction(1, 100), Fraction(3, 100), "7"), Interval(Fraction(3, 100), Fraction(1, 3), 'a "b" c')]
    textgrid.write(path, {"units": rows}, Fraction(1, 2))
    grid = textgrids.TextGrid(str(path))
    assert list(grid) == ["units"] and grid.xmax == 0.5
    told = [(i.xmin, i.xmax, str(i.text).replace('""', '"')) for i in grid["units"]]
    assert told == [(0.0, 0.01, ""), (0.01, 0.03, "7"), (0.03, pytest.approx(1 / 3), 'a "b" c'), (pytest.approx(1 / 3), 0.5, "")]


def test_a_peer_reads_real_files_as_we_do(shared):
    textgrids = pytest.importorskip("textgrids", reason="needs praat-textgrids (the group dev)")
    count = 0
    for path in sorted((shared / "data/voxangeles").glob("[a-h]*/*.TextGrid"))[::7]:
        grid, ours = textgrids.TextGrid(str(path)), textgrid.read(path)
        assert list(grid) == list(ours)
        for name, tier in grid.items():
            told = [(float(row.start), float(row.end), row.label) for row in ours[name]]
            assert told == [(i.xmin, i.xmax, str(i.text)) for i in tier if str(i.text).strip()]
            count += len(told)
    assert count > 50


def test_intervals_that_overlap_are_not_written(tmp_path):
    rows = [Interval(Fraction(0), Fraction(2), "a"), Interval(Fraction(1), Fraction(3), "b")]
    with pytest.raises(UntoldError, match="overlaps"):
        textgrid.write(tmp_path / "a.TextGrid", {"words": rows}, Fraction(3))
    assert not any(tmp_path.iterdir())
