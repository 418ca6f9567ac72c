"""How long one job of a chain trains before it saves and leaves the rest to the next one."""

LIMIT_MARGIN = 0.05
"""Share of a job's time limit that is kept for the last checkpoint and for the start."""


def job_minutes(budget: float | None, limit: float) -> float | None:
    """Returns the minutes after which a job saves and stops, if any: the shorter of
    ``tuning.budget_minutes`` and, less a margin, the scheduler's ``limit``, of which 0 is none."""
    limits = [budget] if budget is not None else []
    limits += [limit * (1 - LIMIT_MARGIN)] if limit else []
    return min(limits, default=None)
