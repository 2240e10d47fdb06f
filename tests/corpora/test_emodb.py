"""EmoDB: marks are starts, closure and burst are one phone, files are Latin-1."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from untold.contract import Interval
from untold.corpora import emodb, open_source
from untold.errors import UntoldError

MARKS = (
    "signal x\ntype 0\nseparator ;\nnfields 1\n#\n"
    "    0.10   -1 _d\t-sth\n    0.15   -1 !d\n    0.20   -1 a\n    0.25   -1 \t-sth\n    0.30   -1 t\t+sth,+tie\n"
    "    0.33   -1 !t\n    0.34   -1 tasp\n    0.40   -1 -sth\n    0.42   -1 t\n    0.50   -1 .\n"
)


def test_the_subset_beside_the_checkout(shared):
    root = shared / "data/emodb"
    assert emodb.recognise(root)
    entries = list(emodb.read(root, lambda name, why: pytest.fail(f"{name}: {why}"), lambda note: None))
    assert len(entries) == 119
    assert Counter({e.sides["speaker"]: e.sides["sex"] for e in entries}.values()) == {"f": 5, "m": 5}
    assert sum(len(e.tiers["syllables"]) + 1 for e in entries) == 1851  # the last mark of each file is the end
    told = (root / "index.tsv").read_text(encoding="utf-8").splitlines()[1:]
    known = {line.split("\t")[0][:-5]: line.split("\t")[2] for line in told}
    assert {e.id: e.sides["sex"] for e in entries} == known
    assert all(a.end <= b.start for e in entries for a, b in zip(e.tiers["phones"], e.tiers["phones"][1:], strict=False))


def test_marks_are_starts_and_parts_of_a_stop_are_joined(tmp_path):
    path = tmp_path / "03a01Fa.lablaut"
    path.write_text(MARKS, encoding="latin-1")
    times = [("0.1", "0.2", "d"), ("0.2", "0.3", "a"), ("0.3", "0.42", "t"), ("0.42", "0.5", "t")]
    assert emodb.read_phones(path) == [Interval(Fraction(a), Fraction(b), label) for a, b, label in times]


def test_the_owners_folders(tmp_path, write):
    write(tmp_path / "wav" / "08a02Wb.wav", 1.0)
    for folder, name, text in (("lablaut", "08a02Wbxx.lablaut", MARKS), ("silb", "08a02Wb.silb", "0.10\tgrün\n0.30 ta\n0.50\t.\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(text.encode("latin-1"))
    corpus = open_source(str(tmp_path))
    assert corpus.name == "emodb" and corpus.sides("sex") == ["f"] and corpus.sides("speaker") == ["08"]
    assert [i.label for i in corpus[0].tiers["syllables"]] == ["grün", "ta"]
    assert len(corpus[0].tiers["phones"]) == 4


@pytest.mark.parametrize(("text", "said"), [("0.1 -1 a\n", "is to end its header"), ("x\n#\n0.2 -1 a\n0.1 -1 .\n", "run back"), ("x\n#\nnan -1 a\n", "line 3")])
def test_damage_is_one_line(tmp_path, text, said):
    path = tmp_path / "03a01Fa.lablaut"
    path.write_text(text)
    with pytest.raises(UntoldError, match=said):
        emodb.read_phones(path)
