"""Instruments: they know methods by the contract only."""
