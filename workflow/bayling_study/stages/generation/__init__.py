"""Hypotheses: every system answers the prompts of the study's suites.

Backends write the same files: ``transformers`` and ``vllm`` run a checkpoint
(``running``, ``engines``), ``endpoint`` asks a server (``remote``), ``published``
converts outputs that somebody released (``published``). The output folder has
``SUITE.jsonl`` a suite (``records.Hypothesis``, in prompt order) and
``system.json`` (``outputs``).
"""
