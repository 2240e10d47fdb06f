"""Latents and conditions -> a distribution over the input, one file a decoder."""
