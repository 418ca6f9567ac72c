"""Scoring: hypotheses against references, with an interval and a signature for every number.

Each kind of metric is a module with one main function, ``measure(answers, options)``, that turns
one system's answers to one item (a direction, an exam, an opponent) into measurements: sufficient
statistics of every segment and the function that combines their sums. Everything else is written
once: corpus values, segment values, bootstrap intervals, and paired tests
(``…stages.significance``). COMET runs in its own environment (``…stages.comet``).
"""
