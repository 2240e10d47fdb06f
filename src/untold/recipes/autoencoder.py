"""Autoencoder with a narrow code and no other bottleneck: the same parts as `vq_vae`."""

METHOD = "autoencoder"
SETTINGS = {
    "input": {"name": "mfcc", "normalise": "file", "warp": "random"},
    "target": {"name": "mfcc", "normalise": "file", "warp": "file"},
    "encoder": {"name": "convolutions", "width": 320, "dense": 2},
    "bottleneck": {"name": "identity", "dimensions": 64},
    "decoder": {"name": "frame", "width": 256, "layers": 0, "frame_layers": 0},
    "sound_decoder": {"name": "frame", "width": 256},
    "p_each_side": 0.2,
}
