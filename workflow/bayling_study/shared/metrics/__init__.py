"""Metrics: one system's answers to one item, measured segment by segment."""
