"""Samples by their number, drawn or planned, and their way to a training."""
