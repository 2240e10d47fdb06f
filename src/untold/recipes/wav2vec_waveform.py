"""wav2vec on the waveform with the sizes of Schneider et al. 2019 (arXiv 1904.05862): for a GPU and days."""

METHOD = "wav2vec"
SETTINGS = {
    "input": {"name": "waveform"},
    "predicted": "heard",
    "encoder": {"name": "strides", "width": 512},
    "bottleneck": {"name": "identity", "dimensions": 512},
    "context_dimensions": 512,
    "context_layers": 9,
    "first_step": 1,
    "steps": 12,
    "drawn": 512,
    "temperature": 1 / 512,
    "crop": 9.375,
    "batch": 64,
    "learning_rate": 1e-3,
}
