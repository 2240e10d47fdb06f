"""Autoencoder with Gaussian latents (VAE): the same parts as `vq_vae`, 14 free bits per latent."""

METHOD = "autoencoder"
SETTINGS = {
    "input": {"name": "mfcc", "normalise": "file", "warp": "random"},
    "target": {"name": "mfcc", "normalise": "file", "warp": "file"},
    "encoder": {"name": "convolutions", "width": 320, "dense": 2},
    "bottleneck": {"name": "gaussian", "dimensions": 64, "free_bits": 14.0},
    "decoder": {"name": "frame", "width": 256, "layers": 0, "frame_layers": 0},
    "sound_decoder": {"name": "frame", "width": 256},
    "p_each_side": 0.2,
}
