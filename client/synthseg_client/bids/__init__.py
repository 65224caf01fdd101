"""A BIDS dataset: which of its scans, what their derivatives are called, and what tells of them."""
