"""The page of handwriting: letter sheets by scribe, units over their lines, pictures only, and no word of sound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import made_lines as made
import numpy as np
import pytest
from headless import Browser, program
from PIL import Image

from untold.commands import report
from untold.formats.picture import as_written
from untold.report import page
from untold.report.data import PageData, Span
from untold.report.gather import gather
from untold.report.survey import look


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RUN folder with its page."""
    folder = tmp_path_factory.mktemp("run")
    corpus, units = made.corpus()
    made.accompany(folder)
    whole = corpus[0].signal.read(0, corpus[0].signal.steps)
    hands = [(corpus[0].id, corpus[0].speaker, name, whole, whole / 2) for name in ("b", "c")]
    data = gather(corpus, units, folder, method="lines", tier="characters", conversions=hands, reconstruct=lambda line: line.signal.read(0, line.signal.steps) / 2)
    page.write(folder, data)
    return folder


def text(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def body(folder: Path) -> str:
    """What a person reads: no styles, no scripts, no tags, but what a tag says when it is pointed at or read aloud."""
    html = re.sub(r"<(style|script)\b.*?</\1>", " ", text(folder).split("<body", 1)[1], flags=re.S)
    said = re.findall(r'(?:title|alt|aria-label)="([^"]*)"', html)
    return re.sub(r"<[^>]*>", " ", html) + " ".join(said)


def inked(folder: Path, name: str) -> np.ndarray:
    """Which columns of a picture hold ink."""
    grey = np.asarray(Image.open(folder / "pictures" / name).convert("L"))
    assert len(grey) == 64
    return np.asarray((grey < 128).any(0))


def test_no_word_of_sound_and_no_sound(run: Path) -> None:
    said = body(run)
    found = re.findall(r"\b(?:speakers?|speaks?|spectrograms?|seconds?|recordings?|hear|heard|sounds?|voices?|audio|play|phones?|silence|ms)\b", said, re.I)
    assert found == []
    for word in ("scribes", "Lines, in units", "hide blank", "median 16 px", "another scribe's hand", "in the hand of", "right in 0.620 of the cases, more often than with columns (0.500)"):
        assert word in said.replace("&#39;", "'"), word
    assert not (run / "sounds").exists()
    assert '<button class="play"' not in text(run)


def test_names_are_text_and_nothing_is_loaded(run: Path) -> None:
    html = text(run)
    assert "<script>alert(" not in html and "<img src=x onerror" not in html
    assert "&lt;img src=x onerror" in html
    assert "default-src 'none'" in html
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', html)
    assert not re.search(r"\son[a-z]+=\"", html)


def test_strokes_and_boxes_are_writing_and_paper_is_blank() -> None:
    survey = look(*made.corpus(), "characters")
    assert [survey.kind(token) for token in (made.STROKE, made.BOX, made.BLANK)] == ["writing", "writing", "blank"]
    assert survey.median(made.STROKE) == 16 and survey.median(made.BOX) == 32  # pixels
    alike = survey.likeness()
    assert alike[made.STROKE, made.BOX] < 0.9


def test_a_letter_sheet_is_sorted_by_scribe_and_its_frames_lie_on_the_letters(run: Path) -> None:
    data = PageData.read(run)
    stroke = next(unit for unit in data.units if unit.token == made.STROKE)
    scribes = [e.speaker for e in stroke.exemplars]
    assert len(scribes) == 16 and scribes == sorted(scribes, key=lambda name: int(name.removeprefix(made.HOSTILE)))
    assert min(scribes.count(name) for name in set(scribes)) >= 2 and len(set(scribes)) == 3
    assert {e.label for e in stroke.exemplars} == {"i"}
    for e in stroke.exemplars:  # the stroke begins two pixels behind the unit's beginning, on whichever side that is
        columns = inked(run, e.picture)[round(e.unit_start) : round(e.unit_end)]
        leftward = e.speaker.endswith("9")
        assert len(columns) == 16 and columns[:: -1 if leftward else 1].tolist() == [False] * 2 + [True] * 4 + [False] * 10
    assert body(run).count("unit 0 in i") == 16


def test_lines_are_shown_as_they_were_written(run: Path) -> None:
    corpus, _ = made.corpus()
    data = PageData.read(run)
    assert data.axis == "pixel" and {one.speaker for one in data.shown} == set(corpus.speakers)
    for one in data.shown:
        line = next(r for r in corpus if r.id == one.id)
        assert inked(run, one.picture).tolist() == (as_written(line.signal.read(0, line.signal.steps), line.sides) > 0.5).any(1).tolist()
        tokens = [span.token for span in one.units]
        assert tokens == list(made.TOKENS if "direction" not in line.sides else made.TOKENS[::-1])
        for span in one.units:
            assert inked(run, one.picture)[round(span.start) : round(span.end)].any() == (span.token != made.BLANK)
        assert [p.label for p in one.phones if p.label] == [label for label in (("i", made.HOSTILE, "")[t] for t in tokens) if label]
        assert one.text.endswith("i o o i i o")


def test_a_line_in_several_hands_stands_once_beside_them(run: Path) -> None:
    data = PageData.read(run)
    assert [pair.after.speaker for pair in data.conversions] == ["b", "c"]
    assert text(run).count("in the hand of <b>") == 2
    first = text(run).split("another scribe")[1]
    assert first.count(f"<b>{data.conversions[0].before.speaker}</b>".replace(made.HOSTILE, "&lt;img src=x onerror=alert(1)&gt;")) == 1
    assert all(pair.before.sound == pair.after.sound == "" for pair in (*data.reconstructions, *data.conversions))


def test_report_makes_the_same_page_again(run: Path) -> None:
    before = text(run)
    assert report.run(run, quiet=True) == run / "report.html"
    assert text(run) == before


def test_what_is_absent_is_named(tmp_path: Path) -> None:
    html = page.write(tmp_path, gather(*made.corpus(), tmp_path, method="lines", tier="letters")).read_text(encoding="utf-8")
    for line in ("no tier &#39;letters&#39;", "Reconstructions: nothing was given that draws lines", "another scribe&#39;s hand: none was made"):
        assert line in html, line


def test_long_lines_are_shown_in_part_from_where_they_begin(tmp_path: Path) -> None:
    corpus, units = made.corpus(scribes=1, each=1)
    line = corpus[0]
    assert line.sides["direction"] == "rtl"
    many = np.tile(line.signal.read(0, line.signal.steps), (10, 1))
    many[:8] = 1  # where a reader begins
    long = type(line)(line.id, {"line": made.Line(many)}, line.sides)
    data = gather(type(corpus)([long]), {line.id: units[line.id]}, tmp_path, method="lines")
    assert data.shown[0].length == 1600
    assert inked(tmp_path, data.shown[0].picture)[-8:].all()
    assert data.shown[0].units[-1] == Span(1600 - 16.0, 1600.0, "0", 0)


@pytest.fixture
def browser() -> Iterator[Browser]:
    if program() is None:
        pytest.skip("chromium is not installed")
    opened = Browser()
    yield opened
    opened.close()


def test_in_a_browser(run: Path, browser: Browser) -> None:
    browser.open(run / "report.html")
    assert browser.value("Promise.all([...document.images].map(i => (i.loading = 'eager', i.decode()))).then(() => true)")
    browser.click(".tier.units button:nth-child(3)")
    browser.until("document.querySelector('.told').textContent.startsWith('Unit 1, 32 to 64 px.')")
    browser.click(".told a")
    browser.until("document.activeElement.id === 'unit-1'")
    ratios = browser.value("[...document.querySelectorAll('.sheet img, .exemplar img')].map(i => i.clientWidth / i.clientHeight * i.naturalHeight / i.naturalWidth)")
    assert all(abs(ratio - 1) < 0.06 for ratio in ratios), "letters must not be stretched"
    shown = "[...document.querySelectorAll('.unit')].filter(u => !u.hidden).map(u => u.dataset.token).join()"
    assert browser.value(shown).endswith("2")  # blank paper stands last
    browser.click("#silence")
    browser.until(f"({shown}).length === 3")
    browser.press("Escape")
    assert browser.value("document.documentElement.dataset.played === undefined")
    browser.ask("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
    assert browser.value("document.documentElement.scrollWidth") <= 390
    assert browser.problems == []
