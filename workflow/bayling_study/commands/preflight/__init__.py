"""Is the place that a profile sends jobs to ready for the study? Asked before anything long.
``checks`` judges, ``slurm`` asks the scheduler, ``probe`` runs on a node and tells what it finds.
"""
