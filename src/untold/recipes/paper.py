"""The WaveNet autoencoder as published (arXiv 1901.08810): for a GPU and days."""

METHOD = "autoencoder"
SETTINGS = {
    "input": {"name": "mfcc", "normalise": "file"},
    "target": {"name": "mulaw"},
    "sound": "none",
    "encoder": {"name": "convolutions", "width": 768, "before": 2, "halvings": 1, "after": 2, "dense": 4},
    "bottleneck": {"name": "vq", "size": 16384, "dimensions": 64},
    "decoder": {"name": "wavenet", "channels": 368, "skips": 256, "head": 256, "cycles": 2, "layers": 10},
    "condition_dimensions": 128,
    "normalise_condition": False,
    "p_each_side": 0.12,
    "crop": 0.32,
    "window": 0.32,
    "batch": 64,
    "learning_rate": 4e-4,
    "constant": 1.0,
    "halve_at": [400_000, 600_000, 800_000],
}
