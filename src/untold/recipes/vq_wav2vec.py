"""wav2vec with a code of two groups of codewords before the context (vq-wav2vec), on frames: minutes of a CPU."""

METHOD = "wav2vec"
SETTINGS = {"bottleneck": {"name": "product", "groups": 2, "code": {"name": "gumbel", "size": 320, "dimensions": 64, "diversity": 3.0}}}
