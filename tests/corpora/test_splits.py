"""Held out: a hash of ids, a tenth, never the only recording of a speaker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from untold.corpora import held_out, open_source


def test_a_tenth_and_the_same_for_ever():
    ids = [f"s{i % 50}/u{i}" for i in range(5000)]
    chosen = held_out(ids, [name.partition("/")[0] for name in ids])
    assert 0.085 < sum(chosen) / len(ids) < 0.115
    assert [name for name, out in zip(ids[:60], chosen, strict=False) if out] == HELD


HELD = ["s6/u6", "s23/u23", "s29/u29", "s30/u30", "s32/u32", "s37/u37", "s39/u39", "s43/u43", "s46/u46", "s1/u51", "s7/u57"]


@given(st.lists(st.tuples(st.text(min_size=1, max_size=4), st.sampled_from("abcdef")), unique_by=lambda x: x[0], max_size=30))
def test_order_is_irrelevant_and_no_speaker_is_lost(rows):
    ids, speakers = [r[0] for r in rows], [r[1] for r in rows]
    chosen = dict(zip(ids, held_out(ids, speakers), strict=True))
    assert dict(zip(ids[::-1], held_out(ids[::-1], speakers[::-1]), strict=True)) == chosen
    for speaker in set(speakers):
        assert any(not chosen[i] for i, s in zip(ids, speakers, strict=True) if s == speaker)
        if speakers.count(speaker) == 1:
            assert not chosen[ids[speakers.index(speaker)]]
    if any(speakers.count(s) > 1 for s in speakers):
        assert any(chosen.values())


def test_splits_of_a_source_part_it(tmp_path, write):
    for name in range(30):
        write(tmp_path / f"s{name % 3}" / f"u{name}.wav", 0.05)
    train, held, everything = (open_source(str(tmp_path), split=s) for s in ("train", "held_out", "all"))
    assert sorted([*train.ids(), *held.ids()]) == sorted(everything.ids())
    assert 0 < len(held) < len(train) and set(held.speakers) <= set(train.speakers)
