"""A run on disk and on screen: checkpoints, progress, the best network."""
