"""vq-wav2vec on the waveform with the sizes of Baevski et al. 2020 (arXiv 1910.05453): for a GPU and days."""

from untold.recipes import wav2vec_waveform

METHOD = "wav2vec"
SETTINGS = {
    **wav2vec_waveform.SETTINGS,
    "encoder": {"name": "strides", "width": 512, "dense": 3},
    "bottleneck": {"name": "product", "groups": 2, "code": {"name": "gumbel", "size": 320, "dimensions": 256, "cooling": 0.999995, "diversity": 0.0}},
}
