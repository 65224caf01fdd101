"""The network: its layers, its weights, and its files."""
