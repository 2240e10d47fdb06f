"""Autoencoder whose code lasts: 12 units a second, each a codeword that stays for a while, minutes of a CPU."""

METHOD = "autoencoder"
SETTINGS = {
    "input": {"name": "mfcc", "normalise": "file", "warp": "random"},
    "target": {"name": "mfcc", "normalise": "file", "warp": "file"},
    "encoder": {"name": "convolutions", "width": 256, "before": 1, "halvings": 0, "after": 1, "dense": 1},
    "bottleneck": {"name": "segmental", "size": 256, "dimensions": 64, "rate": 12.0, "distance": "plain"},
    "decoder": {"name": "frame", "width": 256, "layers": 0, "frame_layers": 0},
    "sound_decoder": {"name": "frame", "width": 256},
    "sound_share": 0.1,
}
