"""The loop, its checkpoints, averages and monitors."""
