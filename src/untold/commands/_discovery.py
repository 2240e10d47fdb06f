"""What `discover` does once a method is trained: units, health in words, scores beside rivals, sounds, the page."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from untold.commands import _health, _kmeans, _scoring
from untold.commands._instruments import INSTRUMENTS
from untold.commands._terminal import Terminal
from untold.commands.tokenize import write_units
from untold.contract import Reconstructs, Recording, Scores, Units
from untold.corpora import Corpus
from untold.driver import Model
from untold.errors import UntoldError
from untold.evaluation import scores
from untold.evaluation._axes import AXES
from untold.evaluation._measuring import Remembering
from untold.evaluation._options import TaskOptions
from untold.formats.picture import as_written
from untold.formats.units import read_units
from untold.report import page
from untold.report.data import PageData
from untold.report.gather import gather
from untold.resynthesis import Resynthesis
from untold.runs import Run, versions
from untold.subjects import Subject, open_subject
from untold.training.monitors import Finding

_LONGEST = {"second": 8, "pixel": 1600}  # of a recording that is converted for the page
_NARROW = 1024  # dimensions
_POINTS = 7  # that are judged without being asked for
_LABELLED = 400  # recordings that are scored against labels: more would only make the wait longer


class Discovery:
    """One finished training, and what is made of it."""

    def __init__(self, run: Run, corpus: Corpus, terminal: Terminal, device: str, size: int | None = None) -> None:
        self.run, self.corpus, self.terminal, self.device = run, corpus, terminal, device
        self.subject = _kmeans.of_run(run, corpus, device, size, terminal)
        self.model: Model = self.subject.model
        self.tools = INSTRUMENTS[corpus.axis]
        self.labelled: Corpus = corpus  # with the places of characters, where they can be found
        self.absent: list[str] = [*self.tools.absent]
        self.rows: list[scores.Row] = []
        self.seconds = float(run.facts["cost"].get("seconds", 0.0))

    def finish(self) -> None:
        """Units, scores, sounds, page; the last line said is the page's path."""
        begun = time.monotonic()
        units: dict[str, Units] = {}
        if self.subject.alphabet:
            (self.run.path / "units").mkdir(exist_ok=True)
            write_units(self.subject, self.corpus, self.run.path / "units", ["jsonl"], self.terminal, alone=True)
            units = read_units(self.run.path / "units" / "units.jsonl")
        else:
            self.absent.append(f"Units: {self.subject.name} has none.")
        (self.run.path / "scores.csv").unlink(missing_ok=True)
        self._judge()
        nats = {row.conventions["latents"]: row.value for row in self.rows if row.method == self.subject.name and "latents" in row.conventions}
        health = _health.of_units((units[i] for i in self.corpus.ids()) if units else (), self.corpus.sides("speaker"), nats, who=self.corpus.medium.who)
        scores.append(self.run.path / "scores.csv", self.rows)
        self._table()
        for finding in health:
            self.terminal.result(f"{finding.severity}: {finding.sentence}")
        for line in self.absent:
            self.terminal.say(f"absent: {line}")
        if units:
            self._page(units, health)
        self.run.facts["cost"]["after_training_seconds"] = round(time.monotonic() - begun, 1)
        self.run.write()
        self.terminal.result(str(self.run.path / "report.html") if units else str(self.run.path))

    # scores ------------------------------------------------------------------------------------------------------

    def _measure(self, tasks: Sequence[str], subject: Subject | Remembering, corpus: Corpus | Sequence[Recording], points: Sequence[str] = (), **said: str) -> None:
        """Adds the rows of some tasks; what cannot be done is named on the terminal and the page."""
        fold = "timit39" if self.corpus.name == "timit" else None
        scored = _scoring.Scored(subject.name, subject)
        options = TaskOptions(points=tuple(points), seed=self.run.facts["seed"], fold=fold)
        _scoring.measure(scored, corpus, tasks, options, self.terminal)
        self.absent = list(dict.fromkeys([*self.absent, *scored.left_out]))  # several points lack the same
        if subject.name != self.subject.name:  # one row of chance is enough: that of ours
            scored.scores = [score for score in scored.scores if not score.method]
        self.rows += scored.rows(corpus if isinstance(corpus, Corpus) else self.corpus, **said)

    def _judge(self) -> None:
        """Against labels, where there are some; on the owner's evaluation part when there is one."""
        ours = Remembering(self.subject)
        if isinstance(self.model.method, Reconstructs | Scores):
            self._measure(("nats",), self.subject, _health.held_out(self.corpus), split="held_out")
        if self.subject.alphabet:
            self._measure(("bits", "speaker_information"), ours, self.corpus)
        decodes, tools = isinstance(self.model.method, Reconstructs), self.tools
        if decodes:
            self._measure(tools.remade, self.subject, self.corpus)
        if not self.subject.points and not self.subject.alphabet:
            self.absent.append(f"{tools.labelled}: {self.subject.name} has neither features nor units.")
            return
        self.labelled, _ = _scoring.with_places(self.corpus, tools.units, None, self.terminal)
        yardsticks = _scoring.words(_scoring.yardsticks(self.corpus))
        if self.corpus.transcribed:
            for subject in (ours, open_subject(yardsticks[0], corpus=self.corpus, device=self.device)):
                self._measure(tools.texts, subject, self.corpus, self.subject.points[:1] if subject is ours else ())
        if not self.labelled.tiers:
            if decodes:
                self._measure(tools.coded, ours, self.corpus)
            self.absent.append(f"{tools.labelled}: {tools.without}.")
            return
        other = np.array([i for i, r in enumerate(self.labelled) if r.split == "evaluation"], np.int64)
        judged = self.labelled.select(other) if len(other) else self.labelled
        said: dict[str, str] = {}
        if len(judged) > _LABELLED:
            judged = judged.select(np.sort(np.random.default_rng(0).permutation(len(judged))[:_LABELLED]))
            said["recordings"] = f"{_LABELLED} drawn"
        if decodes:
            self._measure(tools.coded, ours, judged, **said)
        rivals: list[Subject] = [open_subject(what.replace("+", ","), corpus=judged, device=self.device) for what in yardsticks]
        if self.run.facts["method"] != "mixture":
            rivals.append(self._mixture())
        for task in tools.features:
            self._measure((task,), ours, judged, self._narrow(judged) if task == "probes" else self._judged_points(), **said)
            for number, rival in enumerate(rivals):
                if task != "probes" or number in tools.probed:  # of MFCC with and without normalisation, which hides who speaks
                    self._measure((task,), rival, judged, **(said if rival.minutes else {}))
        for subject in [s for s in (self.subject, *rivals) if s.alphabet]:
            self._measure(tools.units, Remembering(subject), judged, **said)

    def _judged_points(self) -> tuple[str, ...]:
        """All points, or the first of many: each layer of a deep network is computed anew."""
        points = self.subject.points
        if len(points) <= _POINTS:
            return points
        line = f"Points but {points[0]}: {len(points)} take their time; ask for them (untold evaluate, --points all)."
        self.absent += [line] if line not in self.absent else []
        return points[:1]

    def _narrow(self, judged: Corpus) -> list[str]:
        """The points of few dimensions: probes of the others take longer than all the rest."""
        wide = {point: self.subject.features(judged[0], point).values.shape[1] for point in self._judged_points()}
        for point, dimensions in wide.items():
            if dimensions > _NARROW:
                self.absent.append(f"Probes at {point}: {dimensions} dimensions take their time; ask for them (untold evaluate, --tasks probes --points {point}).")
        return [point for point, dimensions in wide.items() if dimensions <= _NARROW]

    def _mixture(self) -> Subject:
        """The strongest cheap rival, fitted to the same recordings."""
        from untold.training import session

        out = self.run.path / "rivals" / "mixture"
        if not (out / "model.safetensors").exists():
            wish = session.Wish("mixture", self.tools.mixture, self.run.facts["seed"], minutes=10.0)
            made = session.begin(wish, self.corpus, out, resume=False, force=True, command=self.run.facts["command"])
            session.perform(made, wish, self.corpus, self.terminal, self.device)
        return open_subject(str(out), device=self.device)

    def _table(self) -> None:
        """The main figures on the terminal: ours, the mixture's, the best MFCC row's, chance."""
        lines = []
        for shown_score in self.tools.shown:
            said = {k: v for k, v in shown_score.items() if k != "metric"}
            metric = shown_score["metric"]
            rows = [r for r in self.rows if r.metric == metric and all(r.conventions.get(k, v) == v for k, v in said.items())]
            columns: dict[str, scores.Row] = {}
            for row in rows:
                own = row.method == self.subject.name
                name = f"{row.method} at {row.point}" if own and row.point not in ("", "units") else row.method
                best = columns.get(row.method)
                if own:
                    lines.append((self._label(metric, said), name, row.value, row.low, row.high))
                elif best is None or (row.value < best.value) == (row.better == "lower"):
                    columns[row.method] = row
            lines += [(self._label(metric, said), _named(row), row.value, row.low, row.high) for row in columns.values()]
        if lines:
            shown, before = [], ""
            for label, name, value, low, high in lines:
                span = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
                shown.append((label if label != before else "", name, f"{value:.3f}", span))
                before = label
            self.terminal.table(("score", "of", "value", "95 % interval"), shown)

    @staticmethod
    def _label(metric: str, said: dict[str, str]) -> str:
        return metric + (f" ({', '.join(said.values())})" if said else "")

    # the page ----------------------------------------------------------------------------------------------------

    def _page(self, units: dict[str, Units], health: Iterable[Finding]) -> None:
        back: Resynthesis | None = None
        if isinstance(self.model.method, Reconstructs):
            try:
                back = Resynthesis(self.model, self.run.path)
            except UntoldError as error:
                self.absent.append(f"{'Sounds' if self.corpus.axis == 'second' else 'Pictures'}: {error}")
        tiers = self.labelled.tiers
        tier = next((name for name in ("phones", "characters", *tiers) if name in tiers), AXES[self.corpus.axis].label + "s")
        gather(
            self.labelled, units, self.run.path, method=self.run.name, tier=tier, health=[(f.severity, f.sentence) for f in health],
            reconstruct=None if back is None else back.of_recording, conversions=[] if back is None else list(self._conversions(back)),
            absent=self.absent, notes={"command": self.run.facts["command"], **{f"version of {k}": v for k, v in versions().items()}},
        )
        page.write(self.run.path, PageData.read(self.run.path))

    def _conversions(self, back: Resynthesis) -> Iterator[tuple[str, str, str, np.ndarray, np.ndarray]]:
        """A few recordings in the voice of another speaker, of the other sex where sexes are known; a line in several other hands."""
        known = self.model.sides.get("speaker", [])[1:]
        sexes = dict(zip(self.corpus.sides("speaker"), self.corpus.sides("sex"), strict=True))
        if len(known) < 2:
            return
        draw, longest = np.random.default_rng(1), _LONGEST[self.corpus.axis]
        numbers = [int(number) for number in draw.permutation(len(self.corpus))[:3]]
        if self.corpus.axis == "pixel":
            numbers = numbers[:1] * 4
        before: list[str] = []
        for number in numbers:
            recording = self.corpus[number]
            if recording.length > longest and self.corpus.axis == "second":
                continue
            others = [s for s in known if s not in (recording.speaker, *before)]
            unlike = [s for s in others if sexes.get(s) != sexes.get(recording.speaker)] or others
            if not unlike:
                return
            to = unlike[int(draw.integers(len(unlike)))]
            before += [to] if self.corpus.axis == "pixel" else []
            original, made = recording.signal.read(0, recording.signal.steps), back.of_recording(recording, back.speaker(to))
            original, made = (as_written(x[: int(longest * recording.signal.grid.rate)], recording.sides) for x in (original, made))
            yield recording.id, recording.speaker, to, original, made


def _named(row: scores.Row) -> str:
    settings = row.conventions.get("settings")
    return f"{row.method}:{settings}" if settings else row.method
