"""From the words of `--i` to scans in memory."""
