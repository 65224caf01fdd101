"""Watching the embedded server at work: its metrics, spans, and an event for each request."""
