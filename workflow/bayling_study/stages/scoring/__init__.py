"""Scoring: hypotheses against references, with an interval and a signature for every number.

Each kind of metric is a module with one main function, ``measure(answers, options)``, that turns
one system's answers to one item (a direction, an exam, an opponent) into measurements: sufficient
statistics of every segment and the function that combines their sums. Everything else follows from
that form and is written once: corpus values, segment values, bootstrap intervals, and paired tests.

``python -m bayling_study.stages.scoring`` scores one system, ``…stages.significance`` tests every
pair of systems. COMET runs in its own environment (``bayling_study.stages.comet``).
"""
