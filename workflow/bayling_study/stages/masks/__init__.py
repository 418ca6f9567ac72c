"""The encoded training set of a tuned system, with an audit of its loss mask."""
