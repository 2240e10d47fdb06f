"""Masked reconstruction of lines of handwriting: what is hidden of a line is drawn from what is left of it."""

METHOD = "masked_reconstruction"
SETTINGS = {
    "input": {"name": "columns", "bend": "random"},
    "target": {"name": "pixels"},
    "encoder": {"name": "transformer", "stack": 4, "window": 30},
    "decoder": {"name": "column", "channels": 16},
    "starts": 0.08,
    "span": 4,
    "crop": 640.0,
    "batch": 16,
}
