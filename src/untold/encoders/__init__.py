"""Frames -> vectors, one file an encoder."""
