"""Text as all stages see it, so that a word is the same thing in each of them. What was decided is
written down case by case in ``tests/unit/core/test_text.py``."""
