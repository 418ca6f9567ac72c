"""What HTCondor must be told of a study's jobs."""

MARK = "BaylingStudy"
"""Attribute of each job with the study's name."""
