"""The VQ-VAE of lines of handwriting: a token every 8 pixels of a line 64 high, minutes of a CPU."""

METHOD = "autoencoder"
SETTINGS = {
    "input": {"name": "columns"},
    "target": {"name": "pixels"},
    "sound": "none",
    "encoder": {"name": "columns"},
    "bottleneck": {"name": "vq", "size": 512, "dimensions": 64},
    "decoder": {"name": "column"},
    "crop": 320.0,
    "batch": 32,
}
