"""Pictures of lines that tests draw."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw


def strokes(width: int = 300, height: int = 64, slant: float = 0.0, rise: float = 0.0, seed: int = 0) -> Image.Image:
    """Dark strokes on light paper: some long, some short, with feet, leaning and rising as told."""
    picture = Image.new("L", (4 * width, 4 * height), 230)
    pen = ImageDraw.Draw(picture)
    draw = np.random.default_rng(seed)
    foot = 0.75 * height
    for x in np.arange(0.08 * width, 0.92 * width, 0.2 * height):
        tall = height * (0.5 if draw.random() < 0.3 else 0.28)
        down = rise * (x - width / 2)
        ends = [(x + slant * (tall - foot + height / 2), foot - tall + down), (x - slant * (foot - height / 2), foot + down)]
        pen.line([(4 * a, 4 * b) for a, b in ends], fill=30, width=max(4, height // 5))
        pen.line([(4 * ends[1][0], 4 * ends[1][1]), (4 * (ends[1][0] + 0.08 * height), 4 * ends[1][1])], fill=60, width=max(4, height // 8))
    return picture.resize((width, height), Image.Resampling.BOX)
