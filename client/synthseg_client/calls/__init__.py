"""Talking to a model server: the channel, calls and their repetition, questions and answers."""
