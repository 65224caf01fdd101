"""One scan through one server, in memory."""
