"""Watching commands at work: logs as JSON, trace ids, metrics; light, and off unless asked for."""
