"""Real scans beside the label maps of a store, augmented as synthetic ones are."""
