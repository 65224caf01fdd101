"""From what a model answers to posteriors that can be true."""
