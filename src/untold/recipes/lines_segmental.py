"""Lines of handwriting in units that last: four for a stretch as long as the line is high, placed every 4 pixels of 64."""

from untold.recipes import lines

METHOD = "autoencoder"
SETTINGS = {
    **lines.SETTINGS,
    "encoder": {"name": "columns", "channels": 16, "halvings": 1},
    "bottleneck": {"name": "segmental", "size": 512, "dimensions": 64, "rate": 4.0},
}
