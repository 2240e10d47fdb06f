"""The VQ-VAE of lines of handwriting: a token every 8 pixels of a line 64 high, minutes of a CPU."""

METHOD = "autoencoder"
SETTINGS = {
    "input": {"name": "columns", "bend": "random"},
    "target": {"name": "pixels"},
    "sound": "none",
    "encoder": {"name": "columns", "channels": 16},
    "bottleneck": {"name": "vq", "size": 512, "dimensions": 64},
    "decoder": {"name": "column", "channels": 16},
    "crop": 320.0,
    "window": 96.0,
    "batch": 32,
}
