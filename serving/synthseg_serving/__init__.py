"""A trained network as a served model: export, import of released weights, the embedded server."""
