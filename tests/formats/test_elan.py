"""ELAN files: times, references, participants in; units beside the user's own tiers out; strangers' XML harmless."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from untold.contract import Interval
from untold.errors import UntoldError
from untold.formats import elan


def document(body: str, slots: str = "", before: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<ANNOTATION_DOCUMENT AUTHOR="me" DATE="2020-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">'
        '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"><PROPERTY NAME="mine">kept</PROPERTY></HEADER>'
        f"<TIME_ORDER>{slots}</TIME_ORDER>{body}"
        '<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="utterance" TIME_ALIGNABLE="true"/></ANNOTATION_DOCUMENT>'
    )


def slots(*times: int | None) -> str:
    told = [f'TIME_VALUE="{t}"' if t is not None else "" for t in times]
    return "".join(f'<TIME_SLOT TIME_SLOT_ID="ts{i}" {value}/>' for i, value in enumerate(told, 1))


def aligned(name: str, first: int, second: int, text: str) -> str:
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}" TIME_SLOT_REF1="ts{first}" TIME_SLOT_REF2="ts{second}">'
        f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
    )


def referring(name: str, parent: str, text: str, previous: str = "") -> str:
    chain = f'PREVIOUS_ANNOTATION="{previous}"' if previous else ""
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{name}" ANNOTATION_REF="{parent}" {chain}>'
        f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )


def tier(name: str, content: str, more: str = "") -> str:
    return f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="utterance" {more}>{content}</TIER>'


@pytest.fixture(name="eaf")
def _eaf(tmp_path):
    body = (
        tier("ref@Mary", aligned("a1", 1, 4, "two words") + aligned("a2", 5, 6, ""), 'PARTICIPANT=" Mary "')
        + tier("words", aligned("a3", 1, 2, "x") + aligned("a4", 2, 3, "y") + aligned("a5", 3, 4, "z"), 'PARENT_REF="ref@Mary"')
        + tier("gloss", referring("a7", "a6", "late") + referring("a6", "a1", "both"), 'PARENT_REF="ref@Mary"')
        + tier("parts", referring("a9", "a1", "second", "a8") + referring("a8", "a1", "first"), 'PARENT_REF="ref@Mary"')
        + tier("noise", aligned("a10", 5, 6, "bell"))
    )
    path = tmp_path / "own.eaf"
    path.write_text(document(body, slots(1000, None, None, 4000, 5000, 6500)), encoding="utf-8")
    return path


def test_times_participants_and_references(eaf):
    told = elan.read(eaf)
    assert told.participants == {"ref@Mary": "Mary"}
    assert told.utterance_tiers == ["ref@Mary"]
    assert told.tiers["ref@Mary"] == [Interval(Fraction(1), Fraction(4), "two words"), Interval(Fraction(5), Fraction(13, 2), "")]
    assert told.tiers["words"] == [Interval(Fraction(i), Fraction(i + 1), label) for i, label in enumerate("xyz", 1)]
    assert told.tiers["gloss"] == [Interval(Fraction(1), Fraction(4), "late"), Interval(Fraction(1), Fraction(4), "both")]
    half = Fraction(5, 2)
    assert told.tiers["parts"] == [Interval(Fraction(1), half, "first"), Interval(half, Fraction(4), "second")]


def test_units_join_a_copy_of_the_users_own_file(eaf, tmp_path):
    before, units = eaf.read_bytes(), [Interval(Fraction(1, 3), Fraction(2), "7"), Interval(Fraction(2), Fraction(5, 2), "12")]
    out = tmp_path / "out" / "own.eaf"
    elan.write(out, {"units": units}, Path("/sound/own.wav"), eaf)
    elan.write(out, {"units": units[:1]}, Path("/sound/own.wav"), out)
    assert eaf.read_bytes() == before
    told, own = elan.read(out), elan.read(eaf)
    assert {name: told.tiers[name] for name in own.tiers} == own.tiers and told.participants == own.participants
    assert told.tiers["units"] == [Interval(Fraction(333, 1000), Fraction(2), "7"), Interval(Fraction(2), Fraction(5, 2), "12")]
    assert [row.label for row in told.tiers["units-2"]] == ["7"]
    text = out.read_text(encoding="utf-8")
    assert "kept" in text and text.index("<TIER") < text.index("<LINGUISTIC_TYPE")


def test_a_piece_of_a_long_recording_is_placed_in_it(tmp_path):
    out = tmp_path / "a.eaf"
    elan.write(out, {"units": [Interval(Fraction(1), Fraction(2), "3")]}, tmp_path / "a.wav", start=Fraction(60))
    assert elan.read(out).tiers["units"] == [Interval(Fraction(61), Fraction(62), "3")]


@pytest.mark.parametrize("own", [True, False], ids=["own file", "fresh file"])
def test_a_peer_reads_what_we_write(eaf, tmp_path, own):
    pympi = pytest.importorskip("pympi", reason="needs pympi-ling (the group dev)")
    out = tmp_path / "new.eaf"
    elan.write(out, {"units": [Interval(Fraction(0), Fraction(2), "<&7>")]}, tmp_path / "höre 1.wav", eaf if own else None)
    file = pympi.Elan.Eaf(str(out))
    assert file.get_annotation_data_for_tier("units") == [(0, 2000, "<&7>")]
    assert set(file.get_tier_names()) == ({"ref@Mary", "words", "gloss", "parts", "noise", "units"} if own else {"units"})
    if own:
        assert (5000, 6500, "bell") in file.get_annotation_data_for_tier("noise")
    else:
        assert file.media_descriptors[0]["MEDIA_URL"].endswith("h%C3%B6re%201.wav")
    file.add_annotation("units", 3000, 4000, "more")  # ids go on behind ours
    assert len(file.get_annotation_data_for_tier("units")) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("what", ["external", "laughs", "empty"])
def test_document_types_and_entities_are_refused(tmp_path, what, encoding):
    (tmp_path / "secret.txt").write_text("SECRET")
    grown = "".join(f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9))
    dtd = {
        "external": f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{tmp_path}/secret.txt">]>',
        "laughs": f'<!DOCTYPE a [<!ENTITY a "ha">{grown}]>',
        "empty": '<!DOCTYPE a SYSTEM "http://example.org/a.dtd">',
    }[what]
    use = {"external": "&e;", "laughs": "&j;", "empty": ""}[what]
    path = tmp_path / "a.eaf"
    text = document(tier("phones", aligned("a1", 1, 2, use), f'PARTICIPANT="{use}"'), slots(0, 900), dtd)
    path.write_bytes(text.replace("UTF-8", encoding.upper()).encode(encoding))
    with pytest.raises(UntoldError, match="refused: remove its <!DOCTYPE>") as raised:
        elan.read(path)
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "order", "said"),
    [
        (tier("t", aligned("a1", 1, 9, "x")), slots(0, 1), "time slot 'ts9'"),
        (tier("t", aligned("a1", 1, 2, "x")), slots(5, 1), "ends before it begins"),
        (tier("t", aligned("a1", 1, 2, "x")), slots(5, None), "has no time"),
        (tier("t", aligned("a1", 1, 2, "x") + aligned("a2", 2, 1, "x")), slots(None, None), "has no time"),
        (tier("t", aligned("a1", 1, 2, "x")), '<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1e9"/>', "no time in milliseconds"),
        (tier("t", aligned("a1", 1, 2, "x")), slots(0, 99999999999), "no time in milliseconds"),
        (tier("t", referring("a1", "a2", "x") + referring("a2", "a1", "x")), "", "refers to none with a time"),
        (tier("t", "") + tier("t", ""), "", "a tier without a name of its own"),
        (tier("t", aligned("a0", 1, 2, "x") + "".join(referring(f"a{i}", f"a{i - 1}", "x") for i in range(1, 90))), slots(0, 1), "too deep"),
        ("<x>" * 5000 + "</x>" * 5000, "", "damaged ELAN file"),
        ("<x>", "", "damaged ELAN file"),
    ],
)
def test_damage_is_one_line(tmp_path, body, order, said):
    path = tmp_path / "a.eaf"
    path.write_text(document(body, order), encoding="utf-8")
    with pytest.raises(UntoldError, match=said) as raised:
        elan.read(path)
    assert "\n" not in str(raised.value)


def test_other_xml_is_named(tmp_path):
    path = tmp_path / "a.eaf"
    path.write_text("<alto/>")
    with pytest.raises(UntoldError, match="no ELAN file: its root is 'alto'"):
        elan.read(path)
    with pytest.raises(UntoldError, match="no ELAN file"):
        elan.write(tmp_path / "b.eaf", {}, tmp_path / "a.wav", path)


def test_a_program_of_xml_is_no_way_to_markup(tmp_path):
    out = tmp_path / "a.eaf"
    elan.write(out, {"units": [Interval(Fraction(0), Fraction(1), "\x01<b>\ud800")]}, tmp_path / "a.wav")
    assert elan.read(out).tiers["units"][0].label == "�<b>�"
