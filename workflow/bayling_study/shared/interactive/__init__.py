"""Interactive translation: demands, the conversations made of them, and their checks.

Used by synthesis (training conversations), prompts (test conversations) and
scoring (constraint satisfaction).
"""
