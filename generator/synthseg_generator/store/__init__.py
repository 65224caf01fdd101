"""Label maps from files into a Zarr store, and out of it."""
