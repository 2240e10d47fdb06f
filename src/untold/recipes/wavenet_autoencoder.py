"""The WaveNet autoencoder, end to end, small: the code learns from predicting samples. For a GPU, or hours of a CPU."""

METHOD = "autoencoder"
SETTINGS = {
    "input": {"name": "mfcc", "normalise": "file", "warp": "random"},
    "target": {"name": "mulaw"},
    "sound": "none",
    "encoder": {"name": "convolutions", "width": 320, "dense": 2},
    "bottleneck": {"name": "vq", "size": 2048, "dimensions": 64},
    "decoder": {"name": "wavenet", "channels": 64, "skips": 64},
    "p_each_side": 0.2,
    "crop": 0.8,
    "batch": 16,
}
