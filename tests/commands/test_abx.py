"""`untold abx` and `untold items` as a person at the keyboard meets them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from untold import cli
from untold.formats.item import HEADER


@pytest.fixture(name="place")
def _place(tmp_path):
    """Five speakers, three phones, one recording each; features of 13 dimensions at 100 Hz and units beside them."""
    rng = np.random.default_rng(0)
    features = tmp_path / "features"
    lines, units = [HEADER], []
    for speaker in "vwxyz":
        (features / speaker).mkdir(parents=True)
        values = rng.normal(size=(100, 13)).astype(np.float32)
        for k, phone in enumerate("pqr" * 3):
            values[k * 10 : k * 10 + 10, "pqr".index(phone)] += 2
            lines.append(f"{speaker}_one {k / 10} {k / 10 + 0.1:.2f} {phone} a b {speaker}")
        np.save(features / speaker / "one.npy", values)
        tokens = values[:, :3].argmax(axis=1).tolist()
        units.append(
            {
                "audio": f"{speaker}/one.wav",
                "units": tokens,
                "durations": [1] * 100,
                "rate": "100",
                "first": "1/200",
                "alphabet": 3,
            }
        )
    (features / "features.json").write_text('{"rate": "100", "first": "1/200", "dimensions": 13, "point": "z"}')
    (tmp_path / "units").mkdir()
    (tmp_path / "units/units.jsonl").write_text("".join(json.dumps(line) + "\n" for line in units))
    (tmp_path / "all.item").write_text("\n".join(lines) + "\n")
    return tmp_path


def untold(capsys, *words):
    status = cli.main([str(word) for word in words])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return status, said.out, said.err


def test_json_is_one_object_with_what_a_reader_needs(place, capsys):
    status, out, _ = untold(capsys, "abx", place / "features", place / "all.item", "--json")
    found = json.loads(out)
    assert status == 0 and list(found) == ["value", "low", "high", "cells", "items", "items_empty", "conventions"]
    assert found["cells"] == 5 * 4 * 3 * 2 and found["items"] == 45 and found["items_empty"] == 0
    assert 0 < found["low"] < found["value"] < found["high"] < 0.5
    chosen = {
        "speaker": "across",
        "context": "within",
        "distance": "angular",
        "frames": "zerospeech",
        "subsampling": "none",
    }
    assert chosen.items() <= found["conventions"].items()


def test_words_say_the_same_and_quiet_says_only_the_result(place, capsys):
    _, out, _ = untold(capsys, "abx", place / "features", place / "all.item")
    assert out.startswith("ABX error across speakers, context within: 0.") and "120 cells, 45 items" in out
    _, quiet, _ = untold(capsys, "abx", place / "features", place / "all.item", "--quiet")
    assert quiet == out.split("\n")[0] + "\n"


def test_units_and_features_of_one_dimension_are_compared_as_tokens(place, capsys):
    values = []
    _, out, _ = untold(capsys, "abx", place / "units", place / "all.item", "--distance", "identical", "--json")
    values.append(json.loads(out))
    for shape in ((100,), (100, 1)):
        folder = place / f"tokens{len(shape)}"
        folder.mkdir()
        (folder / "features.json").write_text('{"rate": "100"}')
        for line in (place / "units/units.jsonl").read_text().splitlines():
            said = json.loads(line)
            np.save(folder / f"{said['audio'].replace('/', '_')[:-4]}.npy", np.array(said["units"]).reshape(shape))
        _, out, _ = untold(capsys, "abx", folder, place / "all.item", "--distance", "identical", "--json")
        values.append(json.loads(out))
    assert values[0] == values[1] == values[2] and values[0]["value"] < 0.4


def test_units_that_end_in_a_gap_are_scored_to_their_recordings_end(place, capsys):
    lines = [json.loads(line) for line in (place / "units/units.jsonl").read_text().splitlines()]
    for line in lines:
        line["units"], line["durations"] = [1, 0], [3, 60]
        line["starts"] = [0.05, 0.1]
    (place / "units/units.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    status, _, err = untold(capsys, "abx", place / "units", place / "all.item", "--distance", "identical")
    assert status == 0, err


def test_limit_drops_and_counts_items(place, capsys):
    _, out, _ = untold(capsys, "abx", place / "features", place / "all.item", "--limit", 2, "--json")
    found = json.loads(out)
    assert (found["items"], found["conventions"]["items_dropped"], found["low"]) == (18, "27", None)
    assert found["conventions"]["interval"] == "none, 2 speakers are fewer than 5"


def test_subsampling_repeats(place, capsys):
    words = (
        "abx",
        place / "features",
        place / "all.item",
        "--max-size-group",
        2,
        "--max-x-across",
        2,
        "--json",
        "--seed",
    )
    first, again, other = (untold(capsys, *words, seed)[1] for seed in (1, 1, 2))
    assert first == again != other


def damaged(place, name):
    """One mistake in the features or the items, and the words that must be said of it."""
    features, item = place / "features", place / "all.item"
    one, text = features / "v/one.npy", item.read_text()
    match name:
        case "missing column":
            item.write_text(text.replace(" speaker\n", "\n"))
            return "column 'speaker' is missing"
        case "recording absent":
            one.unlink()
            return "1 of 5 recordings are not in"
        case "item past the end":
            item.write_text(text.replace("v_one 0.8 0.90", "v_one 0.8 1.03"))
            return "ends beyond 'v/one'"
        case "two sizes":
            (features / "features.json").write_text('{"rate": "100"}')
            np.save(one, np.ones((100, 12)))
            return "two sizes"
        case "not finite":
            np.save(one, np.full((100, 13), np.inf, np.float32))
            return "not finite"
        case "shorter than a frame":
            item.write_text(text.replace("v_one 0.8 0.90", "v_one 0.801 0.804"))
            return "1 of 45 items have no frame"
        case "two candidates":
            shutil.copy(one, features / "v_one.npy")
            (features / "w_one").mkdir()
            shutil.copytree(features / "v", features / "a/v_one")
            item.write_text(text.replace("v_one", "one"))
            return "'one' may be 'a/v_one/one' or"
        case "no features.json":
            (features / "features.json").unlink()
            return "has no features.json"
        case "units without identical":
            shutil.rmtree(features)
            shutil.copytree(place / "units", features)
            return "--distance identical"
        case "not there":
            item.unlink()
            return "all.item"
        case "pickles":
            shutil.rmtree(features)
            features.mkdir()
            (features / "v_one.pt").write_bytes(b"PK\x03\x04")
            return "is a pickle of torch"
        case "one speaker":
            item.write_text("\n".join(line for line in text.split("\n") if line.endswith(("speaker", " v"))) + "\n")
            return "no cell to score"
    raise AssertionError(name)


@pytest.mark.parametrize(
    "name",
    [
        "missing column", "recording absent", "item past the end", "two sizes", "not finite", "shorter than a frame", "two candidates",
        "no features.json", "units without identical", "not there", "pickles", "one speaker",
    ],
)  # fmt: skip
def test_mistakes_end_in_status_1_and_one_line(place, capsys, name):
    says = damaged(place, name)
    status, out, err = untold(capsys, "abx", place / "features", place / "all.item", "--json")
    assert (status, out) == (1, "") and err.count("\n") == 1
    assert err.startswith("untold: error: ") and says in err


def test_words_that_are_off_are_status_2(place, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["abx", str(place / "features"), str(place / "all.item"), "--distance", "cosine"])
    assert stopped.value.code == 2 and "angular" in capsys.readouterr().err
