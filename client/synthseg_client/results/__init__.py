"""The files that come of a scan, and the record of those that are finished."""
