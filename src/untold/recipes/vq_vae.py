"""Autoencoder with a vector-quantised code: 50 tokens a second, cepstra (the tract's length undone) as target, minutes of a CPU."""

METHOD = "autoencoder"
SETTINGS = {
    "input": {"name": "mfcc", "normalise": "file", "warp": "random"},
    "target": {"name": "mfcc", "normalise": "file", "warp": "file"},
    "encoder": {"name": "convolutions", "width": 320, "dense": 2},
    "bottleneck": {"name": "vq", "size": 2048, "dimensions": 64},
    "decoder": {"name": "frame", "width": 256, "layers": 0, "frame_layers": 0},
    "sound_decoder": {"name": "frame", "width": 256},
    "p_each_side": 0.2,
}
