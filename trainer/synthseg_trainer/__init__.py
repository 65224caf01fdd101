"""Trains segmentation networks on synthetic scans."""
