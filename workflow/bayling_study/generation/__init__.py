"""Hypotheses: every system answers the prompts of the study's suites.

Two backends write the same files: ``transformers`` runs a checkpoint
(``running``), ``published`` converts outputs that somebody released
(``published``). The output folder has ``SUITE.jsonl`` a suite
(``records.Hypothesis``, in prompt order) and ``system.json`` (``outputs``).
"""
