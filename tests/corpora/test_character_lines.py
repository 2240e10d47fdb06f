"""Characters set into lines: places are exact, the same for ever; Omniglot and MNIST read with bounds."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import zipfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from untold.corpora import _lines, digit_lines, mnist, omniglot, open_source, recognise
from untold.corpora._setting import BLANK, HEIGHT, Hand, Sort, in_words, inked, set_line
from untold.errors import UntoldError

# setting -----------------------------------------------------------------------------------------------------------


def sort(label: str, high: int, wide: int) -> Sort:
    """A solid character."""
    return Sort(label, np.ones((high, wide), np.float32))


words = st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(3, 60), st.integers(2, 40)), min_size=1, max_size=5), min_size=1, max_size=4)


@given(words, st.integers(0, 50), st.booleans())
def test_characters_fill_the_line_from_edge_to_edge_and_hold_their_ink(told, key, plain):
    sorts: list[Sort | None] = []
    for word in told:
        sorts += [sort(*one) for one in word] + [None]
    hand = Hand.of((key,))
    if plain:
        hand = Hand(0.0, hand.size, 1.0, 0.0, hand.gap, hand.blank, 0.0)
    ink, tier = set_line(sorts[:-1], hand, np.random.default_rng(key))
    assert ink.shape[0] == HEIGHT and ink.min() >= 0 and ink.max() <= 1
    assert [label for *_, label in tier if label != BLANK] == [one[0] for word in told for one in word]
    assert [label for *_, label in tier].count(BLANK) == len(told) - 1
    assert tier[0][0] == 0 and tier[-1][1] == ink.shape[1]
    assert all(before[1] == after[0] and before[0] < before[1] for before, after in pairwise(tier))
    for start, end, label in tier:
        most = ink[:, start:end].max()
        assert most == 0 if label == BLANK else most > 0.15


def test_hands_differ_and_stay():
    assert Hand.of((1, 2)) == Hand.of((1, 2)) != Hand.of((1, 3))
    assert len({Hand.of((1, pen)).slant for pen in range(30)}) == 30


def test_words_are_as_long_as_told():
    draw = np.random.default_rng(0)
    for _ in range(50):
        made = in_words(draw, lambda: sort("x", 3, 3), (2, 4), (1, 3))
        lengths = [len(part) for part in "".join("x" if one else " " for one in made).split(" ")]
        assert 2 <= len(lengths) <= 3 and all(1 <= length <= 2 for length in lengths)


def test_the_box_of_ink():
    ink = np.zeros((9, 9))
    assert inked(ink).shape == (1, 1)
    ink[2:5, 3:8] = 0.5
    assert inked(ink).shape == (3, 5) and inked(ink, 0.6).shape == (1, 1)


# digit-lines -------------------------------------------------------------------------------------------------------


def test_digit_lines_are_the_same_for_ever_and_exact():
    corpus = open_source("digit-lines")
    assert len(corpus) == 560 and corpus.speakers == tuple(f"pen-{i:02d}" for i in range(1, 17)) and corpus.counts()["characters"] == 7352
    digest = hashlib.sha256()
    for number in range(len(corpus)):
        signal = corpus[number].signals["line"]
        digest.update(np.ascontiguousarray(signal.read_stored(0, signal.steps).T).tobytes())  # type: ignore[attr-defined]
    assert digest.hexdigest() == "00edd4a72b1abc430f82325adba96adf367e2504c1f8fe689c7f1e1d0613b392"
    for recording in list(corpus)[::40]:
        tier = recording.tiers["characters"]
        assert tier[0].start == 0 and tier[-1].end == recording.length and all(a.end == b.start for a, b in pairwise(tier))
        columns = recording.signals["line"].read(0, recording.signals["line"].steps)
        assert all((columns[int(i.start) : int(i.end)].max() > 0.3) == (i.label != " ") for i in tier)
    evaluation = {corpus[i].sides["speaker"] for i, split in enumerate(corpus.declared()) if split == "evaluation"}
    assert evaluation == {f"pen-{i}" for i in range(13, 17)}


def test_digit_lines_have_no_options():
    with pytest.raises(UntoldError, match="setting of digit-lines"):
        open_source("digit-lines:size=3")


def test_pens_of_training_and_evaluation_write_other_digits():
    digits = digit_lines._digits()
    assert [len(some) for some in digits] == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert all(inked(one).shape == one.shape for some in digits for one in some)


# Omniglot ----------------------------------------------------------------------------------------------------------


def drawing(seed: int, size: int = 105) -> bytes:
    """A PNG of one bit with a wild line."""
    picture = Image.new("1", (size, size), 1)
    points = [(float(x), float(y)) for x, y in np.random.default_rng(seed).uniform(15, 90, (4, 2))]
    ImageDraw.Draw(picture).line(points, fill=0, width=3)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def alphabet(drawers: int = 20, characters: int = 5, name: str = "Greek", folder: str = "images_background_small1") -> dict[str, bytes]:
    files = {f"{folder}/{name}/": b"", f"{folder}/{name}/character01/": b""}
    for character in range(1, characters + 1):
        for drawer in range(1, drawers + 1):
            files[f"{folder}/{name}/character{character:02d}/{character:04d}_{drawer:02d}.png"] = drawing(100 * character + drawer)
    return files


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def same(one, other) -> bool:
    return all(
        a.id == b.id and np.array_equal(a.signals["line"].read(0, a.signals["line"].steps), b.signals["line"].read(0, b.signals["line"].steps))
        for a, b in zip(one, other, strict=True)
    )


def test_drawers_are_scribes_and_the_last_five_are_for_evaluation(tmp_path):
    zipped(tmp_path / "images_background_small1.zip", alphabet())
    corpus = open_source(f"omniglot:{tmp_path}")
    assert recognise(str(tmp_path)).reader == "omniglot" and len(corpus) == 200 and not corpus.skipped
    assert corpus.speakers == tuple(f"Greek-{i:02d}" for i in range(1, 21))
    declared = dict(zip(corpus.sides("speaker"), corpus.declared(), strict=True))
    assert {who for who, split in declared.items() if split == "evaluation"} == {f"Greek-{i}" for i in range(16, 21)}
    labels = Counter(i.label for r in corpus for i in r.tiers["characters"])
    assert set(labels) == {" ", *(f"Greek-{i:02d}" for i in range(1, 6))}
    recording = corpus[0]
    tier = recording.tiers["characters"]
    assert tier[0].start == 0 and tier[-1].end == recording.length and all(a.end == b.start for a, b in pairwise(tier))
    columns = recording.signals["line"].read(0, recording.signals["line"].steps)
    assert all((columns[int(i.start) : int(i.end)].max() > 0.3) == (i.label != " ") for i in tier)
    assert 0.02 < columns.mean() < 0.5


def test_zips_and_folders_give_the_same_lines_and_what_is_twice_is_taken_once(tmp_path, monkeypatch):
    files = alphabet(3, 4)
    one, both, folders = tmp_path / "one", tmp_path / "both", tmp_path / "folders"
    zipped(one / "images_background_small1.zip", files)
    zipped(both / "images_background_small1.zip", files)
    zipped(both / "images_background_small2.zip", {name.replace("small1", "small2"): data for name, data in files.items()})
    with zipfile.ZipFile(one / "images_background_small1.zip") as archive:
        archive.extractall(folders)
    corpus = open_source(f"omniglot:{one}")
    assert len(corpus) == 30 and same(corpus, open_source(f"omniglot:{both}")) and same(corpus, open_source(f"omniglot:{folders}"))
    assert recognise(str(folders)).reader == "omniglot"
    assert same(corpus, open_source(f"omniglot:{one / 'images_background_small1.zip'}"))
    # what is drawn is kept: after a change elsewhere nothing is decoded anew
    seen: list[str] = []
    plain = _lines.Line.decode
    monkeypatch.setattr(_lines.Line, "decode", lambda self, entry, facts: (seen.append(entry.id), plain(self, entry, facts))[1])
    (one / "notes.txt").write_text("mine")
    assert same(corpus, open_source(f"omniglot:{one}")) and not seen
    zipped(one / "images_background_small1.zip", alphabet(3, 4, "Latin"))
    assert {r.sides["alphabet"] for r in open_source(f"omniglot:{one}")} == {"Latin"} and len(seen) == 30


def test_bad_drawings_are_named_and_the_others_are_set(tmp_path):
    files = alphabet(2, 6)
    names = [name for name in files if name.endswith("_01.png")]
    files[names[0]] = b"no png"
    files[names[1]] = drawing(1, 300)
    files[names[2]] = b"\x89PNG\r\n\x1a\n" + b"x" * 100_000
    files[names[3]] = drawing(1)[:60]
    files["images_background_small1/../../etc/character01/0001_01.png"] = drawing(1)
    zipped(tmp_path / "images_background_small1.zip", files)
    corpus = open_source(f"omniglot:{tmp_path}")
    said = {name.rpartition("/")[2]: reason for name, reason in corpus.skipped}
    assert said["0001_01.png"] == "not a PNG picture" and "300 x 300" in said["0002_01.png"] and "bytes" in said["0003_01.png"] and "damaged" in said["0004_01.png"]
    assert {i.label for r in corpus if r.sides["speaker"] == "Greek-01" for i in r.tiers["characters"]} == {" ", "Greek-05", "Greek-06"}
    assert all(not part.startswith("..") for r in corpus for part in r.id.split("/"))


def test_nothing_of_omniglot(tmp_path):
    (tmp_path / "images_background.zip").write_bytes(b"PK no zip")
    with pytest.raises(UntoldError, match="no drawings of Omniglot"):
        open_source(f"omniglot:{tmp_path}")


def test_real_omniglot(shared):
    entries = []
    for entry in omniglot.read(shared / "data" / "omniglot", lambda *_: pytest.fail("skipped"), lambda _: None):
        entries.append(entry)
        if len(entries) == 200:
            break
    assert {e.sides["alphabet"] for e in entries} == {"Balinese", "Early_Aramaic"}
    assert entries[0].drawn is not None and entries[0].drawn().shape[0] == HEIGHT and entries[0].drawn().dtype == np.uint8


# MNIST -------------------------------------------------------------------------------------------------------------


def idx(magic: int, values: np.ndarray) -> bytes:
    return struct.pack(f">{1 + values.ndim}I", magic, *values.shape) + values.astype(np.uint8).tobytes()


def digits(folder: Path, *, packed: bool = True, joint: str = "-", count: int = 40) -> Path:
    """MNIST's four files with a bar for each digit."""
    folder.mkdir(exist_ok=True)
    for part, high in (("train", 20), ("t10k", 12)):
        labels = np.arange(count) % 10
        images = np.zeros((count, 28, 28), np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 : 4 + high, 4 : 6 + 2 * label] = 255
        for kind, data in (("images", idx(2051, images)), ("labels", idx(2049, labels))):
            name = f"{part}-{kind}{joint}idx{3 if kind == 'images' else 1}-ubyte"
            (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
    return folder


@pytest.mark.parametrize(("packed", "joint"), [(True, "-"), (False, "-"), (False, ".")])
def test_pens_write_digits_and_others_those_of_the_test_files(tmp_path, packed, joint, monkeypatch):
    monkeypatch.setattr(mnist, "_LINES", 3)
    monkeypatch.setattr(mnist, "_JUDGED", 2)
    corpus = open_source(f"mnist:{digits(tmp_path / 'm', packed=packed, joint=joint)}")
    assert len(corpus) == 12 * 3 + 4 * 2 and not corpus.skipped and len(corpus.speakers) == 16
    assert Counter(corpus.declared()) == {"train": 36, "evaluation": 8}
    for recording in corpus:
        tier = recording.tiers["characters"]
        assert tier[0].start == 0 and tier[-1].end == recording.length and {i.label for i in tier} <= set("0123456789 ")
    with pytest.raises(UntoldError):  # others than MNIST's own are not taken for it unless they are named so
        open_source(str(tmp_path / "m"))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("train-images-idx3-ubyte.gz", None, "no train-images-idx3-ubyte.gz"),
        ("train-images-idx3-ubyte.gz", b"no gzip", "truncated or damaged"),
        ("train-images-idx3-ubyte.gz", gzip.compress(idx(2049, np.zeros(3))), "first bytes are not those of pictures"),
        ("train-images-idx3-ubyte.gz", gzip.compress(struct.pack(">4I", 2051, 10**9, 28, 28)), "more than can be read"),
        ("train-images-idx3-ubyte.gz", gzip.compress(struct.pack(">4I", 2051, 60_000, 10**6, 10**6)), "more than can be read"),
        ("train-images-idx3-ubyte.gz", gzip.compress(struct.pack(">4I", 2051, 1000, 28, 28) + b"\0" * 99), "truncated: its header tells 784016 bytes, it holds 115"),
        ("train-images-idx3-ubyte.gz", gzip.compress(idx(2051, np.zeros((40, 28, 28))))[:-20], "truncated or damaged"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(idx(2049, np.zeros(39))), "40 pictures and 39 labels"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(idx(2049, np.full(40, 77))), "labels 0 to 9 expected"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(idx(2049, np.zeros(40)) + b"\0" * 10**6), "holds more than its header tells"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",  # packed bytes tell the time: two workers would collect two names
)
def test_bad_files_of_digits_say_what_they_are(tmp_path, name, data, said):
    folder = digits(tmp_path / "m")
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(UntoldError, match=said):
        open_source(f"mnist:{folder}")


def test_real_mnist_and_what_is_named_alike(shared):
    data = shared / "data"
    assert recognise(str(data / "mnist")).reader == "mnist"
    assert not mnist.recognise(data / "fashion")
    entry = next(iter(mnist.read(data / "mnist", lambda *_: None, lambda _: None)))
    assert entry.drawn is not None and entry.drawn().shape[0] == HEIGHT and entry.made_up and entry.split == "train"
