"""A scan and its labels in flat pictures: which slices, how bright, where the contours run."""
