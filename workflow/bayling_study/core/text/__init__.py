"""Text as all stages see it, so that a word is the same thing in each of them.

``scripts`` is the one table of scripts, ``words`` cuts and counts, ``forms`` makes
texts fit to store and to compare. What was decided is written down case by case in
``tests/unit/core/test_text.py``.
"""
