"""The ground floor: what several parts share. It imports nothing of theirs, and nothing heavy."""
