"""Checkpoints in the hub's format, read and written one tensor at a time."""
