"""Frames -> vectors, one file an encoder."""

from __future__ import annotations

from typing import Any

from untold.contract import Stage


def way(encoder: Any) -> tuple[Stage, ...]:
    """From frames to `encoder`, its output: a stage for each layer where the encoder names its layers (`points`)."""
    if hasattr(encoder, "way"):
        stages: tuple[Stage, ...] = encoder.way()
        return stages
    return (Stage("encoder", encoder, (encoder.reach, encoder.reach), encoder.stride),)


def points(encoder: Any) -> tuple[str, ...]:
    """What can be read on that way, the last layer first, below what comes after them."""
    return (*tuple(getattr(encoder, "points", ()))[::-1], "encoder")
