"""Many scans: which, what their results are called, and the way through all of them."""
