"""Contrastive prediction of the waveform with the sizes of Rivière et al. 2020 (arXiv 2002.02848): for a GPU and days."""

METHOD = "cpc"
SETTINGS = {
    "input": {"name": "waveform"},
    "predicted": "heard",
    "encoder": {"name": "strides", "width": 256},
    "context": "lstm",
    "context_dimensions": 256,
    "predictor": "transformer",
    "heads": 8,
    "widening": 8.0,
    "first_step": 1,
    "steps": 12,
    "negatives": "same_speaker",
    "drawn": 128,
    "temperature": 1.0,
    "crop": 1.28,
    "batch": 64,
    "learning_rate": 2e-4,
    "warm_up": 0,
    "constant": 1.0,
}
