"""`untold list`: every part with its summary, where corpora are, and nothing heavy imported."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

from untold import registry
from untold.commands import list_

EMBEDDED_OR_NAMED = ("emodb", "espeak", "librispeech", "mboshi", "timit", "voxangeles", "zerospeech2017")


@pytest.mark.parametrize("room", list(registry.ROOMS))
def test_every_part_is_listed_with_its_summary(room, capsys):
    found = list_.run(room)[room]
    lines = capsys.readouterr().out.splitlines()
    assert tuple(found) == registry.names(room)
    for name, told in found.items():
        assert any(line.split()[:1] == [name] and line.endswith(told["summary"]) for line in lines)
        assert told["summary"]


def test_without_a_room_all_are_listed(capsys):
    assert list(list_.run()) == list(registry.ROOMS)
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if not line.startswith(" ")] == list(registry.ROOMS)


def test_corpora_say_licence_place_and_whether_they_are_here(tmp_path, monkeypatch, capsys):
    (tmp_path / "LibriSpeech").mkdir()
    (tmp_path / "timit-sample").mkdir()
    monkeypatch.setenv("UNTOLD_DATA", str(tmp_path))
    monkeypatch.setattr(list_.importlib.util, "find_spec", lambda name: None)
    found = list_.run("corpora")["corpora"]
    out = capsys.readouterr().out
    for name in EMBEDDED_OR_NAMED:
        assert found[name]["LICENCE"] in out and isinstance(found[name]["EMBEDDED"], bool)
    assert f"here: yes, librispeech:{tmp_path / 'LibriSpeech'}" in out and f"timit:{tmp_path / 'timit-sample'}" in out
    assert "here: no, pip install 'untold[espeak]'" in out
    assert f"here: no, get it from {found['voxangeles']['WHERE']}" in out


def test_literals_read_line_by_line_are_those_of_the_syntax_tree():
    for room in registry.ROOMS:
        for name in registry.names(room):
            tree = ast.parse(registry.path(room, name).read_text(encoding="utf-8"))
            told = {"summary": (ast.get_docstring(tree) or "").partition("\n")[0]}
            for node in tree.body:
                target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
                value = getattr(node, "value", None)
                if isinstance(target, ast.Name) and target.id.isupper() and target.id[0] != "_" and value is not None:
                    try:
                        told[target.id] = ast.literal_eval(value)
                    except ValueError:
                        continue
            assert registry.literals(room, name) == told


def test_lists_and_help_load_nothing_heavy():
    code = (
        "import sys; from untold.cli import main; main(['list']); main(['list', 'corpora']);"
        "heavy = {'torch', 'numpy', 'scipy', 'lxml', 'soundfile', 'tqdm'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=os.environ)


def test_a_room_that_is_none_is_status_2():
    done = subprocess.run([sys.executable, "-m", "untold.cli", "list", "kitchens"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "kitchens" in done.stderr and "Traceback" not in done.stderr
