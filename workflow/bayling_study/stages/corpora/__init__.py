"""Upstream data in two forms: aligned segments and conversations. ``readers`` turn each upstream
format into segments and dialogues; ``parallel`` cleans (``cleaning``), de-duplicates and splits
(``splitting``) the segments; ``conversations`` checks the dialogues. ``python -m
bayling_study.stages.corpora`` writes both as Parquet."""
