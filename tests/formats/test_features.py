"""Folders of features: streamed out, read back, and nothing believed that a file says of itself."""

from __future__ import annotations

import json
import os
import pickle
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untold.contract import Grid
from untold.errors import UntoldError
from untold.formats.features import FeatureFolder, FeatureWriter

GRID = Grid("second", Fraction(100), Fraction(1, 80))


@given(st.lists(st.integers(0, 5), max_size=4), st.integers(1, 4))
def test_chunks_written_are_read_back_whole_by_us_and_by_numpy(tmp_path_factory, sizes, dimensions):
    folder = tmp_path_factory.mktemp("features")
    rng = np.random.default_rng(0)
    chunks = [rng.normal(size=(n, dimensions)).astype(np.float32) for n in sizes]
    writer = FeatureWriter(folder, GRID, "condition", {"method": "test"})
    assert writer.write("first", [np.ones((1, dimensions), np.float32)]) == 1
    assert writer.write("a/b.c", iter(chunks)) == sum(sizes)
    read = FeatureFolder(folder)
    whole = np.concatenate([np.zeros((0, dimensions), np.float32), *chunks])
    assert (read.grid, read.point, read.made_by, read.ids()) == (
        GRID,
        "condition",
        {"method": "test"},
        ("a/b.c", "first"),
    )
    assert np.array_equal(read.read("a/b.c"), whole)
    assert np.array_equal(np.load(folder / "a/b.c.npy"), whole)
    said = json.loads((folder / "features.json").read_text())
    assert said["rate"] == "100" and said["first"] == "1/80" and said["dimensions"] == dimensions


def test_a_writer_that_is_stopped_leaves_nothing_half_done(tmp_path):
    def chunks():
        yield np.ones((3, 2))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FeatureWriter(tmp_path, GRID, "z", "").write("a", chunks())
    assert [p.name for p in tmp_path.iterdir()] == ["features.json"]


@pytest.mark.parametrize("identity", ["../out", "a/../../out", "/tmp/out", "", "a\0b"])
def test_ids_that_lead_out_are_neither_written_nor_read(tmp_path, identity):
    folder = tmp_path / "features"
    FeatureWriter(folder, GRID, "z", "").write("good", [np.ones((1, 2))])
    with pytest.raises(UntoldError, match="leads out of its folder"):
        FeatureWriter(folder, GRID, "z", "").write(identity, [np.ones((1, 2))])
    with pytest.raises(UntoldError, match="leads out of its folder"):
        FeatureFolder(folder).read(identity)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["features", "features.json", "good.npy"]


def test_links_that_lead_out_are_not_read(tmp_path):
    folder = folder_with(tmp_path)
    np.save(tmp_path / "secret.npy", np.ones((2, 2), np.float32))
    (folder / "link.npy").symlink_to(tmp_path / "secret.npy")
    assert FeatureFolder(folder).ids() == ("good",)
    with pytest.raises(UntoldError, match="leads out"):
        FeatureFolder(folder).read("link")


def folder_with(tmp_path, **data):
    folder = tmp_path / "features"
    FeatureWriter(folder, GRID, "z", "").write("good", [np.ones((4, 13))])
    for name, content in data.items():
        (folder / f"{name}.npy").write_bytes(content)
    return folder


def npy(descr, shape, body=b""):
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


