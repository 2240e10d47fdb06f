"""`quantized_outputs.txt` of ZeroSpeech 2021."""

from __future__ import annotations

import numpy as np
import pytest

from untold.errors import UntoldError
from untold.formats import zerospeech


def test_lines_are_name_tab_tokens(tmp_path):
    path = tmp_path / "quantized_outputs.txt"
    zerospeech.write(path, {"6829-68769-0000": np.array([1, 1, 49]), "x/b": np.array([-1, 0]), "none": np.array([], int)})
    assert path.read_bytes() == b"6829-68769-0000\t1,1,49\nx/b\t-1,0\nnone\t\n"


def test_it_streams_and_leaves_nothing_half_done(tmp_path):
    path = tmp_path / "quantized_outputs.txt"

    def recordings():
        yield "a", np.arange(3)
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        zerospeech.write(path, recordings())
    with pytest.raises(UntoldError, match="cannot stand in"):
        zerospeech.write(path, {"a\tb": np.arange(3)})
    assert not any(tmp_path.iterdir())
