"""Interactive translation: demands, the conversations made of them, and their checks.

Shared by synthesis (training conversations), suites (test conversations) and
scoring (constraint satisfaction).
"""
