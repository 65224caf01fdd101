"""Work on many processes with Dask, or on none."""
