"""What is random about a sample, drawn from (settings, seed, k) with NumPy alone."""
