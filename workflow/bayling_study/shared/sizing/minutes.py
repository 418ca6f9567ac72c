"""How long one job of a chain trains before it saves and leaves the rest to the next one."""

LIMIT_MARGIN = 0.05
"""Share of a job's time limit that is kept for the last checkpoint and for the start."""


def job_minutes(budget: float | None, limit: float) -> float | None:
    """Returns the minutes after which a job saves and stops.

    Args:
        budget: ``tuning.budget_minutes``.
        limit: minutes that the scheduler gives the job; 0 where there is no limit.

    Returns:
        The shorter of the two, the limit less a margin; nothing where there is neither.
    """
    limits = [budget] if budget is not None else []
    limits += [limit * (1 - LIMIT_MARGIN)] if limit else []
    return min(limits, default=None)
