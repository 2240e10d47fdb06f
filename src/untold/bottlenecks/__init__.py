"""Vectors -> vectors that carry less, one file a bottleneck."""
