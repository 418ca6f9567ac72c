"""Hypotheses: every system answers the prompts of the study's suites. All backends (``backends``)
write the same: ``SUITE.jsonl`` a suite (``records.Hypothesis``, in prompt order) and
``system.json`` (``outputs``)."""
