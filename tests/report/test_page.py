"""The page holds what was found as text, opens from disk, plays, and asks nothing of any network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import made_sounds as made
import numpy as np
import pytest
from headless import Browser, program

from untold.commands import report
from untold.errors import UntoldError
from untold.report import page
from untold.report.data import PageData
from untold.report.gather import gather


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RUN folder with its page."""
    folder = tmp_path_factory.mktemp("run")
    corpus, units = made.corpus()
    made.accompany(folder)
    converted = [(corpus[0].id, made.HOSTILE, "b", np.zeros(16000, np.float32), np.zeros(8000, np.float32))]
    health = [("good", f"All is well with {made.SCRIPT}."), ("bad", "One unit eats all.")]
    data = gather(corpus, units, folder, method="vq_vae", health=health, conversions=converted,
                  reconstruct=lambda recording: recording.signals["audio"].read(0, 8000))
    page.write(folder, data)
    return folder


def text(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_names_are_text_and_nothing_is_loaded(run: Path) -> None:
    html = text(run)
    assert "<script>alert(" not in html and "<img src=x onerror" not in html
    assert "&lt;img src=x onerror" in html  # the name is there, as text
    assert "Content-Security-Policy" in html and "default-src &#39;none&#39;" in html.replace("'", "&#39;")
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', html)
    assert not re.search(r"\son[a-z]+=\"", html)


def test_the_page_says_what_was_found(run: Path) -> None:
    html = text(run)
    for said in ("near a", "silence", "noise-like", "0.120", "0.193"[:4], "Reconstructions beside originals", "another voice", "untold discover"):
        assert said in html, said
    assert "nats per frame" in html


def test_report_makes_the_same_page_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = text(run)
    assert report.run(run, quiet=True) == run / "report.html"
    assert text(run) == before
    assert capsys.readouterr().out.strip().endswith("report.html")


def test_what_is_absent_is_named(tmp_path: Path) -> None:
    corpus, units = made.corpus(speakers=1, labels=False)
    data = gather(corpus, units, tmp_path, method="mixture")
    html = page.write(tmp_path, data).read_text(encoding="utf-8")
    for line in ("no tier", "no scores.csv", "no progress.jsonl", "Reconstructions:", "Conversions"):
        assert line in html, line
    assert all(not unit.name and not unit.phones for unit in data.units)


def test_no_unit_at_all(tmp_path: Path) -> None:
    corpus, _ = made.corpus()
    data = gather(corpus, {}, tmp_path, method="mixture")
    assert data.units == () and page.write(tmp_path, data).is_file()


@pytest.mark.parametrize(("content", "words"), [
    (None, "no report.json"), ("[1]", "not an object"), ('{"title": 3}', "title"), ("{", "not readable as JSON"),
])
def test_a_damaged_run_is_a_sentence(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(UntoldError, match=words):
        report.run(tmp_path)


def test_a_name_cannot_lead_out_of_the_run(run: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "secret.ogg").write_bytes(b"SECRET")
    for name in ("../../secret.ogg", "..", "/etc/passwd"):
        (tmp_path / "run/report.json").write_text((run / "report.json").read_text(encoding="utf-8").replace("unit-0.ogg", name), encoding="utf-8")
        with pytest.raises(UntoldError):
            report.run(tmp_path / "run")


def test_data_survives_its_file(run: Path, tmp_path: Path) -> None:
    data = PageData.read(run)
    data.write(tmp_path)
    assert PageData.read(tmp_path) == data


@pytest.fixture
def browser() -> Iterator[Browser]:
    if program() is None:
        pytest.skip("chromium is not installed")
    opened = Browser()
    yield opened
    opened.close()


def test_in_a_browser(run: Path, browser: Browser) -> None:
    browser.open(run / "report.html")
    assert browser.value("[...document.images].every(image => image.src.startsWith('data:'))")
    assert browser.value("Promise.all([...document.images].map(i => (i.loading = 'eager', i.decode()))).then(() => true)")

    played = "Number(document.documentElement.dataset.played || 0)"
    clicks = ("#unit-0 .exemplar", "#unit-1 .play", ".take .play", ".tier.units button:nth-child(2)", ".pair .play", ".take .sheet")
    for times, selector in enumerate(clicks, 1):
        browser.click(selector)
        browser.until(f"{played} === {times}")
    browser.press("Escape")
    browser.until("document.querySelectorAll('.playing').length === 0")
    browser.click("#unit-0 .exemplar")
    browser.until("document.querySelectorAll('.playing').length === 1")
    browser.until("document.querySelectorAll('.playing').length === 0")  # it ends by itself

    shown = "[...document.querySelectorAll('.unit')].filter(u => !u.hidden).map(u => u.dataset.token).join()"
    assert browser.value(shown) == "0,1,2"
    browser.click("#silence")
    browser.until(f"({shown}) === '0,1'")
    browser.click("#noise")
    browser.until(f"({shown}) === '0' && document.getElementById('visible').textContent === '1 unit'")
    browser.value("location.hash = '#unit-2'")
    browser.until(f"({shown}).includes('2')")  # a link shows what was hidden
    browser.value("(o => { o.value = 'median'; o.dispatchEvent(new Event('change', {bubbles: true})); })(document.getElementById('order'))")
    medians = browser.value("[...document.querySelectorAll('.unit:not(.silence)')].map(u => Number(u.dataset.median))")
    assert medians == sorted(medians, reverse=True)
    browser.value("document.querySelector('.tier.units button').focus()")
    browser.press("ArrowRight")
    assert browser.value("document.activeElement === document.querySelectorAll('.tier.units button')[1]")
    assert browser.problems == []


def test_on_a_telephone_nothing_sticks_out(run: Path) -> None:
    if program() is None:
        pytest.skip("chromium is not installed")
    browser = Browser()
    try:
        browser.ask("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
        browser.open(run / "report.html")
        assert browser.value("document.documentElement.scrollWidth") <= 390
        assert browser.problems == []
    finally:
        browser.close()


def test_where_there_is_no_unit_it_is_said_and_counts_as_time(run: Path, tmp_path: Path) -> None:
    corpus, units = made.corpus()
    thin = {name: replace(mine, tokens=mine.tokens[::2], starts=mine.starts[::2], ends=mine.ends[::2]) for name, mine in units.items()}
    made.accompany(tmp_path)
    data = gather(corpus, thin, tmp_path, method="nms")
    seconds = sum(float((mine.ends - mine.starts).sum() / mine.grid.rate) for mine in thin.values())
    assert sum(unit.share for unit in data.units) == pytest.approx(seconds / float(corpus.length), abs=0.02)
    page.write(tmp_path, data)
    assert "% of the time there is no unit." in text(tmp_path)
    assert "there is no unit" not in text(run)
