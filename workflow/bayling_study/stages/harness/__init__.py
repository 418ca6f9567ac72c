"""The stage ``harness``: a system's answers to multiple-choice suites, by likelihood.

lm-evaluation-harness puts the questions and marks the answers; this stage loads the system as
generation does and writes one row per question, so that intervals and paired tests are those of
all other suites.
"""
