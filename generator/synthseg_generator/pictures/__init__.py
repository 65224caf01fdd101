"""Figures of samples."""
