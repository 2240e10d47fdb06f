"""The documents say what is: commands parse, names and settings exist, quick examples run, the method of CONTRIBUTING works."""

from __future__ import annotations

import ast
import csv
import importlib.util
import inspect
import json
import re
import shlex
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import untold
from untold import cli, registry, runs, subjects
from untold.contract import Encodes, Fits, Tokenizes
from untold.corpora import open_source
from untold.settings import Choice, parse_assignments

from .laws.conftest import write_sounds

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*?) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)
TABLE = re.compile(r"<!-- (?P<mark>[\w-]+(?:: [\w/-]+)?) -->\n(?P<rows>(?:\|.*\n)+)")


def blocks(language: str, mark: str | None = None) -> list[tuple[str, str]]:
    """(document, text) of the fenced blocks in a language, or of those with a mark before them."""
    return [
        (path.name, match["text"]) for path in DOCUMENTS for match in BLOCK.finditer(path.read_text(encoding="utf-8"))
        if match["language"] == language and mark in (None, match["mark"])
    ]


def untold_lines(text: str) -> list[list[str]]:
    """The words after `untold` of each such line; also where `accelerate launch` starts it."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["untold"]:
            found.append(words[1:])
        elif words[:2] == ["accelerate", "launch"]:
            found.append(words[words.index("untold.cli") + 1 :])
    return found


def inline_commands() -> list[tuple[str, list[str]]]:
    """Commands in running text: `untold ...`, but for those with words in capitals to be filled in."""
    found = []
    for path in DOCUMENTS:
        prose = BLOCK.sub("", path.read_text(encoding="utf-8"))
        for text in re.findall(r"`untold ([^`]+)`", prose):
            words = shlex.split(text)
            if not words[0].startswith("-") and words[0] in cli.commands() and (len(words) > 2 or words[0] == "list"):
                found.append((path.name, words))
    return found


def commands() -> list[tuple[str, list[str]]]:
    fenced = [(name, words) for name, text in blocks("sh") for words in untold_lines(text)]
    return [pair for pair in [*fenced, *inline_commands()] if not pair[1][0].startswith("-")]


def table(mark: str) -> list[list[str]]:
    """The cells of the one table with a mark before it, without its head; backticks are taken off."""
    found = [
        match["rows"] for path in DOCUMENTS for match in TABLE.finditer(path.read_text(encoding="utf-8")) if match["mark"] == mark
    ]
    assert len(found) == 1, f"{len(found)} tables are marked {mark}"
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in found[0].splitlines()[2:]]


def test_there_are_commands_in_the_documents():
    assert len(commands()) > 40
    assert {words[0] for _, words in commands()} >= set(cli.commands()) - {"report"}


@pytest.mark.parametrize(("document", "words"), commands(), ids=lambda value: value if isinstance(value, str) else " ".join(value))
def test_command_is_parsed_and_its_names_exist(document, words, capsys):
    try:
        _, given = cli.parse(words)
    except SystemExit:
        pytest.fail(f"{document}: untold {' '.join(words)}: {capsys.readouterr().err.splitlines()[-1]}")
    for asked in [given.get("name"), given.get("method")]:
        if asked and not asked.startswith("kmeans"):
            name, changes = runs.wished(asked, given["set"])
            if not runs.place_of(name):  # a path is a placeholder
                runs.resolve(name, changes)
    for task in (given.get("tasks") or "").split(","):
        assert not task or task in registry.names("tasks")
    for what in [given.get("what"), *(given.get("whats") or [])]:
        name, _, settings = (what or "").partition(":")
        if what and "/" not in what:  # a folder is a placeholder; anything else is a front end
            Choice.of("frontends", name).changed(parse_assignments(settings.split(",")) if settings else {})
    for source in [given.get("source"), given.get("on")]:
        name, colon, _ = (source or "").partition(":")
        assert not colon or name in registry.names("corpora")


@pytest.fixture(name="place")
def _place(tmp_path, monkeypatch):
    """A working folder with `recordings/` in it, and a cache of its own."""
    write_sounds(tmp_path / "recordings")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("document", ["README.md", "tutorial.md"])
def test_quick_examples_run_in_the_order_of_their_document(document, place, capsys):
    lines = [words for name, text in blocks("sh", "quick") if name == document for words in untold_lines(text)]
    assert len(lines) >= 3
    for words in lines:
        assert cli.main([*words, "--threads", "1"]) == 0, capsys.readouterr().err
    assert list(place.glob("runs/*/report.html"))
    assert list(place.glob("units/*/s0/r0.TextGrid"))


MINIATURE = [
    "encoder.width=16", "encoder.dense=1", "bottleneck.size=8", "bottleneck.dimensions=4", "decoder.channels=16", "decoder.skips=16",
    "decoder.layers=3", "decoder.head=16", "condition_dimensions=8", "batch=2",
]  # fmt: skip


@pytest.mark.parametrize("corpus", ["zerospeech", "librispeech"])
def test_the_way_through_a_named_corpus_runs_on_its_layout_in_small(corpus, tmp_path, monkeypatch, capsys):
    root = tmp_path / corpus.upper()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    sounds = sorted(write_sounds(tmp_path / "sounds").rglob("*.wav"))
    if corpus == "zerospeech":
        places = [root / "train" / "english" / f"s010{i % 2}_{i}.wav" for i in range(3)]
        places += [root / "test" / "english" / length / f"{name}.wav" for length in ("1s", "10s", "120s") for name in ("a", "b")]
        (root / "items").mkdir(parents=True)
        rows = "".join(f"{name} {start} {start + 0.2:.1f} {label} p n s{speaker}\n" for speaker, name in enumerate("ab") for start, label in ((0.1, "x"), (0.4, "y")))
        for length in ("1s", "10s", "120s"):
            (root / "items" / f"english-{length}.item").write_text("#file onset offset #phone prev-phone next-phone speaker\n" + rows)
    else:
        places = [root / part / "84" / "121" / f"84-121-000{i}.flac" for part in ("train-clean-100", "dev-clean") for i in range(3)]
    for place, sound in zip(places, sounds * 2, strict=False):
        place.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place, *soundfile.read(sound))
    lines = [words for _, text in blocks("sh", corpus) for words in untold_lines(text)]
    assert len(lines) >= 3
    for words in lines:
        if words[0] == "train":
            words = [*words[: words.index("--steps")], "--steps", "2", *words[words.index("--steps") + 2 :], *(part for one in MINIATURE for part in ("--set", one))]
        assert cli.main([*words, "--quiet", "--threads", "1"]) == 0, capsys.readouterr().err
    assert len(list((tmp_path / "features").rglob("*.npy"))) == (6 if corpus == "zerospeech" else 3)
    assert capsys.readouterr().out.count("ABX error across speakers") == (3 if corpus == "zerospeech" else 0)


def test_python_examples_call_functions_as_they_are():
    found = blocks("python")
    assert found
    for document, text in found:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "untold":
                function = getattr(untold, node.func.attr)
                values = {word.arg: None for word in node.keywords}
                inspect.signature(function).bind(*[None] * len(node.args), **values)
                assert document


def test_the_python_example_that_writes_features_makes_a_folder_that_can_be_read(place):
    text = next(text for name, text in blocks("python") if name == "tutorial.md" and "features.json" in text)
    exec(compile(text, "tutorial.md", "exec"), {})
    subject = subjects.open_subject("features/other")
    assert subject.points == ("layer6",)
    assert subject.grid("layer6").rate == 50


def test_the_grid_of_the_tutorial_is_a_plan_of_sweep():
    from untold.commands.sweep import cells

    (plan,) = (tomllib.loads(text) for _, text in blocks("toml"))
    assert len(cells(plan, Path("bottlenecks.toml"))) == 9
    assert all(task in registry.names("tasks") for task in plan["tasks"].split(","))


def test_table_of_commands_is_the_list_of_commands():
    assert {row[0] for row in table("commands")} == set(cli.commands())


def test_table_of_recipes_is_the_list_of_recipes():
    rows = table("recipes")
    assert {row[0] for row in rows} == set(registry.names("recipes"))
    assert all(registry.literals("recipes", row[0])["METHOD"] == row[1] for row in rows)


def test_table_of_corpora_names_every_named_corpus():
    named = {name for name in registry.names("corpora") if registry.literals("corpora", name).get("PREFIX", True)}
    assert {row[0] for row in table("corpora")} == named - {"kaldi", "lhotse", "audiofolder"}


def test_table_of_metrics_is_what_the_tasks_measure():
    said = {(row[0], row[1], row[2]) for row in table("metrics")}
    measured = set()
    for task in registry.names("tasks"):
        better = registry.load("tasks", task).BETTER
        metrics = {"abx_within": better, "abx_across": better} if isinstance(better, str) else better
        measured |= {(task, metric, direction) for metric, direction in metrics.items()}
    assert said == measured


SETTINGS = ["autoencoder", "masked_units", "masked_reconstruction", "self_distillation", "encoders/transformer", "cpc", "wav2vec", "encoders/causal", "encoders/strides", "bottlenecks/gumbel", "bottlenecks/product", "hf", "mixture", "wavenet", "bottlenecks/vq", "bottlenecks/gaussian", "bottlenecks/identity", "bottlenecks/two_rates", "bottlenecks/segmental", "bottlenecks/nms", "encoders/convolutions", "decoders/frame", "decoders/wavenet", "frontends/columns", "frontends/pixels", "encoders/columns", "decoders/column", "decoders/pixelcnn"]


@pytest.mark.parametrize("part", SETTINGS)
def test_tables_of_settings_are_the_settings_with_their_defaults(part):
    room, _, name = part.rpartition("/")
    present = registry.load(room or "methods", name).Settings().to_json()
    for key, value in present.items():
        if isinstance(value, dict):
            present[key] = value["name"]
        elif isinstance(value, list):
            present[key] = ", ".join(map(str, value)) or "none"
        elif isinstance(value, bool):
            present[key] = "yes" if value else "no"
    assert {row[0]: row[1] for row in table(f"settings: {part}")} == {key: str(value) for key, value in present.items()}


def test_every_method_has_a_page_with_its_points():
    for name in registry.names("methods"):
        assert (ROOT / "docs" / "methods" / f"{name}.md").is_file()
        if runs.place_of(name):  # its points are those of what it is read from
            continue
        settings = registry.load("methods", name).Settings()
        if hasattr(settings, "bottleneck"):
            settings = settings.changed({"bottleneck": "vq", "encoder": {"width": 8}})
        model = runs.build(name, settings, {}, 0)
        assert [row[0] for row in table(f"points: {name}")] == list(model.points)


def test_links_lead_somewhere():
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
            file, _, heading = target.partition("#")
            if "://" in target:
                continue
            there = path.parent / file if file else path
            assert there.exists(), f"{path.name}: {target}"
            if heading:
                titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
                assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_the_page_of_the_readme_is_small():
    assert (ROOT / "docs" / "page.webp").stat().st_size <= 300_000


# the method that CONTRIBUTING walks through -------------------------------------------------------------------------


@pytest.fixture(name="kmeans")
def _kmeans(tmp_path, monkeypatch):
    """The method of CONTRIBUTING.md, as if its file lay in the room of methods."""
    ((_, text),) = blocks("python", "method: kmeans")
    file = tmp_path / "kmeans.py"
    file.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("untold.methods.kmeans", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "untold.methods.kmeans", module)
    spec.loader.exec_module(module)
    names, path = registry.names, registry.path
    monkeypatch.setattr(registry, "names", lambda room: (*names(room), *(("kmeans",) if room == "methods" else ())))
    monkeypatch.setattr(registry, "path", lambda room, name: file if (room, name) == ("methods", "kmeans") else path(room, name))
    return module


def test_the_method_of_contributing_claims_what_it_can_do(kmeans, place):
    corpus = open_source("recordings")
    model = runs.build("kmeans", kmeans.Settings(size=8), {}, 0)
    assert {"Fits": Fits, "Encodes": Encodes, "Tokenizes": Tokenizes}.keys() == set(kmeans.CAPABILITIES)
    assert all(isinstance(model.method, protocol) for protocol in (Fits, Encodes, Tokenizes))
    assert registry.literals("methods", "kmeans")["CAPABILITIES"] == kmeans.CAPABILITIES
    assert model.grid("posteriors").rate == 100
    assert len(corpus) == 6


def test_the_method_of_contributing_runs_and_is_scored(kmeans, place, capsys):
    assert cli.main(["discover", "recordings", "--method", "kmeans:size=8", "--steps", "5", "--out", "run", "--threads", "1"]) == 0, (
        capsys.readouterr().err
    )
    lines = [json.loads(line) for line in Path("run/progress.jsonl").read_text().splitlines()]
    objectives = [line["losses"]["objective"] for line in lines]
    assert len(objectives) >= 3
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(objectives))
    assert Path("run/report.html").is_file()
    with Path("run/scores.csv").open(newline="") as file:
        assert {"bits_per_second", "units_per_second"} <= {row["metric"] for row in csv.DictReader(file)}


def test_the_method_of_contributing_keeps_its_laws(kmeans, place):
    from untold.training.loader import Loader
    from untold.training.loop import Plan, train
    from untold.training.preparation import adapted_table

    corpus = open_source("recordings")

    def trained(folder):
        model = runs.build("kmeans", kmeans.Settings(size=8), {}, 0)
        table = adapted_table(model, corpus, place / folder / "adapted.safetensors")
        model.load_state_dict(train(model, corpus, table, 0, Plan(steps=3), place / folder / "resume", lambda told: None))
        return model.eval(), table

    (model, rows), (again, _) = trained("1"), trained("2")
    assert torch.equal(model.method.means, again.method.means)
    whole = np.concatenate(list(model.chunks(corpus[2], "posteriors", steps=10**6)))
    parts = np.concatenate(list(model.chunks(corpus[2], "posteriors", steps=7)))
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    np.testing.assert_allclose(whole.sum(1), 1, atol=1e-5)
    units = model.units(corpus[2])
    assert units.tokens.min() >= 0
    assert units.tokens.max() < 8
    vectors = model.method.lookup(torch.from_numpy(units.tokens)[None])
    assert torch.equal(vectors[0], model.method.means[torch.from_numpy(units.tokens)])
    batch = Loader(corpus, model, model.method.phases()[0], 0, 0, rows).batch(0)
    x = batch.streams["input"]
    frames = x.values[x.counted]
    brute = torch.cdist(frames.double(), model.method.means.double()).min(1).values.square().sum()
    assert float(model.method.statistics(batch)["objective"]) == pytest.approx(float(brute), rel=1e-4)
