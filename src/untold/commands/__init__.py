"""One file a verb; the Python API and the command line are the same functions."""
