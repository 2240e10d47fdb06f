"""Numba's parallel layer set the number of PyTorch's threads, and numbers changed with the first segmentation."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import numpy as np, torch
torch.set_num_threads(1)
from untold.layers.segmentation import decode
decode(np.random.rand(3, 50, 16).astype(np.float32), np.array([50, 40, 10]), 1.0)
print(torch.get_num_threads())
"""


def test_segmentation_leaves_the_threads_of_torch_as_they_are():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
