"""A study in small, before it costs anything: ``make rehearse STUDY=NAME``."""
