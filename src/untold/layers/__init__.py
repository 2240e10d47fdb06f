"""Pieces of networks that know nothing of data or files."""
