"""The VQ-VAE of `make demo`: smaller than `vq_vae`, for four minutes on the embedded corpus."""

METHOD = "autoencoder"
MINUTES = 4.0
SETTINGS = {
    "input": {"name": "mfcc", "normalise": "file", "warp": "random"},
    "target": {"name": "mfcc", "normalise": "file", "warp": "file"},
    "encoder": {"name": "convolutions", "width": 256, "dense": 2},
    "bottleneck": {"name": "vq", "size": 2048, "dimensions": 16},
    "decoder": {"name": "frame", "width": 192, "layers": 0, "frame_layers": 0},
    "sound_decoder": {"name": "frame", "width": 192},
    "p_each_side": 0.25,
    "batch": 32,
}
