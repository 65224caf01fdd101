"""Object storage: what lies in buckets is shown in a folder here, fetched and brought back."""
