"""Where a study is now: its jobs, its training, the scheduler's queue.

Reads run records, the training's reports and, where one answers, a scheduler's
queue; asks no running process and changes nothing. So it works from any machine
that sees the results folder, while the study runs elsewhere.
"""
