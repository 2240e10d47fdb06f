"""Item files: read exactly, written exactly, refused in words."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from untold.errors import UntoldError
from untold.formats.item import HEADER, Item, Names, decimal, read_items, write_items

WORD = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=8)


def test_reads_the_known_items(shared):
    items = read_items(shared / "reference/abx-known-answers/phone.item")
    assert len(items) == 4239
    assert items[0] == Item(
        "dr1-fvmh0_sa1", Fraction(4883, 10000), Fraction(5942, 10000), "sh", "sil", "iy", "dr1-fvmh0"
    )


@given(
    st.lists(
        st.tuples(WORD, st.integers(0, 10**9), st.integers(0, 10**6), WORD, WORD, WORD, WORD), min_size=1, max_size=5
    )
)
def test_what_is_written_is_read_back_exactly(tmp_path_factory, rows):
    items = [Item(f, Fraction(a, 16000), Fraction(a + n, 16000), p, q, r, s) for f, a, n, p, q, r, s in rows]
    path = tmp_path_factory.mktemp("item") / "a.item"
    assert write_items(path, items) == len(items)
    assert path.read_text(encoding="utf-8").split("\n")[0] == HEADER
    assert read_items(path) == items


@given(st.fractions(0, 10**5, max_denominator=48000))
def test_decimals_are_within_half_a_last_place(seconds):
    assert abs(Fraction(decimal(seconds)) - seconds) <= Fraction(1, 2 * 10**12)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#file onset offset #phone prev-phone next-phone\na 0 1 p q r\n", "the column 'speaker' is missing"),
        (HEADER + "\na 0 1 p q r\n", "line 2: 6 columns where the header has 7"),
        (HEADER + "\na 0 nan p q r s\n", "line 2: 'nan' is no time"),
        (HEADER + "\na 0 1e400 p q r s\n", "is no time"),
        (HEADER + "\na 0 1e999999999 p q r s\n", "is no time"),
        (HEADER + "\na 2 1 p q r s\n", "an item from 2 to 1 s"),
        (HEADER + "\na -1 1 p q r s\n", "an item from -1 to 1 s"),
        (HEADER + "\n", "holds no items"),
        ("", "is no item file"),
        ("a 0 1 p q r s\n", "is no item file"),
    ],
)
def test_malformed_files_are_named_in_one_line(tmp_path, text, says):
    path = tmp_path / "bad.item"
    path.write_text(text)
    with pytest.raises(UntoldError, match=r"bad\.item") as error:
        read_items(path)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "bad.item"
    path.write_bytes(HEADER.encode() + b"\na 0 1 \xff\xfe q r s\n")
    with pytest.raises(UntoldError, match="not text in UTF-8"):
        read_items(path)


def test_columns_may_stand_in_another_order(tmp_path):
    path = tmp_path / "a.item"
    path.write_text("#file speaker #phone onset offset next-phone prev-phone\nf s p 1 2 n v\n")
    assert read_items(path) == [Item("f", Fraction(1), Fraction(2), "p", "v", "n", "s")]


def test_names_with_spaces_are_not_written_and_leave_no_file(tmp_path):
    with pytest.raises(UntoldError, match="'two words'"):
        write_items(tmp_path / "a.item", [Item("two words", Fraction(0), Fraction(1), "p", "q", "r", "s")])
    assert not list(tmp_path.iterdir())


def test_a_file_is_found_as_id_then_flat_then_as_a_unique_stem():
    names = Names(["s1/a", "s1/b", "s2/b", "x_y", "x/y", "p/q_r", "p_q/r"])
    assert Names(["s_a"]).find("s/a") == "s_a"
    assert [names.find(f) for f in ("s1/a", "s1_a", "a", "s2_b", "x_y", "nobody")] == [
        "s1/a",
        "s1/a",
        "s1/a",
        "s2/b",
        "x_y",
        None,
    ]
    with pytest.raises(UntoldError, match="'b' may be 's1/b' or 's2/b'"):
        names.find("b")
    with pytest.raises(UntoldError, match="may be 'p/q_r' or 'p_q/r'"):
        names.find("p_q_r")
