"""The code of `lines`, and a PixelCNN that learns to draw it pixel by pixel: sharp strokes, more minutes of a CPU."""

from untold.recipes import lines

METHOD = "autoencoder"
SETTINGS = {**lines.SETTINGS, "sound": "pixels", "sound_decoder": {"name": "pixelcnn"}, "sound_share": 0.5}
