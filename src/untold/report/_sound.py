"""Sound on the page: spectrograms, strips of clips that are heard, seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from untold.contract import Recording, Units
from untold.evaluation.scores import Row
from untold.report import pictures, sounds
from untold.report._media import Medium, Place, Words, places_of, read, some
from untold.report.data import Exemplar, Kind, PageData, Shown
from untold.report.tables import number

RATE = 16000
BANDS = 40
_PIECE = 60.0  # seconds of one recording looked at
_EXEMPLARS = 6
_FREQUENCIES = (500, 1000, 2000, 4000)

_WORDS = Words(
    recordings="Recordings", people="speakers", picture="Spectrogram of", share="time", small="ms", spoken="milliseconds", digits=2, axis="s", quiet="silence", odd="noise-like", nameless="",
    by_share="time covered", by_likeness="likeness in sound", keys="arrow keys go from one to the next, Enter plays",
    probes="A good unit keeps the phone and loses the speaker.",
    cards=("Each picture is one place where the unit occurs: the bracket marks the unit, around it", "ms of context.", "Units that sound alike have like colours; silence stands last."),
    told="Click a unit to hear it. Click the spectrogram to play from there.", back=("Sound back", "Sound back from units"),
    converted=("The same words in another voice", "converted to"),
    conventions="A unit is called silence when its frames lie near the noise floor of their recordings, and noise-like when they cross zero often and have no period. Colours and “more like this” compare mean spectra. Spectrograms are wide-band, on a mel scale from 50 Hz to 8 kHz, at most 55 dB deep, down to the noise. Examples are of middling duration, from as many speakers as there are; they were made equally loud.",
    unmade=("Reconstructions: nothing was given that turns units back into sound.", "Conversions to another speaker: none were made."),
)


class Sound(Medium):
    """Recordings of sound at 16 kHz."""

    unit, words, template = "second", _WORDS, "sound.html"
    heard, metrics = True, MappingProxyType[str, str]({})
    fine, looked, shapes, traits = 0.005, 3600.0, BANDS, 3
    kept, each, margin = 8, 1, sounds.MARGIN
    shown, longest, middling = 3, 8.0, 3.5

    def look(self, recording: Recording, units: Units) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of frames: mel spectra in decibels; loudness above the floor, zero crossings, and how periodic they are."""
        audio = recording.signal
        length = min(audio.steps, round(_PIECE * RATE))
        begin = (audio.steps - length) // 2
        samples = np.asarray(audio.read(begin, begin + length), np.float32)
        if len(samples) < 800:
            return np.zeros(0, np.int64), np.zeros((0, BANDS)), np.zeros((0, 3))
        hop = 160
        spectrum = pictures.power(samples, window=400, hop=hop)
        energy = 10 * np.log10(spectrum.mean(1) + 1e-10)
        low, high = np.percentile(energy, [8, 95])
        starts, ends = places_of(units)
        times = (begin + np.arange(len(spectrum)) * hop) / RATE
        at = np.searchsorted(starts, times, side="right") - 1
        inside = (at >= 0) & (times < ends[np.maximum(at, 0)]) if len(starts) else np.zeros(len(times), bool)
        # The floor is told from the peaks only where the recording has quiet places: else nothing is called silence.
        span = high - low
        above = np.clip((energy - low) / span, 0, 1) if span > 12 else np.ones(len(energy))
        mel = 10 * np.log10(spectrum @ pictures.mel_weights(BANDS).T + 1e-9)
        mel -= mel.max() if len(mel) else 0
        traits = np.stack([above, _crossings(samples, hop, len(spectrum)), _periodic(spectrum)], 1)
        return units.tokens[at[inside]], mel[inside], traits[inside]

    def kind(self, traits: np.ndarray) -> Kind:
        """Silence lies near its recordings' noise floor; noise is aperiodic and crosses zero often."""
        if not len(traits):
            return "speech"
        above_floor, crossings, periodic = traits
        if above_floor < 0.25:
            return "silence"
        return "noise-like" if crossings > 0.22 and periodic < 0.55 else "speech"

    def sheet(self, run: Path, token: int, cut: Sequence[tuple[Place, Recording, str]], *, quiet: bool) -> tuple[tuple[Exemplar, ...], str]:
        """Spectrograms, and one strip of sound that holds their clips; what is quiet is not made louder."""
        begins, clips = [], []
        for count, (place, recording, _) in enumerate(cut[:_EXEMPLARS]):
            begin = max(0.0, place.start - sounds.MARGIN)
            end = min(place.end, place.start + sounds.LONGEST) + sounds.MARGIN
            around = pictures.decibels(read(recording, place.start - 2, place.start + 2), bands=80, hop=160)
            clip = read(recording, begin, end)
            grey = pictures.ink(pictures.decibels(clip, bands=80, hop=64), float(around.max()), float(np.percentile(around, 25)))
            pictures.write_picture(run / "pictures" / f"unit-{token}-{count}.webp", grey)
            begins.append(begin)
            clips.append(clip if quiet else sounds.louder(clip))
        if not clips:
            return (), ""
        samples, at = sounds.strip(clips)
        sounds.write_clip(run / "sounds" / f"unit-{token}.ogg", samples)
        made = []
        for count, ((place, recording, label), begin, clip, offset) in enumerate(zip(cut, begins, clips, at, strict=False)):
            start = offset + place.start - begin
            made.append(Exemplar(
                recording=recording.id, speaker=place.speaker, start=place.start, end=place.end, clip_start=offset,
                clip_end=offset + len(clip) / RATE, unit_start=start, unit_end=start + min(place.end - place.start, sounds.LONGEST),
                picture=f"unit-{token}-{count}.webp", label=label,
            ))
        return tuple(made), f"unit-{token}.ogg"

    def drawn(self, run: Path, name: str, identity: str, speaker: str, values: np.ndarray) -> Shown:
        """A spectrogram and a clip."""
        samples = np.nan_to_num(np.asarray(values, np.float32))[: round(self.longest * RATE)]
        levels = pictures.decibels(samples, bands=96, hop=64)
        top, floor = np.percentile(levels, [99.8, 25])
        pictures.write_picture(run / "pictures" / f"{name}.webp", pictures.ink(levels, float(top), float(floor)), quality=55)
        sounds.write_clip(run / "sounds" / f"{name}.ogg", sounds.louder(samples))
        return Shown(identity, speaker, len(samples) / RATE, f"{name}.webp", f"{name}.ogg")

    def ticks(self, length: float) -> list[tuple[float, str]]:
        """Every half second."""
        return [(t / 2, f"{t / 2:.1f}" + (" s" if t == 0 else "")) for t in range(int((length - 0.15) * 2) + 1)]

    def marks(self) -> list[tuple[str, str]]:
        """Frequencies."""
        def mel(frequency: float) -> float:
            return math.log10(1 + frequency / 700)
        span = mel(8000) - mel(50)
        return [(f"{f / 1000:g}", f"{100 * (mel(f) - mel(50)) / span:.1f}") for f in _FREQUENCIES]

    def duration(self, value: float) -> str:
        """Milliseconds."""
        return f"{1000 * value:.0f}"

    def place(self, value: float) -> str:
        """Seconds."""
        return f"{value:.2f} seconds"

    def amount(self, length: float) -> str:
        """Seconds."""
        return f"{length:.1f} seconds"

    def facts(self, data: PageData) -> list[tuple[str, str]]:
        """Recordings, hours, units a second."""
        return [("recordings", f"{data.recordings}"), ("of speech", _length(data.length)), ("units a second", f"{data.rate:.1f}")]

    def found(self, data: PageData) -> list[str]:
        """How many units, how often, how much silence and noise."""
        of = f" by {data.speakers} speakers" if data.speakers > 1 else " by one speaker" if data.speakers == 1 else ""
        silent = [unit for unit in data.units if unit.kind == "silence"]
        noisy = [unit for unit in data.units if unit.kind == "noise-like"]
        said = [f"From {_length(data.length)} of speech{of}, {data.method} found {len(data.units)} units. They come {data.rate:.1f} times a second."]
        if (gaps := 1 - sum(unit.share for unit in data.units)) > 0.02:
            said.append(f"In {100 * gaps:.0f} % of the time there is no unit.")
        share = sum(unit.share for unit in silent)
        if silent:
            said.append(f"{some(len(silent), 'unit')} of silence cover {100 * share:.0f} % of the time." if len(silent) > 1
                        else f"One unit of silence covers {100 * share:.0f} % of the time.")
        if noisy:
            said.append(f"{some(len(noisy), 'unit')} {'sound' if len(noisy) > 1 else 'sounds'} like noise, as fricatives and bursts do.")
        return said

    def verdict(self, rows: Sequence[Row], method: str) -> str:
        """ABX beside that of MFCC and of the best other rival."""
        for metric, sentence in (("abx_across", "Asked which of two sounds a third one is, by another speaker,"), ("abx_within", "Asked which of two sounds of a speaker a third one is,")):
            mine = next((row for row in rows if row.metric == metric and row.method == method), None)
            others = [row for row in rows if mine and row.metric == metric and row.method not in (method, "chance") and _comparable(row, mine)]
            told = []
            for name, own in (("the best MFCC", True), ("", False)):
                rivals = [row for row in others if row.method.startswith("mfcc") == own]
                if mine and rivals:
                    rival = min(rivals, key=lambda row: row.value)
                    how = "less often than" if mine.value < rival.value else "more often than" if mine.value > rival.value else "as often as"
                    told.append(f"{how} {name if own else rival.method} ({number(rival.value)})")
            if mine and told:
                return f"{sentence} they err in {number(mine.value)} of the cases, {' and '.join(told)}."
        return ""


MEDIUM = Sound()


def _length(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


def _comparable(one: Row, other: Row) -> bool:
    return all(one.conventions.get(key) == other.conventions.get(key) for key in ("context", "kind", "distance", "frames"))


def _crossings(samples: np.ndarray, hop: int, frames: int) -> np.ndarray:
    signs = np.append(False, np.signbit(samples[1:]) != np.signbit(samples[:-1]))
    totals = np.append(0, np.cumsum(signs))
    centres = np.arange(frames) * hop
    low, high = np.maximum(0, centres - 200), np.minimum(len(samples), centres + 200)
    return np.asarray((totals[high] - totals[low]) / np.maximum(1, high - low))


def _periodic(spectrum: np.ndarray) -> np.ndarray:
    """The largest autocorrelation between 80 and 400 Hz over that at lag 0, the window's own taken out."""
    window = np.hanning(400)
    own = np.correlate(window, window, "full")[399:]
    lags = np.arange(40, 200)
    shape = np.fft.irfft(spectrum, axis=1)[:, : lags[-1] + 1]
    peaks = (shape[:, lags] * (own[0] / own[lags])).max(1)
    return np.asarray(np.clip(peaks / np.maximum(shape[:, 0], 1e-12), 0, 1))
