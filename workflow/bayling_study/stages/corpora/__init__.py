"""Upstream data in two forms: aligned segments and conversations.

``readers`` turn each upstream format into the types of ``types``; ``parallel``
cleans, de-duplicates and splits the segments; ``conversations`` checks the
dialogues. ``python -m bayling_study.stages.corpora`` writes both as Parquet.
"""
