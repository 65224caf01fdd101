"""Pages to look at: one for each scan of a run and one for all of it."""
