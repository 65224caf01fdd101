"""Scores of segmentations and of networks, against label maps."""
