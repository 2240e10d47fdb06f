"""The voices of the espeak corpus: who they are, and what makes each sound like nobody else.

A voice is a variant of eSpeak NG written here: pitch range, formants, breath, roughness. `tract` scales all
formants, as a shorter or longer vocal tract does; `shape` moves the first three besides. `rate` is the sample rate
that its sound is declared to have (eSpeak makes 22 050 Hz): all that the variant leaves alone, the bursts and the hiss
of consonants, moves with it, and so do pitch and speed, which the table makes up for.
"""

from __future__ import annotations

from dataclasses import dataclass

MADE_AT = 22050  # Hz, the rate of eSpeak's samples


@dataclass(frozen=True)
class Voice:
    """One speaker: pitch low and high in hertz, speed in words a minute, rate in hertz, the rest as eSpeak counts."""

    name: str
    sex: str
    split: str
    pitch: tuple[int, int]
    speed: int
    rate: int
    tract: float
    shape: tuple[float, float, float] = (1.0, 1.0, 1.0)
    breath: int = 0
    roughness: int = 0
    flutter: int = 2
    tilt: int = 0  # per cent that the formants above the fourth are weaker (or, negative, stronger)

    def variant(self) -> str:
        """The text of eSpeak's variant file. Pitch is written so that it comes out right at the declared rate."""
        slower = MADE_AT / self.rate
        low, high = (round(hertz * slower) for hertz in self.pitch)
        lines = ["language variant", f"name {self.name}", f"gender {'female' if self.sex == 'f' else 'male'}"]
        lines += [f"pitch {low} {high}", f"flutter {self.flutter}", f"roughness {self.roughness}"]
        for number in range(9):
            ratio = self.tract * slower * (self.shape[number - 1] if 1 <= number <= 3 else 1.0)
            height = 100 - (self.tilt if number >= 4 else self.tilt // 3 if number == 3 else 0)
            width = 100 + 12 * min(self.breath, 5)
            lines.append(f"formant {number} {round(100 * ratio)} {height} {width}")
        if self.breath:
            lines.append("breath " + " ".join(str(self.breath * k // 2) for k in (0, 2, 3, 3, 3, 3, 3, 2)))
        return "\n".join(lines) + "\n"

    @property
    def words_a_minute(self) -> int:
        """The speed to ask eSpeak for, so that it is `speed` at the declared rate."""
        return round(self.speed * MADE_AT / self.rate)


VOICES: tuple[Voice, ...] = (
    Voice("f01", "f", "train", (165, 240), 165, 22050, 1.16, (0.94, 1.01, 0.98)),
    Voice("f02", "f", "train", (180, 290), 178, 23500, 1.27, (1.09, 0.95, 1.05), breath=2),
    Voice("f03", "f", "train", (150, 205), 150, 21000, 1.08, (0.91, 1.12, 1.01), tilt=20),
    Voice("f04", "f", "train", (210, 330), 190, 24500, 1.37, (1.05, 1.02, 0.93), flutter=6),
    Voice("f05", "f", "train", (140, 185), 148, 22800, 1.12, (1.13, 0.88, 0.94), roughness=3),
    Voice("f06", "f", "train", (195, 270), 172, 22400, 1.22, (0.88, 1.05, 1.09), breath=3, tilt=15),
    Voice("f07", "f", "train", (175, 225), 158, 24000, 1.32, (0.93, 1.13, 0.95), tilt=-15),
    Voice("f08", "f", "train", (225, 350), 184, 23000, 1.24, (1.12, 1.07, 1.05), breath=1),
    Voice("f09", "f", "train", (155, 250), 196, 21600, 1.03, (0.95, 0.91, 1.07), flutter=5),
    Voice("f10", "f", "train", (185, 235), 145, 23800, 1.19, (1.07, 0.98, 0.88), roughness=2, tilt=30),
    Voice("m01", "m", "train", (85, 120), 165, 22050, 0.99, (0.94, 0.94, 1.11)),
    Voice("m02", "m", "train", (70, 95), 148, 20600, 0.87, (1.07, 0.93, 1.00), tilt=20),
    Voice("m03", "m", "train", (105, 165), 182, 22600, 1.06, (0.91, 1.09, 1.05), breath=1),
    Voice("m04", "m", "train", (92, 112), 146, 21400, 0.92, (1.05, 1.12, 0.93), roughness=4),
    Voice("m05", "m", "train", (120, 180), 194, 23200, 1.11, (1.12, 0.95, 1.00), flutter=6),
    Voice("m06", "m", "train", (78, 130), 158, 21000, 0.82, (0.93, 1.02, 1.12), tilt=-15),
    Voice("m07", "m", "train", (98, 142), 174, 20200, 0.95, (1.05, 0.87, 0.95), breath=3),
    Voice("m08", "m", "train", (112, 150), 150, 22300, 1.02, (0.87, 1.05, 0.91), tilt=30),
    Voice("m09", "m", "train", (66, 88), 170, 21800, 0.89, (1.13, 1.07, 1.07), roughness=2),
    Voice("m10", "m", "train", (88, 155), 188, 20800, 0.98, (0.98, 0.93, 1.09), breath=2, tilt=10),
    Voice("f21", "f", "evaluation", (170, 260), 170, 23200, 1.23, (1.05, 1.07, 0.95)),
    Voice("f22", "f", "evaluation", (200, 300), 186, 24200, 1.33, (0.93, 1.02, 1.07), breath=2, flutter=4),
    Voice("f23", "f", "evaluation", (145, 195), 152, 21900, 1.06, (1.12, 0.93, 1.05), roughness=2, tilt=20),
    Voice("f24", "f", "evaluation", (188, 238), 162, 22900, 1.17, (0.95, 1.12, 1.05), breath=3, tilt=-10),
    Voice("m21", "m", "evaluation", (82, 125), 168, 21200, 0.91, (1.05, 1.05, 1.00)),
    Voice("m22", "m", "evaluation", (110, 170), 185, 22700, 1.08, (0.93, 0.91, 1.05), breath=1, flutter=5),
    Voice("m23", "m", "evaluation", (68, 98), 144, 20500, 0.85, (1.04, 1.02, 1.09), tilt=25),
    Voice("m24", "m", "evaluation", (95, 132), 156, 21500, 0.99, (1.12, 1.09, 0.91), roughness=3, breath=2),
)
