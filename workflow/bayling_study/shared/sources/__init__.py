"""Upstream sources: the table that pins them, and the files that were fetched."""
