"""One table of what many jobs made of a dataset."""
