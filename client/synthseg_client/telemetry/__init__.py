"""Watching the client at work: metrics of its scans and calls, spans, trace ids in its calls."""
