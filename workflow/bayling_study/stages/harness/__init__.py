"""The stage ``harness``: a system's answers to multiple-choice suites, by likelihood.
lm-evaluation-harness puts and marks the questions; this stage loads the system as generation does
and writes one row per question, so that intervals and paired tests are as everywhere."""