class Harm:
    def __reduce__(self):
        return (os.mkdir, ("harmed",))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (npy("|O", "(1,)", pickle.dumps(Harm())), "objects, which are never read"),
        (pickle.dumps(Harm()), "is a pickle"),
        (npy("<f4", "(100000000000, 13)", bytes(64)), "its header says 5200000000000 bytes"),
        (npy("<f4", "(-4, 13)", bytes(208)), "shape"),
        (npy("<f4", "(2, 2, 13)", bytes(208)), "steps x dimensions"),
        (npy("<c8", "(1, 13)", bytes(208)), "values of type complex64"),
        (npy("<f4", "(4, 12)", bytes(192)), "has 12 dimensions where features.json says 13"),
        (npy("<f4", "(1, 13)", np.full(13, np.nan, np.float32).tobytes()), "not finite"),
        (npy("<f8", "(1, 13)", np.full(13, 1e300).tobytes()), "not finite"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "its header cannot be read"),
        (npy("<f4", "(4, 13)" + "(" * 300, b""), "its header cannot be read"),
        (b"\x93NUMPY\x09\x00", "version 9"),
        (b"", "is no .npy file"),
    ],
)
def test_arrays_that_lie_or_hold_objects_are_refused_in_one_line(tmp_path, monkeypatch, data, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UntoldError, match=r"bad\.npy") as error:
        FeatureFolder(folder_with(tmp_path, bad=data)).read("bad")
    assert says in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "harmed").exists()


@given(st.binary(max_size=80), st.integers(0, 150))
def test_no_damage_to_a_header_ends_in_anything_but_words(tmp_path_factory, noise, at):
    folder = folder_with(tmp_path_factory.mktemp("damaged"))
    whole = (folder / "good.npy").read_bytes()
    (folder / "good.npy").write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    try:
        assert FeatureFolder(folder).read("good").ndim == 2
    except UntoldError as error:
        assert "good.npy" in str(error)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("{", "not readable as JSON"), ("[]", "an object"), ("{}", "rate = 'None'"), ('{"rate": "0"}', "rate = 0"),
        ('{"rate": "1/0"}', "rate"), ('{"rate": "nan"}', "rate"), ('{"rate": "1e999999999"}', "rate"), ('{"rate": "100", "first": []}', "first"),
        ('{"rate": "100", "dimensions": -3}', "dimensions"), ('{"rate": "100", "axis": "moon"}', "axis"), ('{"rate": "100", "point": 3}', "point"),
        ("[" * 100000, "not readable as JSON"), ("", "not readable as JSON"),
    ],
)  # fmt: skip
def test_headers_that_make_no_sense_are_named(tmp_path, said, says):
    folder = folder_with(tmp_path)
    (folder / "features.json").write_text(said)
    with pytest.raises(UntoldError, match=r"features\.json") as error:
        FeatureFolder(folder)
    assert says in str(error.value) and len(str(error.value)) < 400


def test_folders_of_other_people_are_met_with_what_to_do(tmp_path):
    with pytest.raises(UntoldError, match="no such folder"):
        FeatureFolder(tmp_path / "nowhere")
    (tmp_path / "a.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(UntoldError, match=r"a pickle of torch.*numpy\.save"):
        FeatureFolder(tmp_path)
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    with pytest.raises(UntoldError, match=r"has no features\.json: write one"):
        FeatureFolder(tmp_path)
    (tmp_path / "features.json").write_text('{"rate": 50}')
    read = FeatureFolder(tmp_path)
    assert read.grid == Grid("second", Fraction(50), Fraction(1, 100))
    assert read.read("a").dtype == np.float32


@pytest.mark.parametrize(
    "values", [np.arange(5), np.arange(5.0)[:, None], np.asfortranarray(np.ones((5, 1), np.float16))]
)
def test_one_dimension_and_any_kind_of_number_are_read_as_steps_of_float32(tmp_path, values):
    np.save(tmp_path / "a.npy", values)
    (tmp_path / "features.json").write_text('{"rate": "50"}')
    found = FeatureFolder(tmp_path).read("a")
    assert found.shape == (5, 1) and found.dtype == np.float32 and np.array_equal(found[:, 0], values.reshape(-1))


def test_limit_keeps_the_first(tmp_path):
    for name in "cab":
        FeatureWriter(tmp_path, GRID, "z", "").write(name, [np.ones((1, 2))])
    assert FeatureFolder(tmp_path, limit=2).ids() == ("a", "b")
