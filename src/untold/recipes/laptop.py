"""A WaveNet autoencoder for half an hour of two cores: the code of `vq_vae`, then a WaveNet that learns to speak it."""

METHOD = "autoencoder"
MINUTES = 30.0
SETTINGS = {
    "input": {"name": "mfcc", "normalise": "file", "warp": "random"},
    "target": {"name": "mfcc", "normalise": "file", "warp": "file"},
    "sound": "waveform",
    "encoder": {"name": "convolutions", "width": 320, "dense": 2},
    "bottleneck": {"name": "vq", "size": 2048, "dimensions": 64},
    "decoder": {"name": "frame", "width": 256, "layers": 0, "frame_layers": 0},
    "sound_decoder": {"name": "wavenet", "channels": 64, "skips": 64, "cycles": 1, "prediction": 24, "longest_period": 400},
    "sound_share": 1 / 12,
    "sound_phase": 0.2,
    "p_each_side": 0.2,
}
