"""Where a study is now: its jobs, its training, the scheduler's queue. It asks no running process
and changes nothing, and so works while the study runs elsewhere."""
