"""Units of lines on their pages: `tokenize --format page,alto`, and what has no room in a format."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from untold import cli
from untold.formats import alto, page

from ..corpora.test_lines import strokes
from ..corpora.test_pages import as_alto, as_page, picture
from .speech import speech


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path_factory.mktemp("cache")))


def run(*words: object) -> int:
    return cli.main([*map(str, words), "--quiet", "--threads", "1"])


@pytest.fixture(name="pages")
def _pages(tmp_path) -> Path:
    folder = tmp_path / "pages"
    for name in ("a/1", "a/2"):
        picture(folder / f"{name}.png")
    as_alto(folder / "a" / "1.xml", "1.png")
    as_page(folder / "a" / "2.xml", "2.png")
    return folder


@pytest.fixture(name="codebook", scope="module")
def _codebook(tmp_path_factory) -> Path:
    """Six kinds of columns."""
    folder = tmp_path_factory.mktemp("codebook")
    (folder / "lines").mkdir()
    strokes(600).save(folder / "lines" / "1.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTOLD_CACHE", str(folder / "cache"))
        assert run("codebook", "columns", folder / "lines", "--size", 6, "--out", folder / "codebook") == 0
    return folder / "codebook"


def local(element) -> str:
    return element.tag.rpartition("}")[2]


def glyphs(path: Path) -> dict[str, list[tuple[int, np.ndarray]]]:
    """Line -> tokens and their corners, read with the standard library alone."""
    found: dict[str, list[tuple[int, np.ndarray]]] = {}
    for line in (e for e in ET.parse(path).iter() if local(e) == "TextLine"):
        rows = found.setdefault(line.get("ID") or line.get("id") or "", [])
        for glyph in (e for e in line.iter() if local(e) == "Glyph"):
            points = next(e.get("POINTS") or e.get("points") or "" for e in glyph.iter() if local(e) in ("Polygon", "Coords"))
            corners = np.array([float(v) for v in points.replace(",", " ").split()]).reshape(-1, 2)
            text = next((e.text for e in glyph.iter() if local(e) == "Unicode"), None)
            rows.append((int(text) if text else alto.token_of(glyph.get("CONTENT", "")) or 0, corners))
    return found


def units(folder: Path) -> dict[str, dict]:
    lines = (folder / "units.jsonl").read_text().splitlines()
    return {told["audio"].rpartition(".")[0]: told for told in map(json.loads, lines)}


def test_the_own_file_of_a_page_gets_glyphs_and_the_other_format_is_made(pages, codebook, tmp_path):
    assert run("tokenize", codebook, pages, "--out", tmp_path / "out", "--format", "page,alto") == 0
    told = units(tmp_path / "out")
    assert set(told) == {f"a/{p}/l{i}" for p in (1, 2) for i in range(3)}
    for name in ("a/1", "a/2"):
        for ending in ("alto", "page"):
            found = glyphs(tmp_path / "out" / f"{name}.{ending}.xml")
            for line, rows in found.items():
                line_units = told[f"{name}/{line}"]
                assert [token for token, _ in rows] == line_units["units"] and len(rows) > 3
                lefts = [float(corners[:, 0].mean()) for _, corners in rows]
                assert lefts == sorted(lefts)
                top = 20 + 90 * int(line[1])
                corners = np.concatenate([c for _, c in rows])
                assert corners[:, 0].min() < 60 and corners[:, 0].max() > 280 and top - 25 < corners[:, 1].min() < corners[:, 1].max() < top + 85
                widths = np.array([np.ptp(c[:2, 0]) for _, c in rows])
                steps = np.array(line_units["durations"], float)
                assert np.corrcoef(widths, steps)[0, 1] > 0.8
    assert alto.read(tmp_path / "out" / "a" / "1.alto.xml") == alto.read(pages / "a" / "1.xml")
    assert page.read(tmp_path / "out" / "a" / "2.page.xml") == page.read(pages / "a" / "2.xml")
    other = page.read(tmp_path / "out" / "a" / "1.page.xml")
    assert [line.text for line in other.lines] == ["text l0", "text l1", "text l2"] and other.picture == "1.png"


def test_a_line_without_xml_is_a_page_of_its_own(codebook, tmp_path):
    folder = tmp_path / "lines" / "anna"
    folder.mkdir(parents=True)
    strokes().save(folder / "1.png")
    (folder / "1.txt").write_text("een regel")
    assert run("tokenize", codebook, tmp_path / "lines", "--out", tmp_path / "out", "--format", "alto,page") == 0
    told = units(tmp_path / "out")["anna/1"]
    for ending, module in (("alto", alto), ("page", page)):
        path = tmp_path / "out" / "anna" / f"1.{ending}.xml"
        read = module.read(path)
        assert read.picture == "1.png" and read.size == (300, 64) and [line.text for line in read.lines] == ["een regel"]
        (rows,) = glyphs(path).values()
        assert [token for token, _ in rows] == told["units"]


def test_lines_from_right_to_left_have_their_first_unit_at_the_right(codebook, tmp_path):
    (tmp_path / "lines").mkdir()
    strokes().save(tmp_path / "lines" / "1.png")
    (tmp_path / "lines" / "1.txt").write_text("שלום", encoding="utf-8")
    assert run("tokenize", codebook, tmp_path / "lines", "--out", tmp_path / "out", "--format", "page") == 0
    (rows,) = glyphs(tmp_path / "out" / "1.page.xml").values()
    lefts = [float(corners[:, 0].mean()) for _, corners in rows]
    assert lefts == sorted(lefts, reverse=True) and lefts[0] > 200


@pytest.mark.parametrize("kind", ["textgrid", "elan", "ctm"])
def test_formats_of_sound_have_no_room_for_lines(pages, codebook, tmp_path, capsys, kind):
    assert run("tokenize", codebook, pages, "--out", tmp_path / "out", "--format", kind) == 1
    said = capsys.readouterr().err
    assert said == f"untold: error: --format {kind} holds times of sound, and these are lines of handwriting: write page or alto\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["page", "alto"])
def test_formats_of_pages_have_no_room_for_sound(tmp_path, capsys, kind):
    source = speech(tmp_path / "speech")
    assert run("codebook", "mfcc", source, "--size", 4, "--out", tmp_path / "cb") == 0
    capsys.readouterr()
    assert run("tokenize", tmp_path / "cb", source, "--out", tmp_path / "out", "--format", kind) == 1
    assert f"--format {kind} holds places on pages, and these are recordings of sound" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_drawn_lines_have_no_picture_to_lie_on(codebook, shared, tmp_path, capsys):
    assert run("tokenize", codebook, f"mnist:{shared / 'data' / 'mnist'}", "--limit", 2, "--out", tmp_path / "out", "--format", "page") == 1
    assert "are drawn when they are read: write jsonl" in capsys.readouterr().err
